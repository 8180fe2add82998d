/**
 * What a generation may be asked for. All of it decides the answer; nothing that only decides how fast it comes is
 * here. The order in which sampling's settings work on the logits is told in `sampling.ts`.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";

const stopText = z.string().min(1).max(1000);
const tokenId = z.int().min(0).max(0xffffff);

/** Of `generationSchema`; a serialized state is checked by it too. */
export const generationFields = {
  /**
   * Most tokens of an answer, an end token included. With the prompt they must fit into the model's context, which is
   * checked before work begins. @default 256, or what the context has room for if that is less
   */
  maxTokens: z.int().min(1).max(1_000_000).optional(),
  /** No stop token, and no look-out for stop texts, among so many tokens at the beginning. @default 0 */
  minTokens: z.int().min(0).max(1_000_000).default(0),
  /** Logits are divided by it, 0 to 100; 0 is greedy: the largest logit, of equal ones the lowest id. @default 1 */
  temperature: z.number().min(0).max(100).default(1),
  /** Only so many of the likeliest tokens, of equal ones those of lower ids; 0 for all. @default 0 */
  topK: z.int().min(0).max(1_000_000).default(0),
  /** Only the fewest likeliest tokens that have together this probability, above 0 and at most 1. @default 1 */
  topP: z.number().gt(0).max(1).default(1),
  /** Only tokens at least so many times as likely as the likeliest, 0 to 1. @default 0 */
  minP: z.number().min(0).max(1).default(0),
  /**
   * Logits of tokens that are in the prompt or the answer so far are divided by it where they are positive and
   * multiplied where not (Keskar et al. 2019), above 0 and at most 100. @default 1
   */
  repetitionPenalty: z.number().gt(0).max(100).default(1),
  /** Subtracted from the logits of tokens that are in the answer so far, -100 to 100. @default 0 */
  presencePenalty: z.number().min(-100).max(100).default(0),
  /** The same, as often as the token is in the answer so far. @default 0 */
  frequencyPenalty: z.number().min(-100).max(100).default(0),
  /** Added to the logits of tokens, by id, -1000 to 1000. @default {} */
  logitBias: z
    .record(z.string().regex(/^(0|[1-9]\d{0,7})$/, "expected a token's id"), z.number().min(-1000).max(1000))
    .default({}),
  /** Of the random numbers: an integer from 0 to 2^53 - 1, or any text. @default 0: the same question, the same bits */
  seed: z.union([z.int().min(0), z.string().max(1000)]).default(0),
  /** Texts that end the answer, which they are no part of. At most 16, each of 1 to 1,000 characters. @default [] */
  stop: z.array(stopText).max(16).default([]),
  /** Ids that end the answer, beside the model's own end tokens. @default [] */
  stopTokens: z.array(tokenId).max(1000).default([]),
  /** The model's own end tokens are tokens like others. @default false */
  ignoreEnd: z.boolean().default(false),
  /**
   * Log-probabilities, in nats, of each chosen token, and of so many of the likeliest (0 to 100) where it is a number:
   * of the model's own distribution, before anything of the above. @default false
   */
  logprobs: z.union([z.literal(false), z.int().min(0).max(100)]).default(false),
};

const generationSchema = z.strictObject(generationFields);

export type GenerationOptions = Readonly<z.input<typeof generationSchema>>;
/** Complete, but for `maxTokens`. */
export type GenerationSettings = Readonly<z.output<typeof generationSchema>>;

/** @throws OPTION_INVALID naming the fields */
export function parseGenerationOptions(options: GenerationOptions): GenerationSettings {
  return parseOptions(generationSchema, options, "the options of the generation");
}
