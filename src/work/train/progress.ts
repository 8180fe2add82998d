/**
 * What a training says while it runs, and how fast it goes. Times are for people: nothing that decides a result reads
 * them.
 */
import type { StepReport } from "./messages.ts";
import type { Figure } from "./objectives/index.ts";
import { trainedPhases, type Recipe } from "./recipe.ts";

/** What phases are called: place, number, objective, such as "1/2 masked-lm"; phases without epochs are left out. */
export function phaseNames(recipe: Recipe): readonly string[] {
  const phases = trainedPhases(recipe);
  return phases.map(({ phase }, index) => `${index + 1}/${phases.length} ${phase.objective}`);
}

/** `phase` is one of `phaseNames`. */
export type TrainingEvent =
  | {
      readonly kind: "phase";
      readonly phase: string;
      readonly steps: number;
      readonly epochs: number;
      readonly shards: number;
      readonly threads: number;
      readonly parameters: number;
    }
  | (StepReport & { readonly phase: string; readonly steps: number } & Pace)
  | {
      readonly kind: "epoch";
      readonly phase: string;
      readonly epoch: number;
      readonly epochs: number;
      readonly validation?: Figure;
    }
  | { readonly kind: "checkpoint"; readonly phase: string; readonly step: number; readonly path: string }
  | {
      readonly kind: "resumed";
      readonly phase: string;
      readonly step: number;
      readonly path: string;
      readonly skipped: readonly string[];
    }
  /** Something that the user should know, and that stops nothing. */
  | { readonly kind: "warning"; readonly message: string }
  | { readonly kind: "digest"; readonly phase: string; readonly step: number; readonly sha256: string };

export interface Pace {
  /** Smoothed over about the last twenty steps. */
  readonly tokensPerSecond: number;
  /** Of all phases that are left. */
  readonly secondsLeft: number;
  /** Share of all steps of all phases that are done, 0 to 1. */
  readonly done: number;
}

const SMOOTHING = 0.05;

export class StepClock {
  readonly #total: number;
  #last = performance.now();
  #secondsPerStep: number | undefined;
  #tokensPerStep: number | undefined;

  /** `total`: steps of all phases. */
  constructor(total: number) {
    this.#total = total;
  }

  /** A phase begins, or goes on, after `done` steps of the whole. */
  startAt(done: number): void {
    if (done > this.#total) throw new RangeError(`${done} of ${this.#total} steps`);
    this.#last = performance.now();
  }

  /** `done` steps of the whole are done; the last one had `tokens`. */
  tick(done: number, tokens: number): Pace {
    const now = performance.now();
    this.#secondsPerStep = smooth(this.#secondsPerStep, (now - this.#last) / 1000);
    this.#tokensPerStep = smooth(this.#tokensPerStep, tokens);
    this.#last = now;
    return {
      tokensPerSecond: this.#tokensPerStep / Math.max(1e-9, this.#secondsPerStep),
      secondsLeft: (this.#total - done) * this.#secondsPerStep,
      done: done / this.#total,
    };
  }
}

function smooth(before: number | undefined, now: number): number {
  return before === undefined ? now : before + SMOOTHING * (now - before);
}
