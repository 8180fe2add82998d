/** Made-up sets of rows and a predictor without a model: logits are a function of the row's ids alone. */
import type { RowSet, RunRows, TokenRow } from "../../src/work/infer/index.ts";

export const CLASSES = 4;

export function sets(...lengths: readonly number[]): RowSet[] {
  return lengths.map((tokens) => ({
    tokens,
    rows: Array.from({ length: 32 }, (_, row) => ({
      ids: Int32Array.from({ length: tokens }, (_, t) => 1 + row * 31 + t),
    })),
  }));
}

export function honest({ ids }: TokenRow): Float32Array {
  const sum = ids.reduce((total, id) => total + id, 0);
  return Float32Array.from({ length: CLASSES }, (_, c) => Math.fround(1 / (1 + sum + c)));
}

export const honestRun: RunRows = async (rows) => rows.map(honest);

/** `spoil` changes the answers of what was submitted together, in place. */
export function spoiled(spoil: (answers: Float32Array[], rows: readonly TokenRow[]) => void): RunRows {
  return async (rows) => {
    const answers = rows.map(honest);
    spoil(answers, rows);
    return answers;
  };
}

/** The value with the last bit of its float32 turned. */
export function nextBits(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0]! ^= 1;
  return new Float32Array(bits.buffer)[0]!;
}
