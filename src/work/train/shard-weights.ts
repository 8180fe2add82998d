/**
 * How shards are weighted, as integers: with weight aₛ and nₛ losses in shard s, the step's gradient is
 * Σₛ αₛ · mean of shard s, αₛ = aₛ / Σ a, Σ α = 1. Each shard's program is scaled by aₛ / nₛ, and the divisor Σ a is
 * applied once, at the root of the tree: a sum of integers, the same in every order. By size, aₛ = nₛ: the scale is 1
 * and the result the plain mean over the batch.
 *
 * `adaptive` is the rule of Group DRO (Sagawa et al. 2020, algorithm 1) with the smoothing of DoReMi (Xie et al. 2023,
 * algorithm 1), shards as groups: a shard has the rows of one range of lengths. With ℓₛ the mean loss of shard s,
 *
 *   α = 1/S before the first step; after each:
 *   αₛ ← (1 − c) · αₛ · exp(η · ℓₛ) / Σ over all shards + c / S          η = 0.05, c = 0.1
 *   aₛ = max(1, round(65536 · αₛ))
 *
 * so no shard falls below a tenth of its equal share, and what was learned fades within some ten steps. A shard without
 * losses counts as one of the mean loss of the others. α is part of a training's state: in checkpoints and digests.
 *
 * `function` is a function of the user's, whom the main thread asks before the gradients of a step: weight-function.ts.
 */
import { z } from "zod";
import { exp } from "../../base/index.ts";
import { WeightHistory } from "./weight-history.ts";

export const SHARD_WEIGHTS = ["size", "equal", "tokens", "examples", "adaptive"] as const;

/** As a recipe says it. A function is told by its name, which has to be another one where it does something else. */
export const shardWeightsSchema = z.union(
  [
    z.enum(SHARD_WEIGHTS),
    z.strictObject({
      function: z
        .string()
        .regex(/^[\w][\w./@+-]{0,127}$/, "expected letters, digits and . / @ + - _, at most 128, such as curriculum/2"),
    }),
  ],
  `expected ${SHARD_WEIGHTS.join(", ")}, or { function: NAME }`,
);
export type ShardWeights = z.output<typeof shardWeightsSchema>;
type PolicyName = Extract<ShardWeights, string> | keyof Exclude<ShardWeights, string>;

/** What a shard of the present step holds. */
export interface ShardFacts {
  readonly shard: number;
  /** Losses that are summed in it, > 0. */
  readonly count: number;
  /** Padding not counted. */
  readonly tokens: number;
  readonly examples: number;
}

interface Policy {
  /** An integer of at least 1; undefined: the main thread is asked for those of all shards of a step. */
  readonly weight: ((facts: ShardFacts, state: Float64Array) => number) | undefined;
  /** Numbers that it keeps from step to step, for so many shards. @default none */
  readonly initialState?: (shards: number) => Float64Array;
  /** After a step, by one worker; `losses`: means by shard, NaN where there were none. */
  readonly learn?: (state: Float64Array, losses: Float64Array) => void;
}

const RATE = 0.05;
const SMOOTHING = 0.1;
/** Steps of a weight between 0 and the largest. */
export const UNITS = 65_536;

export const SHARD_WEIGHT_POLICIES = {
  size: { weight: ({ count }) => count },
  equal: { weight: () => 1 },
  tokens: { weight: ({ tokens }) => tokens },
  examples: { weight: ({ examples }) => examples },
  adaptive: {
    initialState: (shards) => new Float64Array(shards).fill(1 / shards),
    weight: ({ shard }, shares) => Math.max(1, Math.round(UNITS * shares[shard]!)),
    learn(shares, losses) {
      const known = losses.filter((loss) => !Number.isNaN(loss));
      if (known.length === 0) return;
      const mean = sum(known) / known.length;
      const most = known.reduce((largest, loss) => Math.max(largest, loss), mean);
      // relative to the largest, so that nothing overflows
      const grown = shares.map((share, shard) => {
        const loss = losses[shard]!;
        return share * exp(RATE * ((Number.isNaN(loss) ? mean : loss) - most));
      });
      const total = sum(grown);
      grown.forEach((value, shard) => {
        shares[shard] = ((1 - SMOOTHING) * value) / total + SMOOTHING / shares.length;
      });
    },
  },
  function: {
    weight: undefined,
    initialState: (shards) => new Float64Array(WeightHistory.length(shards)),
    learn: (numbers, losses) => new WeightHistory(numbers).remember(losses),
  },
} as const satisfies { readonly [K in PolicyName]: Policy };

export function policyOf(weights: ShardWeights): Policy {
  return SHARD_WEIGHT_POLICIES[typeof weights === "string" ? weights : "function"];
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
