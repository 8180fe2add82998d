/**
 * A user's own function of weights of shards. It is called on the main thread, once a step, between what the shards
 * hold and their gradients (`ThreadCoordinator`): a plain function does not cross to workers. What it is given is a
 * function of (recipe, data, step) and of what it gave before, so the weights are the same for any number of threads
 * and over an interruption, as long as it uses nothing else. The recipe names it; the name stands for what it does.
 *
 * What it gives, wₛ for each shard, becomes integers aₛ, and αₛ = aₛ / Σ a: whole numbers of at most 65,536 are taken
 * as they are; where one is not, aₛ = max(1, round(65536 · wₛ / max w)) for every wₛ over 0. So no weight over 0 is
 * ever 0, and Σ α is 1 exactly. A shard without losses takes no part, whatever its weight.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { READINGS } from "../../language/data/index.ts";
import type { Exchange } from "./exchange.ts";
import { objectiveOf } from "./objectives/index.ts";
import type { TrainingPlan } from "./plan.ts";
import { phasePlan, type Context } from "./program.ts";
import { trainedPhases, type Recipe } from "./recipe.ts";
import { UNITS } from "./shard-weights.ts";
import { WeightHistory, type EarlierStep } from "./weight-history.ts";

/** What a shard of the present step holds. */
export interface ShardFigures {
  readonly shard: number;
  /** Its examples: rows of the training table from 0; of an objective that packs texts, rows of what was packed. */
  readonly examples: readonly number[];
  /** The class of each example; absent where an example has no single one. */
  readonly labels?: readonly string[];
  /** Padding not counted. */
  readonly tokens: number;
  /** Losses that are summed in it: examples, masked words, tags …; 0: it takes no part in this step. */
  readonly losses: number;
}

/** A step whose weights are asked for. Shards are sorted by the lengths of their rows, shortest first. */
export interface StepFigures {
  /** The phase, such as "2/2 classify". */
  readonly phase: string;
  /** From 0, in the phase. */
  readonly step: number;
  /** Of the phase. */
  readonly steps: number;
  /** From 0. */
  readonly epoch: number;
  readonly shards: readonly ShardFigures[];
  /** The steps before this one, oldest first, at most 128 of them; from checkpoints too. */
  readonly earlier: readonly EarlierStep[];
}

/**
 * Weights by shard, one for each: finite numbers of at least 0, not all 0 among the shards that have losses. A weight
 * of 0 leaves a shard out of the step: nothing is computed of it. Only ratios count. It has to be a function of what it
 * is given alone, and to return at once: no promise, no clock, no randomness, no state of its own.
 */
export type ShardWeightFunction = (step: StepFigures) => ArrayLike<number>;

/** By name. A name stands for what the function does: one that does something else needs another. */
export type ShardWeightFunctions = Readonly<Record<string, ShardWeightFunction>>;

/** @throws OPTION_INVALID where a phase names a function that is not given, or one is given that no phase names */
export function requireWeightFunctions(recipe: Recipe, given: ShardWeightFunctions = {}): void {
  const named = new Set<string>();
  for (const { phase, place } of trainedPhases(recipe)) {
    const name = nameOf(phase);
    if (name === undefined) continue;
    named.add(name);
    if (!Object.hasOwn(given, name))
      throw new LockstepError(
        "OPTION_INVALID",
        `phases.${place}.shard_weights names the function "${name}", and none of that name is given; give it to ` +
          "train in a program, as the option shardWeights (a command line has none)",
        { function: name, place },
      );
  }
  const unused = Object.keys(given).find((name) => !named.has(name));
  if (unused !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `the function of weights "${unused}" is given, and no phase of the recipe names it; set shard_weights of a ` +
        `phase to { function: "${unused}" }, or leave it out`,
      { function: unused },
    );
}

/** The name of a phase's function of weights; undefined where it has none. */
function nameOf({ shard_weights }: Context["phase"]): string | undefined {
  return typeof shard_weights === "string" ? undefined : shard_weights.function;
}

