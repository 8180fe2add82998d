/**
 * The one rule for how long a row is made: a function of its own token count only, or the same row would get other bits
 * among other mates.
 */
import { invariant } from "./errors.ts";

/** Up to this many tokens a row is not padded at all. */
export const EXACT_LENGTH = 64;
/** Above it, lengths are multiples of this. */
export const LENGTH_STEP = 16;

/** `tokens` itself up to 64, else the next multiple of 16. */
export function paddedLength(tokens: number): number {
  invariant(Number.isSafeInteger(tokens) && tokens > 0, `a row has a positive number of tokens, not ${tokens}`);
  return tokens <= EXACT_LENGTH ? tokens : Math.ceil(tokens / LENGTH_STEP) * LENGTH_STEP;
}
