/**
 * From logits to a token, as a function of the sequence and the request alone. In float64 with our own functions, so
 * that no engine changes a bit; sums run in the order of ids. Settings work in this order, which is that of Hugging
 * Face's `transformers`:
 *
 *   1. logit bias  2. repetition penalty  3. presence and frequency penalties  4. tokens that may not come yet
 *   5. temperature (0: the largest is taken, and that is all)  6. top-k  7. top-p of what top-k left  8. min-p
 *   9. the draw, by a random number that is a function of (seed, choice, position)
 *
 * Probabilities that are reported are the model's own, from before all of it.
 */
import { bits, exp, log, LockstepError, PURPOSE, type Seed } from "../../base/index.ts";
import type { GenerationSettings } from "./options.ts";
import { inOrder } from "./select.ts";

export type Sampling = Pick<
  GenerationSettings,
  "temperature" | "topK" | "topP" | "minP" | "repetitionPenalty" | "presencePenalty" | "frequencyPenalty" | "logitBias"
>;

/** What of a sequence matters to the next token's distribution. */
export interface SamplingContext {
  /** Ids of the prompt and of the answer so far. */
  readonly seen: ReadonlySet<number>;
  /** How often each id is in the answer so far. */
  readonly counts: ReadonlyMap<number, number>;
  /** Ids that may not be chosen now. */
  readonly banned: ReadonlySet<number>;
}

/** What is left of the vocabulary. */
export interface Distribution {
  /** Increasing. */
  readonly ids: Int32Array;
  /** Proportional to the probabilities; the likeliest of all has 1. */
  readonly weights: Float64Array;
}

/** The place of a random number: of choice `choice` of a request, for the token at `position` of its sequence. */
export interface DrawPlace {
  readonly seed: Seed;
  readonly choice: number;
  readonly position: number;
}

export interface Logprobs {
  /** Of the chosen token, in nats. */
  readonly logprob: number;
  /** The likeliest tokens, likeliest first, of equal ones the lowest id first. */
  readonly top: readonly { readonly id: number; readonly logprob: number }[];
}

/** @throws NON_FINITE for logits that are no numbers; INPUT_INVALID where every token is banned */
export function chooseToken(
  logits: Float32Array,
  sampling: Sampling,
  context: SamplingContext,
  place: DrawPlace,
): number {
  const { ids, weights } = distribution(logits, sampling, context);
  if (ids.length === 1) return ids[0] as number;
  let total = 0;
  for (const weight of weights) total += weight;
  const bound = uniform(place) * total;
  let sum = 0;
  for (const [i, weight] of weights.entries()) {
    sum += weight;
    if (sum > bound) return ids[i] as number;
  }
  return ids[weights.findLastIndex((weight) => weight > 0)] as number;
}

/** What may be chosen, and how likely. @throws as `chooseToken` */
export function distribution(logits: Float32Array, sampling: Sampling, context: SamplingContext): Distribution {
  const scores = adjusted(logits, sampling, context);
  const largest = indexOfLargest(scores);
  if (scores[largest] === -Infinity)
    throw new LockstepError("INPUT_INVALID", "no token is left that may be chosen: lower minTokens, or stop on fewer");
  if (sampling.temperature === 0) return { ids: Int32Array.of(largest), weights: Float64Array.of(1) };
  const peak = scores[largest] as number;
  for (let id = 0; id < scores.length; id++) scores[id] = exp(((scores[id] as number) - peak) / sampling.temperature);
  return kept(scores, sampling);
}

/** In nats. @throws NON_FINITE */
export function logprobsOf(logits: Float32Array, chosen: number, top: number): Logprobs {
  const scores = Float64Array.from(finite(logits));
  const peak = scores[indexOfLargest(scores)] as number;
  let total = 0;
  for (const score of scores) total += exp(score - peak);
  const normalizer = peak + log(total);
  const logprob = (id: number): number => (scores[id] as number) - normalizer;
  const likeliest: { id: number; logprob: number }[] = [];
  if (top > 0)
    for (const id of inOrder(scores)) {
      likeliest.push({ id, logprob: logprob(id) });
      if (likeliest.length === top) break;
    }
  return { logprob: logprob(chosen), top: likeliest };
}

/** Steps 1 to 4. */
function adjusted(logits: Float32Array, sampling: Sampling, { seen, counts, banned }: SamplingContext): Float64Array {
  const scores = Float64Array.from(finite(logits));
  const change = (id: number, to: (score: number) => number): void => {
    if (id < scores.length) scores[id] = to(scores[id] as number);
  };
  for (const [id, bias] of Object.entries(sampling.logitBias)) change(Number(id), (score) => score + bias);
  const { repetitionPenalty: penalty, presencePenalty, frequencyPenalty } = sampling;
  if (penalty !== 1) for (const id of seen) change(id, (score) => (score > 0 ? score / penalty : score * penalty));
  if (presencePenalty !== 0 || frequencyPenalty !== 0)
    for (const [id, count] of counts) change(id, (score) => score - presencePenalty - frequencyPenalty * count);
  for (const id of banned) change(id, () => -Infinity);
  return scores;
}

/** Steps 6 to 8. `weights` [V] become those that are left. */
function kept(weights: Float64Array, { topK, topP, minP }: Sampling): Distribution {
  const fewest = minP > 0 ? minP : Number.MIN_VALUE; // a weight of 0 is never drawn
  if (topK === 0 && topP === 1) return only(weights, (weight) => weight >= fewest);
  const most = topK === 0 ? weights.length : topK;
  let mass = 0;
  if (topP < 1) {
    if (topK === 0) for (const weight of weights) mass += weight;
    else mass = massOf(weights, topK);
  }
  const left = new Set<number>();
  let sum = 0;
  for (const id of inOrder(weights)) {
    const weight = weights[id] as number;
    if (weight < fewest) break;
    left.add(id);
    sum += weight;
    if (left.size === most || (topP < 1 && sum >= topP * mass)) break;
  }
  return only(weights, (_, id) => left.has(id));
}

function massOf(weights: Float64Array, most: number): number {
  let [mass, count] = [0, 0];
  for (const id of inOrder(weights)) {
    mass += weights[id] as number;
    if (++count === most) break;
  }
  return mass;
}

function only(weights: Float64Array, keep: (weight: number, id: number) => boolean): Distribution {
  const ids: number[] = [];
  for (let id = 0; id < weights.length; id++) if (keep(weights[id] as number, id)) ids.push(id);
  return { ids: Int32Array.from(ids), weights: Float64Array.from(ids, (id) => weights[id] as number) };
}

function finite(logits: Float32Array): Float32Array {
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit - logit !== 0)
      throw new LockstepError(
        "NON_FINITE",
        `the model's logit of token ${id} is ${logit}; its weights are damaged, or too large for float32`,
        { token: id },
      );
  }
  return logits;
}

/** Of equal ones, the first. */
function indexOfLargest(scores: Float64Array): number {
  let best = 0;
  for (let id = 1; id < scores.length; id++) if ((scores[id] as number) > (scores[best] as number)) best = id;
  return best;
}

/** In [0, 1), a multiple of 2^-53. */
function uniform({ seed, choice, position }: DrawPlace): number {
  const word = (index: number): number => bits(seed, PURPOSE.sample, choice, 0, 2 * position + index);
  return ((word(0) >>> 5) * 0x400_0000 + (word(1) >>> 6)) / 0x20_0000_0000_0000;
}
