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
  /**
   * [n], or empty where it was not asked for: 1 for a token that begins a word, as the pre-tokenizer cuts a text into
   * words (what stands between spaces, where it says so; an added token is one by itself), and for special tokens that
   * the template added; 0 for one that goes on with the word of the token before it.
   */
  readonly wordStarts: Uint8Array;
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
  /** Whether each token says if it begins a word. @default false */
  readonly wordStarts?: boolean;
  /** Whether the special tokens of the tokenizer's template stand around; a chat's text has its own. @default true */
  readonly addSpecialTokens?: boolean;
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

/** A message of a chat: JSON values, of which the chat template reads what it knows. */
export interface ChatMessage {
  /** Such as "system", "user" or "assistant". */
  readonly role: string;
  readonly content?: unknown;
  readonly [name: string]: unknown;
}

export interface ChatOptions {
  /** End with what begins an answer. @default false */
  readonly addGenerationPrompt?: boolean;
  /** Name of a template, where a folder has several. @default "tool_use" with tools, where it is there, or "default" */
  readonly template?: string;
  /** Tools that the assistant may call, as JSON. */
  readonly tools?: readonly unknown[];
  /** More variables for the template, such as `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
  /** YYYY-MM-DD, for a template that writes the date: a text never depends on the clock. */
  readonly date?: string;
}

/** The text of a chat and what the assistant says in it. */
export interface AnsweredChat {
  readonly text: string;
  /** [start, end) in code units, in order: the assistant's words, with what the template ends them with. */
  readonly answers: readonly (readonly [number, number])[];
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
  /**
   * The text of a chat, by the chat template of the folder; encode it with `addSpecialTokens: false`. Throws
   * TOKENIZER_INVALID where there is none or it is wrong, INPUT_INVALID with its own words where it refuses the
   * messages. It runs on a thread that can be stopped, under bounds of steps, length, time and memory.
   */
  applyChatTemplate(messages: readonly ChatMessage[], options?: ChatOptions): Promise<string>;
  /**
   * The same, with the places of the assistant's words: what is inside `{% generation %}` of the template, or else what
   * each answer adds to the text of the messages before it. INPUT_INVALID where that is no continuation.
   */
  answeredChat(messages: readonly ChatMessage[], options?: ChatOptions): Promise<AnsweredChat>;
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
  /** `chat_template.jinja`, which goes before the one of `tokenizer_config.json`. */
  readonly chatTemplate?: string;
  /** `added_tokens.json` */
  readonly addedTokens?: object;
};
