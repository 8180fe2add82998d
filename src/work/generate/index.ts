export type { Decoder, SequenceStep } from "./contract.ts";
export { openDecoder, type DecoderOptions } from "./decoder.ts";
export type { Sequence } from "./sequence.ts";
export { Generation, type GeneratedToken, type GenerationText } from "./generation.ts";
export { parseGenerationOptions, type GenerationOptions, type GenerationSettings } from "./options.ts";
export { beginGeneration, parseGenerationState, STATE_FORMAT, type Finish, type GenerationState } from "./state.ts";
export type { StepReport } from "./engine.ts";
export {
  TextGenerator,
  type GenerateOptions,
  type GeneratorOptions,
  type Prompt,
  type ResumeOptions,
} from "./generator.ts";
export {
  GenerationRun,
  type GenerationAnswer,
  type GenerationPart,
  type GenerationResult,
  type GenerationUsage,
  type TokenPart,
} from "./run.ts";
export type { Logprobs } from "./sampling.ts";
