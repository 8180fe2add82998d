/**
 * A held-out part by hash: which side a text falls on depends on the seed and the text alone, so adding rows moves no
 * other row, and copies of a text never stand on both sides.
 */
import { createHash } from "node:crypto";
import { LockstepError, type Seed } from "../../base/index.ts";

export interface Split {
  /** Row numbers, rising. */
  readonly train: readonly number[];
  readonly validation: readonly number[];
}

/**
 * `fraction` (0 to 1) is the expected share of `validation`. Texts that differ in ASCII case or white space only are
 * the same text (ASCII, because other case rules change with the Unicode version of the runtime, and the split decides
 * the weights).
 */
export function splitByHash(
  texts: readonly string[],
  { fraction, seed }: { readonly fraction: number; readonly seed: Seed },
): Split {
  if (!(fraction >= 0 && fraction <= 1))
    throw new LockstepError("OPTION_INVALID", `the validation fraction is ${fraction}; give a number from 0 to 1`, {
      fraction,
    });
  const threshold = fraction * 0x1_0000_0000;
  const train: number[] = [];
  const validation: number[] = [];
  texts.forEach((text, row) => {
    const digest = createHash("sha256")
      .update(`lockstep split ${seed[0]} ${seed[1]}\n`)
      .update(splitKey(text))
      .digest();
    (digest.readUInt32LE(0) < threshold ? validation : train).push(row);
  });
  return { train, validation };
}

/** The same for texts that count as one. */
export function splitKey(text: string): string {
  return text
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    .replace(/[ \t\r\n\f\v]+/g, " ")
    .replace(/^ | $/g, "");
}
