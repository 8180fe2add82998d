/**
 * What a tokenizer is to the rest of Lockstep. Offsets are UTF-16 code units, so `text.slice(start, end)` is the
 * token's source.
 */

/**
 * One encoded text. The lists have equal lengths, except `offsets` when the tokenizer is not `aligned` (then it is
 * empty).
 */
export interface Encoded {
  readonly ids: Int32Array;
  /** 0 for the first text and its special tokens, 1 for the second (as the tokenizer's template says). */
  readonly typeIds: Int32Array;
  /** [start, end) in the text that the token came from; [0, 0] for special tokens that the template added. */
  readonly offsets: readonly (readonly [number, number])[];
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
}

/** Ids of the special tokens; -1 for one that the tokenizer does not have. */
export type SpecialIds = Readonly<Record<"pad" | "unk" | "cls" | "sep" | "mask", number>>;

/** The files of the Hugging Face layout. `vocab.txt` exists for WordPiece only. */
export interface TokenizerFiles {
  readonly "tokenizer.json": string;
  readonly "tokenizer_config.json": string;
  readonly "special_tokens_map.json": string;
  readonly "vocab.txt"?: string;
}

export interface Tokenizer {
  /** Largest id + 1: the rows that an embedding table needs. */
  readonly vocabSize: number;
  readonly special: SpecialIds;
  readonly maxLength: number;
  /** Whether `encode` gives offsets: the BERT family does, others do not. */
  readonly aligned: boolean;
  readonly files: TokenizerFiles;
  /** Throws INPUT_INVALID for what is no well-formed text, INPUT_TOO_LARGE above MAX_TEXT_LENGTH code units. */
  encode(text: string, options?: EncodeOptions): Encoded;
  /** The text of ids, without special tokens. */
  decode(ids: ArrayLike<number>): string;
}

/**
 * What a folder holds: the text of `tokenizer.json` (or its parsed form) and, where there is one, the parsed
 * `tokenizer_config.json`.
 */
export interface TokenizerSource {
  readonly tokenizerJson: string | object;
  readonly tokenizerConfig?: object;
}
