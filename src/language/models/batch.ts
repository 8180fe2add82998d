/**
 * From token rows to the inputs of a program. Rows are right-padded to `tokens`; a batch of fewer than `minimumRows`
 * gets dummy rows of one unmasked token and no weight, because a product of a single row takes another kernel in shared
 * form.
 */
import { invariant } from "../../base/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Head, Pooling } from "./head.ts";

export interface TokenRow {
  readonly ids: Int32Array;
  readonly typeIds?: Int32Array;
}

export interface BatchShape {
  /** Padded tokens of every row; at least the longest row's, and at least 2. */
  readonly tokens: number;
  /** @default 2 */
  readonly minimumRows?: number;
  readonly padId: number;
  readonly real: "float32" | "float64";
}

/** Rows and dummy rows, checked against the shape. */
export interface PaddedBatch {
  readonly B: number;
  readonly T: number;
  readonly rows: readonly TokenRow[];
  /** Unmasked tokens of each of the B rows, at least 1. */
  readonly lengths: readonly number[];
  readonly padId: number;
  readonly real: "float32" | "float64";
}

type RealArray = Float32Array | Float64Array;

export function pad(rows: readonly TokenRow[], { tokens, minimumRows = 2, padId, real }: BatchShape): PaddedBatch {
  const B = Math.max(rows.length, minimumRows);
  const lengths = Array.from({ length: B }, (_, b) => {
    const length = rows[b]?.ids.length ?? 1;
    invariant(length >= 1 && length <= tokens, `a row of ${length} tokens in a batch padded to ${tokens}`);
    return length;
  });
  return { B, T: tokens, rows, lengths, padId, real };
}

/** `input_ids` int [B, T]; padding has the pad token. */
export function inputIds({ B, T, rows, padId }: PaddedBatch): Record<string, HostTensor> {
  const ids = new Int32Array(B * T).fill(padId);
  rows.forEach((row, b) => {
    ids.set(row.ids, b * T);
  });
  return { input_ids: tensor("int32", [B, T], ids) };
}

/** `token_type_ids` int [B, T]; 0 where a row says nothing, and in padding. */
export function tokenTypeIds({ B, T, rows }: PaddedBatch): Record<string, HostTensor> {
  const types = new Int32Array(B * T);
  rows.forEach(({ typeIds }, b) => {
    if (typeIds !== undefined) types.set(typeIds, b * T);
  });
  return { token_type_ids: tensor("int32", [B, T], types) };
}

/** `position_ids` int [B, T], counted from `first`. Padding stays at 0: its own positions may lie beyond the table. */
export function positionIds({ B, T, lengths }: PaddedBatch, first = 0): Record<string, HostTensor> {
  const positions = new Int32Array(B * T);
  lengths.forEach((length, b) => {
    for (let t = 0; t < length; t++) positions[b * T + t] = first + t;
  });
  return { position_ids: tensor("int32", [B, T], positions) };
}

/** `attention_bias` [B, 1, 1, T]: 0 where a key counts for every query, −∞ where it is padding. */
export function keyBias({ B, T, lengths, real }: PaddedBatch): Record<string, HostTensor> {
  const bias = newReal(real, B * T).fill(-Infinity);
  lengths.forEach((length, b) => bias.fill(0, b * T, b * T + length));
  return { attention_bias: realTensor([B, 1, 1, T], bias) };
}

/**
 * `attention_bias` [B, 1, T, T]: 0 where the key (last axis) is a token that is not after the query, and less than
 * `window` tokens before it; −∞ elsewhere. Queries in padding see the tokens before them: no row is without any.
 */
export function causalBias({ B, T, lengths, real }: PaddedBatch, window: number | null): Record<string, HostTensor> {
  const bias = newReal(real, B * T * T).fill(-Infinity);
  lengths.forEach((length, b) => {
    for (let t = 0; t < T; t++) {
      const at = (b * T + t) * T;
      const first = window === null ? 0 : Math.max(0, Math.min(t, length - 1) - window + 1);
      bias.fill(0, at + first, at + Math.min(t + 1, length));
    }
  });
  return { attention_bias: realTensor([B, 1, T, T], bias) };
}

/** Inputs of each way to stand for a text. */
const POOLED: { readonly [P in Pooling]: (batch: PaddedBatch) => Record<string, HostTensor> } = {
  /** Row b's first token among the N. */
  first: ({ B, T }) => ({
    first_index: tensor(
      "int32",
      [B],
      Int32Array.from({ length: B }, (_, b) => b * T),
    ),
  }),
  last: ({ B, T, lengths }) => ({
    last_index: tensor(
      "int32",
      [B],
      Int32Array.from(lengths, (length, b) => b * T + length - 1),
    ),
  }),
  /** [B, 2, T]: 1/length on tokens, 0 on padding; then zeros. */
  mean: ({ B, T, lengths, real }) => {
    const mean = newReal(real, B * 2 * T);
    lengths.forEach((length, b) => mean.fill(1 / length, 2 * b * T, 2 * b * T + length));
    return { mean_weights: realTensor([B, 2, T], mean) };
  },
};

/** What a head needs to pick features. */
export function headInputs(batch: PaddedBatch, head: Head): Record<string, HostTensor> {
  return head.kind === "sequence" || head.kind === "encoder" ? POOLED[head.pooling](batch) : {};
}

function newReal(real: PaddedBatch["real"], length: number): RealArray {
  return real === "float32" ? new Float32Array(length) : new Float64Array(length);
}
function realTensor(shape: readonly number[], data: RealArray): HostTensor {
  return data instanceof Float32Array ? tensor("float32", shape, data) : tensor("float64", shape, data);
}
