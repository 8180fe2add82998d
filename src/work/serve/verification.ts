/**
 * Whether an answer may leave. Every logit must be finite. A sample of the rows is computed again on another replica,
 * which has its own packed weights, and compared bit for bit: bits never differ by themselves, so a difference is a
 * broken replica (memory, build, a row that depends on its mates). A fresh third one, from hashed bytes, decides which;
 * the one outvoted is retired.
 */
import { bits, LockstepError, PURPOSE, seedFrom } from "../../base/index.ts";

/**
 * Whether row `row` of request `id` belongs to the sample. Under a key that only this process knows: ids come from
 * callers, and who chooses them must not choose what is verified. (No answer depends on it.)
 */
export function isSampled(key: string, id: string, row: number, share: number): boolean {
  if (share <= 0 || share >= 1) return share > 0;
  return bits(seedFrom(`${key}\n${id}`), PURPOSE.audit, 0, 0, row) < share * 2 ** 32;
}

/** Throws NON_FINITE if the row's logits are no numbers to answer with. */
export function requireFinite(logits: Float32Array, row: number): void {
  const at = logits.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new LockstepError(
      "NON_FINITE",
      `the model gave ${logits[at]} for class ${at} of row ${row}; no answer is given`,
      { row, class: at },
    );
}

/** Equal as bits: NaN equals itself, and −0 is not 0. */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  if (a.length !== b.length) return false;
  const left = new Uint32Array(a.buffer, a.byteOffset, a.length);
  const right = new Uint32Array(b.buffer, b.byteOffset, b.length);
  return left.every((word, i) => word === right[i]);
}

/** Which of three answers is outvoted: its position; null: all three differ. The first two are known to differ. */
export function outvoted(first: Float32Array, second: Float32Array, third: Float32Array): 0 | 1 | null {
  if (sameBits(first, third)) return 1;
  if (sameBits(second, third)) return 0;
  return null;
}
