/**
 * Random schedules, each a function of its own seed. Half of them are PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte
 * 2010): with n threads, k steps and d − 1 changes of priority, a bug of depth d is met with a chance of at least 1 /
 * (n kᵈ⁻¹) in each; the other half are plain walks, which meet what needs many switches. Every other walk lets spins go
 * on long, so that what comes after a loop has given up is met too.
 */
import type { Plan, Run } from "./runner.ts";

export interface RandomOptions {
  readonly seed: number;
  readonly schedules: number;
  /** Depth d of the bugs that PCT aims at. */
  readonly depth: number;
  readonly kills: boolean;
}

const LONG_SPINS = 1000;

export class RandomSearch {
  readonly #options: RandomOptions;
  #at = 0;
  #length = 32;

  constructor(options: RandomOptions) {
    this.#options = options;
  }

  /** The seed of the schedule that was planned last. */
  get seed(): number {
    return scheduleSeed(this.#options.seed, this.#at);
  }

  plan(): Plan | null {
    const { schedules, depth, kills } = this.#options;
    if (this.#at >= schedules) return null;
    this.#at++;
    const odd = this.#at % 2 === 1;
    return {
      prefix: [],
      ...(this.#at % 4 === 0 ? { spins: LONG_SPINS } : {}),
      random: {
        seed: this.seed,
        kind: odd ? "priorities" : "walk",
        length: this.#length,
        changes: odd ? depth - 1 : 0,
        kill: kills && this.#at % 4 < 2,
      },
    };
  }

  learn(run: Run): null {
    this.#length = Math.max(this.#length, run.trace.length);
    return null;
  }
}

function scheduleSeed(seed: number, index: number): number {
  return (Math.imul(seed, 0x9e3779b1) + Math.imul(index, 0x85ebca6b)) | 0;
}
