/**
 * Losses, as sums: a training program differentiates the sum of its losses times a scalar; the divisor is applied once,
 * at the root of the reduction.
 */
import { GraphBuilder, type Graph, type ValueId } from "../../numeric/graph/index.ts";
import { buildModel, type ModelConfig } from "./families.ts";
import type { Head } from "./head.ts";
import { l2Normalize, LayerContext } from "./layers.ts";

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

/**
 * The same for many classes: without a one-hot target of [N, L]. Labels are below L; a row with a negative label has
 * weight 0. Its bits are not those of `crossEntropySum`.
 */
export function labelCrossEntropySum(
  g: GraphBuilder,
  logits: ValueId,
  labels: ValueId,
  weights: ValueId,
  classes: number,
  smoothing: number,
): ValueId {
  const { loss, logProbs } = g.crossEntropy(logits, labels);
  const smooth = (): ValueId =>
    g.sub(
      g.mul(loss, g.constant(1 - smoothing)),
      g.mul(g.reduceSum(logProbs, [1], { keepDims: false }), g.constant(smoothing / classes)),
    );
  return weightedSum(g, smoothing === 0 ? loss : smooth(), weights);
}

/**
 * Σ over rows of weight · the mean over its L labels of −(t·log σ(x) + (1 − t)·log(1 − σ(x))), rank 0; computed as
 * softplus(x) − t·x, which loses nothing where σ is near 0 or 1. logits [N, L]; targets real [N, L], 0 to 1; weights
 * [N].
 */
export function binaryCrossEntropySum(
  g: GraphBuilder,
  logits: ValueId,
  targets: ValueId,
  weights: ValueId,
  labels: number,
): ValueId {
  const each = g.sub(g.softplus(logits), g.mul(targets, logits)); // [N, L]
  const perRow = g.mul(g.reduceSum(each, [1], { keepDims: false }), g.constant(1 / labels)); // [N]
  return weightedSum(g, perRow, weights);
}

/** Σ over rows of weight · (prediction − target)², rank 0. predictions [N, 1]; targets real [N]; weights [N]. */
export function squaredErrorSum(g: GraphBuilder, predictions: ValueId, targets: ValueId, weights: ValueId): ValueId {
  const difference = g.sub(g.reshape(predictions, g.shapeOf(targets)), targets); // [N]
  return weightedSum(g, g.mul(difference, difference), weights);
}

export interface ContrastiveInputs {
  /** int [R]: rows of `pooled` that are compared. */
  readonly anchors: ValueId;
  /** int [S]: rows of `pooled` that they are compared with. */
  readonly candidates: ValueId;
  /** int [R]: which candidate belongs to each anchor. */
  readonly labels: ValueId;
  /** real [R] */
  readonly weights: ValueId;
  /** Factor of the cosine similarities, which is 1/temperature. */
  readonly scale: number;
}

/**
 * In-batch negatives (Henderson et al. 2017): every anchor's own candidate against all others, as a cross-entropy over
 * scaled cosine similarities. pooled [B, C] has the texts of both sides. Gives the scores [R, S] and Σ over anchors of
 * weight · loss, rank 0.
 */
export function inBatchNegativesSum(
  g: GraphBuilder,
  pooled: ValueId,
  channels: number,
  { anchors, candidates, labels, weights, scale }: ContrastiveInputs,
): { readonly scores: ValueId; readonly loss: ValueId } {
  const normalized = l2Normalize(g, pooled, channels); // [B, C]
  const side = (rows: ValueId) => g.gatherRows(normalized, rows);
  const scores = g.matmul(side(anchors), side(candidates), { transB: true, alpha: scale }); // [R, S]
  return { scores, loss: weightedSum(g, g.crossEntropy(scores, labels).loss, weights) };
}

/**
 * Σ over rows of weight · KL(softmax(teacher/T) ‖ softmax(student/T)), rank 0 (Hinton et al. 2015, without the factor
 * T² that keeps its gradients as large as those of the labels). student, teacher [N, L]; weights [N].
 */
export function distillationSum(
  g: GraphBuilder,
  student: ValueId,
  teacher: ValueId,
  weights: ValueId,
  temperature: number,
): ValueId {
  const cooled = (logits: ValueId) => g.logSoftmax(g.mul(logits, g.constant(1 / temperature))); // [N, L]
  const wanted = cooled(teacher);
  const apart = g.mul(g.exp(wanted), g.sub(wanted, cooled(student))); // [N, L]
  return weightedSum(g, g.reduceSum(apart, [1], { keepDims: false }), weights);
}

/** Σ over rows of weight · (1 − cosine of the two rows), rank 0. a, b [N, C]; weights [N]. */
export function cosineDistanceSum(
  g: GraphBuilder,
  a: ValueId,
  b: ValueId,
  weights: ValueId,
  channels: number,
): ValueId {
  const products = g.mul(l2Normalize(g, a, channels), l2Normalize(g, b, channels)); // [N, C]
  const cosines = g.reduceSum(products, [1], { keepDims: false }); // [N]
  return weightedSum(g, g.sub(g.constant(1), cosines), weights);
}

/** Σ over rows of weight · the mean of the squared differences of the two rows, rank 0. a, b [N, C]; weights [N]. */
export function meanSquaredErrorSum(
  g: GraphBuilder,
  a: ValueId,
  b: ValueId,
  weights: ValueId,
  channels: number,
): ValueId {
  const difference = g.sub(a, b); // [N, C]
  const squares = g.reduceSum(g.mul(difference, difference), [1], { keepDims: false }); // [N]
  return weightedSum(g, g.mul(squares, g.constant(1 / channels)), weights);
}

function weightedSum(g: GraphBuilder, perRow: ValueId, weights: ValueId): ValueId {
  return g.reduceSum(g.mul(perRow, weights), [0], { keepDims: false }); // []
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
  // a vocabulary of tokens to come is large; the other heads keep the bits that they have
  const sum = head.kind === "causal-lm" ? labelCrossEntropySum : crossEntropySum;
  g.output("loss", g.mul(sum(g, logits, labels, weights, classes, labelSmoothing), scale));
  return g.build();
}
