/** From the files of a model folder to a tokenizer that runs on the calling thread. */
import { BertTokenizer, isBertFamily } from "./bert-tokenizer.ts";
import { LibraryTokenizer } from "./library-tokenizer.ts";
import { findUnbounded, invalid, parseTokenizerJson } from "./schema.ts";
import type { Tokenizer, TokenizerSource } from "./types.ts";

export interface LoadTokenizerOptions {
  /** Longest encoding in tokens, special ones included; at least 5. @default 512 */
  readonly maxLength?: number;
}

export const DEFAULT_MAX_LENGTH = 512;

/**
 * Throws TOKENIZER_INVALID when the file is damaged, too large, of unknown parts, or has parts that could
 * hold this thread for ever, such as regular expressions of its own, so such a file is opened with
 * `openIsolatedTokenizer`.
 */
export function loadTokenizer(source: TokenizerSource, options: LoadTokenizerOptions = {}): Tokenizer {
  return build(source, options, false);
}

/** The same without the refusal. Only for a thread that someone can stop: the worker of isolate.ts. */
export function loadTokenizerUnguarded(source: TokenizerSource, options: LoadTokenizerOptions = {}): Tokenizer {
  return build(source, options, true);
}

function build(
  source: TokenizerSource,
  { maxLength = DEFAULT_MAX_LENGTH }: LoadTokenizerOptions,
  anything: boolean,
): Tokenizer {
  const json = parseTokenizerJson(source.tokenizerJson);
  const unbounded = findUnbounded(json);
  if (unbounded !== undefined && !anything) {
    throw invalid(
      `it has ${unbounded}, which can run without end, so it is not run here; BERT's own tokenizers have no such part`,
    );
  }
  const text = typeof source.tokenizerJson === "string" ? source.tokenizerJson : JSON.stringify(source.tokenizerJson);
  const Kind = isBertFamily(json) ? BertTokenizer : LibraryTokenizer;
  return new Kind(json, text, source.tokenizerConfig, maxLength);
}
