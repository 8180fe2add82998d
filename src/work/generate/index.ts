export { openDecoder, type Decoder, type DecoderOptions, type SequenceStep } from "./decoder.ts";
export type { Sequence } from "./sequence.ts";
