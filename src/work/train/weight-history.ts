/**
 * What a function of weights has given for the last steps, and what came of it: the memory of the policy "function",
 * in shared memory and in checkpoints, so that a training that is resumed has the same history.
 *
 * Numbers: 0      steps that are remembered in all: step s, from 0, is remembered in place s mod 128
 *          1..S   what the function gave for the present step, as it gave it
 *          then, for each of 128 places, S weights as they were given, and the S mean losses of that step (NaN: none)
 */
import { invariant } from "../../base/index.ts";

/** Steps that are remembered. */
export const REMEMBERED_STEPS = 128;

/** A step before the present one. */
export interface EarlierStep {
  /** From 0, in the phase. */
  readonly step: number;
  /** By shard, as they were given. */
  readonly weights: Float64Array;
  /** By shard, means over what was summed; NaN for a shard that had nothing, or the weight 0. */
  readonly losses: Float64Array;
}

export class WeightHistory {
  readonly #numbers: Float64Array;
  readonly #shards: number;

  constructor(numbers: Float64Array) {
    this.#numbers = numbers;
    this.#shards = (numbers.length - 1) / (1 + 2 * REMEMBERED_STEPS);
    invariant(Number.isInteger(this.#shards), `a history of weights does not have ${numbers.length} numbers`);
  }

  /** How many numbers it has. */
  static length(shards: number): number {
    return 1 + shards * (1 + 2 * REMEMBERED_STEPS);
  }

  /** What was given for the present step, by shard; to be written before the step, and read by `remember`. */
  get given(): Float64Array {
    return this.#numbers.subarray(1, 1 + this.#shards);
  }

  /** Takes the present step among the earlier ones. `losses`: means by shard, NaN where there were none. */
  remember(losses: Float64Array): void {
    const step = this.#numbers[0]!;
    const [weights, means] = this.#place(step);
    weights.set(this.given);
    means.set(losses);
    this.#numbers[0] = step + 1;
  }

  /** The last steps, oldest first; copies. */
  earlier(): readonly EarlierStep[] {
    const steps = this.#numbers[0]!;
    const first = Math.max(0, steps - REMEMBERED_STEPS);
    return Array.from({ length: steps - first }, (_, index) => {
      const [weights, losses] = this.#place(first + index);
      return { step: first + index, weights: weights.slice(), losses: losses.slice() };
    });
  }

  #place(step: number): readonly [weights: Float64Array, losses: Float64Array] {
    const S = this.#shards;
    const from = 1 + S + (step % REMEMBERED_STEPS) * 2 * S;
    return [this.#numbers.subarray(from, from + S), this.#numbers.subarray(from + S, from + 2 * S)];
  }
}
