/**
 * A generation as one small value: plain JSON that can be kept, sent, and gone on with in another replica, process or
 * machine of the same profile, to the same bits. Everything else (keys and values, penalties, held-back text, the place
 * in the random numbers) follows from the tokens in it.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { generationFields, type GenerationSettings } from "./options.ts";

export const STATE_FORMAT = "lockstep-generation/1";

const ids = (least: number) => z.array(z.int().min(0).max(0xffffff)).min(least).max(10_000_000);

const finishSchema = z.discriminatedUnion("reason", [
  /** It ended by itself: with an end token, a stop token, or before a stop text. */
  z.strictObject({ reason: z.literal("stop"), by: z.union([z.int().min(0), z.string().min(1).max(1000)]) }),
  /** It has as many tokens as were asked for. */
  z.strictObject({ reason: z.literal("length") }),
]);

const stateSchema = z.strictObject({
  format: z.literal(STATE_FORMAT),
  /** Name of the version whose tokens these are. */
  version: z.string().min(1).max(200),
  /** `id` of the profile that its bits are promised in. */
  profile: z.string().min(1).max(200),
  /** Complete. */
  settings: z.strictObject({ ...generationFields, maxTokens: z.int().min(1).max(1_000_000) }),
  /** Which of the answers to one question it is, from 0. */
  choice: z.int().min(0).max(0xffff),
  /** Ids of the prompt. */
  prompt: ids(1),
  /** Ids of the answer so far, with the token that ended it. */
  tokens: ids(0),
  /** Code units of the answer that were given away. */
  given: z.int().min(0),
  /** Over the bits of all logits that tokens were chosen from; see `chained`. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** Null while it goes on. */
  finish: finishSchema.nullable(),
});

export type GenerationState = Readonly<z.output<typeof stateSchema>>;
export type Finish = Readonly<z.output<typeof finishSchema>>;

/** @throws INPUT_INVALID naming what is wrong, another format included */
export function parseGenerationState(value: unknown): GenerationState {
  const format = typeof value === "object" && value !== null && "format" in value ? value.format : undefined;
  if (typeof format === "string" && format !== STATE_FORMAT)
    throw new LockstepError(
      "INPUT_INVALID",
      `the state of a generation has format ${JSON.stringify(format)}; this Lockstep reads "${STATE_FORMAT}"`,
    );
  return parseOptions(stateSchema, value, "the state of a generation", "INPUT_INVALID");
}

export interface BeginOptions {
  readonly version: string;
  readonly profile: string;
  readonly choice: number;
  /** Most tokens of a sequence. */
  readonly context: number;
  /** V */
  readonly vocabulary: number;
}

/** @default of `maxTokens`, where the context has room for them */
const USUAL_TOKENS = 256;

/**
 * Before work begins: what would not fit is refused, not cut.
 * @throws INPUT_INVALID for a prompt without tokens, or an id outside of the vocabulary; INPUT_TOO_LARGE where prompt
 *   and answer do not fit into the context; OPTION_INVALID
 */
export function beginGeneration(
  prompt: ArrayLike<number>,
  settings: GenerationSettings,
  { version, profile, choice, context, vocabulary }: BeginOptions,
): GenerationState {
  const list = Array.from(prompt);
  if (list.length === 0) throw new LockstepError("INPUT_INVALID", "the prompt has no tokens; say something");
  requireIds(list, vocabulary, "the prompt");
  requireIds(settings.stopTokens, vocabulary, "stopTokens");
  requireIds(Object.keys(settings.logitBias).map(Number), vocabulary, "logitBias");
  const room = context - list.length;
  const maxTokens = settings.maxTokens ?? Math.min(USUAL_TOKENS, Math.max(room, 1));
  if (maxTokens > room)
    throw new LockstepError(
      "INPUT_TOO_LARGE",
      `a prompt of ${list.length} tokens and an answer of up to ${maxTokens} do not fit into the model's context of ` +
        `${context}; ${room > 0 ? `ask for at most ${room} tokens, or ` : ""}shorten the prompt`,
      { prompt: list.length, maxTokens, context },
    );
  if (settings.minTokens > maxTokens)
    throw new LockstepError("OPTION_INVALID", `minTokens ${settings.minTokens} is more than maxTokens ${maxTokens}`);
  return {
    format: STATE_FORMAT,
    version,
    profile,
    settings: { ...settings, maxTokens },
    choice,
    prompt: list,
    tokens: [],
    given: 0,
    digest: "0".repeat(64),
    finish: null,
  };
}

function requireIds(list: readonly number[], vocabulary: number, where: string): void {
  const wrong = list.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabulary);
  if (wrong !== undefined)
    throw new LockstepError(
      "INPUT_INVALID",
      `${where} has the token ${wrong}; the model's are 0 to ${vocabulary - 1}`,
      {
        token: wrong,
      },
    );
}