/** What a phase has to ask; undefined where its weights are not asked for. */
export interface AskedWeights {
  /** Writes the weights of `step`'s shards where workers read them. @throws CALLBACK_FAILED */
  answer(step: number): void;
}

export function askedWeights(
  context: Context & { readonly name: string },
  exchange: Exchange,
  functions: ShardWeightFunctions | undefined,
): AskedWeights | undefined {
  const name = nameOf(context.phase);
  if (name === undefined) return undefined;
  const weigh = functions?.[name];
  invariant(weigh !== undefined, `the function of weights "${name}" is given`);
  const plan = phasePlan(context);
  const history = new WeightHistory(exchange.remembered);
  return {
    answer(step) {
      const figures = stepFigures(context, plan, exchange, history, step);
      const given = call(weigh, name, figures);
      history.given.set(given);
      exchange.weights.set(integerWeights(given, exchange.counts));
    },
  };
}

function stepFigures(
  context: Context & { readonly name: string },
  plan: TrainingPlan,
  { counts, tokens }: Exchange,
  history: WeightHistory,
  step: number,
): StepFigures {
  const { data, names, phase } = context;
  const { epoch, shards } = plan.step(step);
  const { label } = READINGS[objectiveOf(phase).reading];
  return {
    phase: context.name,
    step,
    steps: plan.steps,
    epoch,
    shards: shards.map((examples, shard) => ({
      shard,
      examples: Array.from(examples),
      ...(label ? { labels: Array.from(examples, (example) => names[data.labels[example]!]!) } : {}),
      tokens: tokens[shard]!,
      losses: counts[shard]!,
    })),
    earlier: history.earlier(),
  };
}

/** Asks for the weights of a step. @throws CALLBACK_FAILED saying which step and shard, and why */
function call(weigh: ShardWeightFunction, name: string, figures: StepFigures): Float64Array {
  const { phase, step, shards } = figures;
  const failed = (why: string, shard: number | null, cause?: unknown): LockstepError =>
    new LockstepError(
      "CALLBACK_FAILED",
      `the function of weights "${name}" ${why} at step ${step} of ${phase}${shard === null ? "" : `, shard ${shard}`}`,
      { function: name, phase, step, shard },
      cause === undefined ? {} : { cause },
    );
  let given: unknown;
  try {
    given = weigh(figures);
  } catch (thrown) {
    throw failed(`threw ${thrown instanceof Error ? thrown.message : String(thrown)}`, null, thrown);
  }
  if (isThenable(given)) {
    Promise.resolve(given).catch(() => {}); // what becomes of it is nobody's any more
    throw failed("gave a promise, where a step waits for weights; have it return them at once", null);
  }
  if (!Array.isArray(given) && !(ArrayBuffer.isView(given) && "length" in given))
    throw failed("did not give an array of numbers", null);
  const weights = given as ArrayLike<unknown>;
  if (weights.length !== shards.length)
    throw failed(`gave ${weights.length} weights for ${shards.length} shards`, null);
  const numbers = Float64Array.from(weights, (weight, shard) => {
    if (typeof weight === "number" && Number.isFinite(weight) && weight >= 0) return weight;
    throw failed(`gave ${String(weight)}, where a finite number of at least 0 is a weight`, shard);
  });
  if (shards.every(({ shard, losses }) => losses === 0 || numbers[shard] === 0) && shards.some(({ losses }) => losses))
    throw failed("gave the weight 0 for every shard that has losses, so nothing would be learned,", null);
  return numbers;
}

/** The integers of finite weights of at least 0, with 0 where there are no losses. */
export function integerWeights(weights: Float64Array, counts: ArrayLike<number>): Float64Array {
  const own = weights.map((weight, shard) => (counts[shard] === 0 ? 0 : weight));
  if (own.every((weight) => Number.isInteger(weight) && weight <= UNITS)) return own.map((weight) => weight + 0);
  const most = own.reduce((largest, weight) => Math.max(largest, weight), 0);
  return own.map((weight) => (weight === 0 ? 0 : Math.max(1, Math.round(UNITS * (weight / most)))));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
