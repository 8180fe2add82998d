/**
 * From token rows to the inputs of a BERT graph. Rows are right-padded to `tokens`; a batch of fewer than `minimumRows`
 * gets dummy rows of one unmasked token and no weight, because a product of a single row takes another kernel in shared
 * form.
 */
import { invariant } from "../../base/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Head } from "./bert.ts";

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

type RealArray = Float32Array | Float64Array;

/** The inputs that every head shares, and the head's own way of picking features; masked LM and losses add theirs. */
export function batchInputs(rows: readonly TokenRow[], head: Head, shape: BatchShape): Record<string, HostTensor> {
  const B = Math.max(rows.length, shape.minimumRows ?? 2);
  const T = shape.tokens;
  const real = (dims: readonly number[], data: RealArray): HostTensor => ({ dtype: shape.real, shape: dims, data });
  const newReal = (length: number): RealArray =>
    shape.real === "float32" ? new Float32Array(length) : new Float64Array(length);

  const ids = new Int32Array(B * T).fill(shape.padId);
  const types = new Int32Array(B * T);
  const positions = new Int32Array(B * T);
  const bias = newReal(B * T).fill(-Infinity);
  const mean = newReal(B * 2 * T);
  const first = new Int32Array(B);
  for (let b = 0; b < B; b++) {
    const row = rows[b];
    const length = row?.ids.length ?? 1;
    invariant(length >= 1 && length <= T, `a row of ${length} tokens in a batch padded to ${T}`);
    const at = b * T;
    if (row !== undefined) ids.set(row.ids, at);
    if (row?.typeIds !== undefined) types.set(row.typeIds, at);
    // padding stays at 0: its own positions may lie beyond the table
    for (let t = 0; t < length; t++) positions[at + t] = t;
    bias.fill(0, at, at + length);
    mean.fill(1 / length, 2 * at, 2 * at + length);
    first[b] = at;
  }
  const inputs: Record<string, HostTensor> = {
    input_ids: tensor("int32", [B, T], ids),
    token_type_ids: tensor("int32", [B, T], types),
    position_ids: tensor("int32", [B, T], positions),
    attention_bias: real([B, 1, 1, T], bias),
  };
  if (head.kind === "sequence" || head.kind === "encoder") {
    if (head.pooling === "first") inputs["first_index"] = tensor("int32", [B], first);
    else inputs["mean_weights"] = real([B, 2, T], mean);
  }
  return inputs;
}
