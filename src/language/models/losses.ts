/**
 * Losses, as sums: a training program differentiates the sum of its losses times a scalar; the divisor is applied once,
 * at the root of the reduction.
 */
import { GraphBuilder, type Graph, type ValueId } from "../../numeric/graph/index.ts";
import { buildModel, type ModelConfig } from "./families.ts";
import type { Head } from "./head.ts";
import { LayerContext } from "./layers.ts";

/**
 * Σ over rows of weight · cross-entropy(logits row, label), rank 0. logits [N, L]; labels int [N]; weights [N] (0 for a
 * row that does not count). With smoothing ε the target is (1−ε)·one-hot + ε/L (Szegedy et al. 2016).
 */
export function crossEntropySum(
  g: GraphBuilder,
  logits: ValueId,
  labels: ValueId,
  weights: ValueId,
  classes: number,
  smoothing: number,
): ValueId {
  const off = smoothing / classes;
  const target = g.oneHot(labels, { depth: classes, on: 1 - smoothing + off, off }); // [N, L]
  const perRow = g.reduceSum(g.mul(target, g.logSoftmax(logits)), [1], { keepDims: false }); // [N], negative
  return g.neg(g.reduceSum(g.mul(perRow, weights), [0], { keepDims: false })); // []
}

export interface LossGraphOptions {
  /** Dropout at the config's rates. @default false */
  readonly dropout?: boolean;
  /** 0 ≤ ε < 1. @default 0 */
  readonly labelSmoothing?: number;
}

/**
 * A head's program with one label a row of its logits: beside `logits`, the output `loss` (rank 0: the sum of the rows'
 * losses × the input `loss_scale`) and its inputs `labels`, `label_weights`.
 */
export function crossEntropyGraph(
  config: ModelConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  { dropout = false, labelSmoothing = 0 }: LossGraphOptions = {},
): Graph {
  const g = new GraphBuilder();
  const logits = buildModel(new LayerContext(g, dropout), config, head);
  g.output("logits", logits);
  const rows = g.shapeOf(logits)[0]!;
  const labels = g.input("labels", "int", [rows]);
  const weights = g.input("label_weights", "real", [rows]);
  const scale = g.input("loss_scale", "real", []);
  const classes = "labels" in head ? head.labels : config.vocab_size;
  g.output("loss", g.mul(crossEntropySum(g, logits, labels, weights, classes, labelSmoothing), scale));
  return g.build();
}
