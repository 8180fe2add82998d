/**
 * From token rows to the inputs of a program, whatever the layout of its rows; and the padded layout: rows are
 * right-padded to `tokens`, and a batch of fewer than `minimumRows` gets dummy rows of one unmasked token and no
 * weight, because a product of a single row takes another kernel in shared form.
 */
import { invariant } from "../../base/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Head, Pooling } from "./head.ts";
import type { Sight } from "./layers.ts";

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
  readonly real: Real;
}
type Real = "float32" | "float64";
type Inputs = Record<string, HostTensor>;

/** Rows of tokens, and where each lies among the tokens of the program. */
export interface Batch {
  /** B and T of ids and positions. */
  readonly axes: readonly [rows: number, tokens: number];
  readonly rows: readonly TokenRow[];
  /** Unmasked tokens of each row, dummy ones too; at least 1. */
  readonly lengths: readonly number[];
  /** Place of each row's first token among the B·T. */
  readonly offsets: readonly number[];
  /** Position of each row's first token in its text. */
  readonly starts: readonly number[];
  /** How many positions a table of them has rows for: every token's is below it. */
  readonly positions: number;
  readonly padId: number;
  readonly real: Real;
  /** What the layout's attention takes. */
  readonly sight: (sight: Sight) => Inputs;
  /** What a mean over each row's tokens takes. */
  readonly means: () => Inputs;
  /** What is a function of `positions` alone: made, or what was made before. */
  readonly keep: (make: () => Inputs) => Inputs;
}

type RealArray = Float32Array | Float64Array;

/** Rows and dummy rows, checked against the shape. */
export function pad(rows: readonly TokenRow[], { tokens: T, minimumRows = 2, padId, real }: BatchShape): Batch {
  const B = Math.max(rows.length, minimumRows);
  const lengths = Array.from({ length: B }, (_, b) => {
    const length = rows[b]?.ids.length ?? 1;
    invariant(length >= 1 && length <= T, `a row of ${length} tokens in a batch padded to ${T}`);
    return length;
  });
  const padded: Padded = { B, T, lengths, real };
  return {
    axes: [B, T],
    rows,
    lengths,
    offsets: lengths.map((_, b) => b * T),
    starts: lengths.map(() => 0),
    positions: T,
    padId,
    real,
    sight: (sight) => (sight.sees === "all" ? keyBias(padded) : causalBias(padded, sight.window)),
    means: () => meanWeights(padded),
    keep: (make) => make(),
  };
}

interface Padded {
  readonly B: number;
  readonly T: number;
  readonly lengths: readonly number[];
  readonly real: Real;
}

/** An int for each token, `rest` in padding. [B, T] */
export function tokenInts(
  name: string,
  { axes, offsets }: Batch,
  rows: readonly (Int32Array | undefined)[],
  rest: number,
): Inputs {
  const ints = new Int32Array(axes[0] * axes[1]).fill(rest);
  rows.forEach((row, b) => {
    if (row !== undefined) ints.set(row, offsets[b]);
  });
  return { [name]: tensor("int32", axes, ints) };
}

/** `input_ids` int [B, T]; padding has the pad token. */
export function inputIds(batch: Batch): Inputs {
  return tokenInts(
    "input_ids",
    batch,
    batch.rows.map(({ ids }) => ids),
    batch.padId,
  );
}

/** `token_type_ids` int [B, T]; 0 where a row says nothing, and in padding. */
export function tokenTypeIds(batch: Batch): Inputs {
  return tokenInts(
    "token_type_ids",
    batch,
    batch.rows.map(({ typeIds }) => typeIds),
    0,
  );
}

/** `position_ids` int [B, T], counted from `first`. Padding stays at 0: its own positions may lie beyond the table. */
export function positionIds(batch: Batch, first = 0): Inputs {
  const positions = batch.lengths.map((length, b) =>
    Int32Array.from({ length }, (_, t) => first + (batch.starts[b] ?? 0) + t),
  );
  return tokenInts("position_ids", batch, positions, 0);
}

/** `attention_bias` [B, 1, 1, T]: 0 where a key counts for every query, −∞ where it is padding. */
function keyBias({ B, T, lengths, real }: Padded): Inputs {
  const bias = newReal(real, B * T).fill(-Infinity);
  lengths.forEach((length, b) => bias.fill(0, b * T, b * T + length));
  return { attention_bias: realTensor([B, 1, 1, T], bias) };
}

/**
 * `attention_bias` [B, 1, T, T]: 0 where the key (last axis) is a token that is not after the query, and less than
 * `window` tokens before it; −∞ elsewhere. Queries in padding see the tokens before them: no row is without any.
 */
function causalBias({ B, T, lengths, real }: Padded, window: number | null): Inputs {
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

/** `mean_weights` [B, 2, T]: 1/length on tokens, 0 on padding; then zeros. */
function meanWeights({ B, T, lengths, real }: Padded): Inputs {
  const mean = newReal(real, B * 2 * T);
  lengths.forEach((length, b) => mean.fill(1 / length, 2 * b * T, 2 * b * T + length));
  return { mean_weights: realTensor([B, 2, T], mean) };
}

/** Inputs of each way to stand for a text. */
const POOLED: { readonly [P in Pooling]: (batch: Batch) => Inputs } = {
  /** Row b's first token among the N. */
  first: ({ offsets }) => ({ first_index: tensor("int32", [offsets.length], Int32Array.from(offsets)) }),
  last: ({ offsets, lengths }) => ({
    last_index: tensor(
      "int32",
      [offsets.length],
      Int32Array.from(offsets, (offset, b) => offset + (lengths[b] ?? 1) - 1),
    ),
  }),
  mean: ({ means }) => means(),
};

/** What a head needs to pick features. */
export function headInputs(batch: Batch, head: Head): Inputs {
  return head.kind === "sequence" || head.kind === "encoder" ? POOLED[head.pooling](batch) : {};
}

function newReal(real: Real, length: number): RealArray {
  return real === "float32" ? new Float32Array(length) : new Float64Array(length);
}
function realTensor(shape: readonly number[], data: RealArray): HostTensor {
  return data instanceof Float32Array ? tensor("float32", shape, data) : tensor("float64", shape, data);
}
