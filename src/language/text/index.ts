/** Tokenizers: load, run, train. */
export type {
  AnsweredChat,
  ChatMessage,
  ChatOptions,
  DecodeOptions,
  DecodeStream,
  Encoded,
  EncodeOptions,
  SpecialIds,
  SyncTokenizer,
  Tokenizer,
  TokenizerFiles,
  TokenizerSource,
} from "./types.ts";
export {
  DEFAULT_MAX_LENGTH,
  loadTokenizer,
  openTokenizer,
  requireOwnTokenizer,
  type LoadTokenizerOptions,
} from "./load.ts";
export { tokenizerOfGguf } from "./gguf-tokenizer.ts";
export { trainWordPiece, type TrainWordPieceOptions } from "./train-wordpiece.ts";
export { tokensInSpans } from "./chat.ts";
export { withChatTemplate } from "./default-chat.ts";
export { trainBytePairs, type TrainBytePairsOptions } from "./train-bpe.ts";
export { scoredBpeTokenizerJson, type ScoredPieces } from "./bpe-files.ts";
export { checkText, MAX_TEXT_LENGTH } from "./input.ts";
export { TOKENIZER_LIMITS } from "./schema.ts";
