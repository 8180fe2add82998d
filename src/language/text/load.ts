/** From the files of a model folder to a tokenizer. */
import { openLibraryTokenizer } from "./library-tokenizer.ts";
import { coverageOf } from "./pipeline.ts";
import { invalid } from "./schema.ts";
import { settle } from "./settle.ts";
import type { SyncTokenizer, Tokenizer, TokenizerSource } from "./types.ts";
import { WordPieceTokenizer } from "./wordpiece-tokenizer.ts";

export interface LoadTokenizerOptions {
  /**
   * Longest encoding in tokens, special ones included; at least 5. A smaller `model_max_length` of the folder holds.
   * @default 512
   */
  readonly maxLength?: number;
}

export const DEFAULT_MAX_LENGTH = 512;

/**
 * A tokenizer of our own code. Throws TOKENIZER_INVALID when a file is damaged, too large or says what is not followed,
 * and for a part that our own code does not have, with its name.
 */
export function loadTokenizer(
  source: TokenizerSource,
  { maxLength = DEFAULT_MAX_LENGTH }: LoadTokenizerOptions = {},
): SyncTokenizer {
  const settled = settle(source, maxLength);
  const coverage = coverageOf(settled.json);
  if ("covered" in coverage) return new WordPieceTokenizer(settled, coverage.covered);
  throw invalid(`Lockstep's own code does not have its ${coverage.uncovered}`);
}

/**
 * The same for any folder: what our own code does not have is run by the reference library, the optional package
 * `tokenizers`, off the calling thread. Throws TOKENIZER_INVALID with the part's name where that is not installed, and
 * for a part that might never come to an end, since nothing can stop it there.
 */
export function openTokenizer(
  source: TokenizerSource,
  { maxLength = DEFAULT_MAX_LENGTH }: LoadTokenizerOptions = {},
): Tokenizer {
  const settled = settle(source, maxLength);
  const coverage = coverageOf(settled.json);
  if ("covered" in coverage) return new WordPieceTokenizer(settled, coverage.covered);
  return openLibraryTokenizer(settled, coverage.uncovered);
}

/** Throws TOKENIZER_INVALID where the portable profile, which is the same on every machine, would need the library. */
export function requireOwnTokenizer(library: string | undefined): void {
  if (library !== undefined)
    throw invalid(
      `it has parts that only ${library} runs, and the portable profile uses no native library; use the native one`,
    );
}
