/**
 * The task `perplexity`: how likely a language model finds a text. Of a causal model, each token is scored given those
 * before it; the first of the row is not scored, since nothing is before it. Of a masked model it is the
 * pseudo-log-likelihood (Salazar et al. 2020): each token that is not special is scored with a mask in its own place,
 * given all others, so a text is as many rows as it has such tokens.
 */
import { z } from "zod";
import { exp, LockstepError, parseOptions } from "../../base/index.ts";
import type { TokenRow } from "../infer/index.ts";
import { digestBits } from "./digest.ts";
import type { EncodedQuestion, Task, TaskAnswer, TaskTypes, TaskVersion } from "./task.ts";
import { checkOneText } from "./text.ts";
import { requireFiniteOutput } from "./vectors.ts";
import { isOneOfTwo, ONE_OF_TWO, textFields, textsOf, TRUNCATED, wireRequest } from "./wire.ts";

const options = z.strictObject({});
const body = wireRequest(textFields("A text to score."), {}).refine(isOneOfTwo, ONE_OF_TWO);
const wire = z.object({
  perplexity: z
    .number()
    .meta({ description: "e to the minus mean log-probability of a token; of a masked model, pseudo." }),
  log_likelihood: z.number().meta({ description: "Sum over the tokens scored, in nats." }),
  tokens: z.int().meta({ description: "How many tokens were scored." }),
  truncated: TRUNCATED,
});
const recorded = z.object({ text: z.string() });

export interface Perplexity extends TaskAnswer {
  /** e to the minus mean log-probability of a token, 1 or more; of a masked model the pseudo-perplexity. */
  readonly perplexity: number;
  /** Sum of the log-probabilities of the tokens scored, in nats. */
  readonly logLikelihood: number;
  /** How many tokens were scored. */
  readonly tokens: number;
}

export interface PerplexityTypes extends TaskTypes {
  readonly question: string;
  readonly options: z.output<typeof options>;
  readonly asked: z.input<typeof options>;
  readonly answer: Perplexity;
  readonly body: z.output<typeof body>;
  readonly wire: z.output<typeof wire>;
  readonly notes: ScoredPart;
}

/** The part of the text that the scored tokens come from, in UTF-16 code units: from, to (exclusive). */
export interface ScoredPart {
  readonly from: number;
  readonly to: number;
}

/** Every token but the first, given those before it. */
function causalRows(ids: Int32Array): TokenRow[] {
  return [{ ids, positions: Int32Array.from({ length: ids.length - 1 }, (_, t) => t), targets: ids.slice(1) }];
}

/** For every token that is not special, the row with a mask in its place. */
function maskedRows(ids: Int32Array, typeIds: Int32Array, special: ReadonlySet<number>, mask: number): TokenRow[] {
  const places = [...ids.keys()].filter((place) => !special.has(ids[place]!));
  return places.map((place) => ({
    ids: ids.with(place, mask),
    typeIds,
    positions: Int32Array.of(place),
    targets: Int32Array.of(ids[place]!),
  }));
}

async function encode({ tokenizer, head }: TaskVersion, text: string): Promise<EncodedQuestion<ScoredPart>> {
  const { ids, typeIds, truncated, offsets } = await tokenizer.encode(text, { offsets: true });
  const { mask, ...others } = tokenizer.special;
  const special = new Set(Object.values({ ...others, mask }).filter((id) => id !== others.unk));
  const isCausal = head.kind === "causal-lm";
  const rows = isCausal ? causalRows(ids) : maskedRows(ids, typeIds, special, mask);
  if (rows.length === 0 || rows[0]!.targets!.length === 0)
    throw new LockstepError("INPUT_INVALID", "a text has no token that could be scored; give a longer one");
  return { rows, truncated, notes: { from: isCausal ? offsets[1]! : 0, to: offsets.reduce((a, b) => Math.max(a, b)) } };
}

export const perplexity: Task<"perplexity", PerplexityTypes> = {
  name: "perplexity",
  noun: "text",
  about: "Says how likely a language model finds one text, or up to 64.",
  format: 1,
  refusal: ({ head }) =>
    head.kind === "causal-lm" || head.kind === "masked-lm" ? undefined : "it is no language model",
  learns: false,

  options,
  check: checkOneText,
  grows: true,
  rows: () => 1,
  length: (text) => text.length,
  encode,
  answer: (_, outputs) => {
    let logLikelihood = 0;
    let tokens = 0;
    for (const scores of outputs) {
      requireFiniteOutput(scores, "a row of scores");
      for (const score of scores) logLikelihood += score;
      tokens += scores.length;
    }
    return { perplexity: exp(-logLikelihood / tokens), logLikelihood, tokens, digest: digestBits(...outputs) };
  },

  route: "/v1/perplexity",
  body,
  ofBody: (parsed) => ({ questions: textsOf(parsed), options: {} }),
  wire,
  toWire: ({ perplexity: value, logLikelihood, tokens, truncated }) => ({
    perplexity: value,
    log_likelihood: logLikelihood,
    tokens,
    truncated,
  }),

  record: (text) => ({ text }),
  recall: (record) => ({
    question: parseOptions(recorded, record, "a recorded question", "LOG_CORRUPT").text,
    options: {},
  }),
  summary: ({ perplexity: value, logLikelihood, tokens, truncated }) => ({
    perplexity: value,
    log_likelihood: logLikelihood,
    tokens,
    truncated,
  }),
  laterFields: [],

  ofText: (text) => text,
  anyText: true,
};
