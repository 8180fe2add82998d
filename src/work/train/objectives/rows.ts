/** What several objectives need: rows of a shard, and targets with a weight each. */
import { paddedLength } from "../../../base/index.ts";
import type { TokenRow } from "../../../language/models/index.ts";
import type { Dim, GraphBuilder, ValueId } from "../../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../../numeric/tensor/index.ts";
import { rowOf, type TrainingData } from "../training-data.ts";

/** Rows as they are padded: to the longest, and to two tokens at least. */
export interface Rows {
  readonly rows: readonly TokenRow[];
  /** Of each row, padded. */
  readonly T: number;
  readonly sizes: { readonly tokens: number; readonly paddedTokens: number };
}

export function rowsOf(rows: readonly TokenRow[]): Rows {
  const lengths = rows.map(({ ids }) => ids.length);
  const T = Math.max(2, ...lengths);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return { rows, T, sizes: { tokens, paddedTokens: rows.length * T } };
}

/** Examples as they are, padded as when they are served: for figures. */
export function servedRows(data: TrainingData, examples: readonly number[]): Omit<Rows, "sizes"> {
  const { rows, T } = rowsOf(examples.map((example) => rowOf(data, example)));
  return { rows, T: paddedLength(T) };
}

/** The inputs `labels` and `label_weights` of a loss over `rows` rows of logits. */
export function targetInputs(g: GraphBuilder, rows: Dim): { readonly labels: ValueId; readonly weights: ValueId } {
  return { labels: g.input("labels", "int", [rows]), weights: weightsOf(g, rows) };
}

/** The input `label_weights`. */
export function weightsOf(g: GraphBuilder, rows: Dim): ValueId {
  return g.input("label_weights", "real", [rows]);
}

/** Values for them: rows beyond the labels have the weight 0. */
export function targets(labels: Int32Array, rows: number): Record<string, HostTensor> {
  const padded = new Int32Array(rows);
  padded.set(labels);
  return { labels: tensor("int32", [rows], padded), label_weights: ones(labels.length, rows) };
}

/** The inputs `targets` and `label_weights`: numbers of examples, `shape` with the rows first. */
export function valueTargets(
  { values = new Float32Array(0) }: TrainingData,
  examples: Int32Array,
  shape: readonly [rows: number, width?: number],
): Record<string, HostTensor> {
  const [rows, width = 1] = shape;
  const wanted = new Float32Array(rows * width);
  examples.forEach((example, row) => {
    wanted.set(values.subarray(example * width, (example + 1) * width), row * width);
  });
  return { targets: tensor("float32", shape as readonly number[], wanted), label_weights: ones(examples.length, rows) };
}

/** 1 in the first `count` of [rows], 0 after them. */
export function ones(count: number, rows: number): HostTensor {
  return tensor("float32", [rows], new Float32Array(rows).fill(1, 0, count));
}
