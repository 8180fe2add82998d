/**
 * What a tokenizer is to the rest of Lockstep. Offsets are UTF-16 code units, so `text.slice(start, end)` is the
 * token's source.
 */

/** One encoded text of n tokens. */
export interface Encoded {
  /** [n] */
  readonly ids: Int32Array;
  /** [n]: 0 for the first text and its special tokens, 1 for the second (as the tokenizer's template says). */
  readonly typeIds: Int32Array;
  /**
   * [2n], or empty where it was not asked for: token i came from `offsets[2 * i]` to `offsets[2 * i + 1]` (exclusive)
   * of its own text, which may be the second one. 0 and 0 for special tokens that the template added.
   */
  readonly offsets: Int32Array;
  /** Whether tokens were dropped to fit `maxLength`. */
  readonly truncated: boolean;
}

export interface EncodeOptions {
  /** A second text, joined as the tokenizer's pair template says. */
  readonly pair?: string;
  /**
   * At most this many tokens with special ones; between the number of special tokens + 1 and the tokenizer's own.
   * @default the tokenizer's
   */
  readonly maxLength?: number;
  /** Whether each token says where it came from. @default false */
  readonly offsets?: boolean;
}

export interface DecodeOptions {
  /** Leave out the special tokens of the vocabulary, such as [SEP] or <|endoftext|>. @default true */
  readonly skipSpecialTokens?: boolean;
}

/** Ids come one by one. What is given, put together, is the text of all ids. */
export interface DecodeStream {
  /**
   * What is certain with this id and was not given before; never a part of a character, so it may be empty. Throws
   * INPUT_INVALID for an id outside of the vocabulary, and after `end`.
   */
  push(id: number): string;
  /** The rest. */
  end(): string;
}

/** Ids of the special tokens; -1 for one that the tokenizer does not have, or that no file names. */
export type SpecialIds = Readonly<Record<"pad" | "unk" | "cls" | "sep" | "mask" | "bos" | "eos", number>>;

/** The files of the Hugging Face layout. `vocab.txt` exists for WordPiece only. */
export interface TokenizerFiles {
  readonly "tokenizer.json": string;
  readonly "tokenizer_config.json": string;
  readonly "special_tokens_map.json": string;
  readonly "vocab.txt"?: string;
}

/**
 * A tokenizer of any folder: ids come at once from our own code, later from the reference library. Whoever may wait
 * writes `await`; whoever may not takes a `SyncTokenizer`.
 */
export interface Tokenizer {
  /** Largest id + 1: the rows that an embedding table needs. */
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  /** The library that the ids come from, with its version; undefined for our own code. */
  readonly library: string | undefined;
  readonly files: TokenizerFiles;
  /** Throws INPUT_INVALID for what is no well-formed text, INPUT_TOO_LARGE above MAX_TEXT_LENGTH code units. */
  encode(text: string, options?: EncodeOptions): Encoded | Promise<Encoded>;
  /** The text of ids, as the decoder of the file makes it. Throws INPUT_INVALID for an id outside of the vocabulary. */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string;
  /** The same for ids that come one by one. */
  decodeStream(options?: DecodeOptions): DecodeStream;
}

export interface SyncTokenizer extends Tokenizer {
  readonly library: undefined;
  encode(text: string, options?: EncodeOptions): Encoded;
}

/**
 * What a folder holds: the text of `tokenizer.json` (or its parsed form), or only that of `vocab.txt`, or only those of
 * `vocab.json` and `merges.txt`, which are GPT-2's unless `tokenizer_class` says RoBERTa's or Qwen2's; and, where there
 * are any, the parsed files beside it. Without `tokenizerConfig` a `tokenizer.json` stands for itself; a folder without
 * that file is read as Python reads it with `{}`.
 */
export type TokenizerSource = (
  | { readonly tokenizerJson: string | object }
  | { readonly vocabTxt: string }
  | {
      readonly vocabJson: string | object;
      readonly mergesTxt: string;
    }
) & {
  readonly tokenizerConfig?: object;
  /** `special_tokens_map.json` */
  readonly specialTokensMap?: object;
  /** `added_tokens.json` */
  readonly addedTokens?: object;
};
