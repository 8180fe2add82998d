/** From the files of a model folder to a tokenizer. */
import { openLibraryTokenizer } from "./library-tokenizer.ts";
import { pieceCoverageOf } from "./piece-pipeline.ts";
import { PieceTokenizer } from "./piece-tokenizer.ts";
import { coverageOf, isWordPiece } from "./pipeline.ts";
import { invalid } from "./schema.ts";
import { settle } from "./settle.ts";
import type { Settled } from "./settled.ts";
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
  const own = ownTokenizer(settle(source, maxLength));
  if (typeof own !== "string") return own;
  throw invalid(`Lockstep's own code does not have its ${own}`);
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
  const own = ownTokenizer(settled);
  return typeof own === "string" ? openLibraryTokenizer(settled, own) : own;
}

/** Or the path of the first part that our own code does not have. */
function ownTokenizer(settled: Settled): SyncTokenizer | string {
  if (isWordPiece(settled.json)) {
    const coverage = coverageOf(settled.json);
    return "covered" in coverage ? new WordPieceTokenizer(settled, coverage.covered) : coverage.uncovered;
  }
  const coverage = pieceCoverageOf(settled.json);
  return "covered" in coverage ? new PieceTokenizer(settled, coverage.covered) : coverage.uncovered;
}

/** Throws TOKENIZER_INVALID where the portable profile, which is the same on every machine, would need the library. */
export function requireOwnTokenizer(library: string | undefined): void {
  if (library !== undefined)
    throw invalid(
      `it has parts that only ${library} runs, and the portable profile uses no native library; use the native one`,
    );
}
