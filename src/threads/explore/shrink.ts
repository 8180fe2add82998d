/**
 * Makes the schedule of a failure easier to follow before it is shown: fewest preemptions first, then fewest steps,
 * still the same failure. First schedules with fewer preemptions are enumerated from none upwards; then turns are
 * taken out of their place one by one. The effort is bounded in steps, not in time, so that the same is shown on
 * every machine.
 */
import { judge, type Finding } from "./judge.ts";
import type { Run, Runner } from "./runner.ts";
import { BoundedSearch, preemptionsOf } from "./search-bounded.ts";
import type { Trace } from "./trace.ts";

export interface Shown {
  readonly finding: Finding;
  readonly choices: readonly number[];
  readonly trace: Trace;
}

const MOST_STEPS = 100_000;
const MOST_RUNS = 2_000;

export class Shrinker {
  readonly #runner: Runner;
  readonly #races: boolean;
  readonly #wanted: Finding;
  #best: Shown;
  #preemptions: number;
  #steps = 0;
  #runs = 0;

  constructor(runner: Runner, found: Shown, races: boolean) {
    this.#runner = runner;
    this.#races = races;
    this.#wanted = found.finding;
    this.#best = { ...found, trace: found.trace.copy() };
    this.#preemptions = preemptionsOf(found.trace);
  }

  /** The easiest that was met; the one that was given if there was none easier. */
  shrink(kills: number): Shown {
    this.#withFewerPreemptions(kills);
    this.#turnByTurn();
    return this.#best;
  }

  get #exhausted(): boolean {
    return this.#steps >= MOST_STEPS || this.#runs >= MOST_RUNS;
  }

  #withFewerPreemptions(kills: number): void {
    for (let bound = 0; bound < this.#preemptions; bound++) {
      const search = new BoundedSearch({ preemptions: bound, kills });
      for (let plan = search.plan(); plan !== null && !this.#exhausted; plan = search.plan()) {
        const run = this.#run(plan.prefix);
        if (this.#keep(run)) return;
        search.learn(run);
      }
    }
  }

  /**
   * Takes each turn (steps of one thread in a row) to where that thread goes on, or was before, or leaves out
   * the rest.
   */
  #turnByTurn(): void {
    for (let better = true; better;) {
      better = false;
      for (const choices of variants(this.#best.choices)) {
        if (this.#exhausted) return;
        better = this.#keep(this.#run(choices));
        if (better) break;
      }
    }
  }

  #run(prefix: readonly number[]): Run {
    const run = this.#runner.run({ prefix });
    this.#runs++;
    this.#steps += run.trace.length;
    return run;
  }

  /** Whether it is the same failure and easier to follow. */
  #keep(run: Run): boolean {
    const { trace } = run;
    const preemptions = preemptionsOf(trace);
    if (preemptions > this.#preemptions) return false;
    if (preemptions === this.#preemptions && trace.length >= this.#best.trace.length) return false;
    const finding = judge(this.#runner, run, this.#races);
    if (finding === null || !same(finding, this.#wanted)) return false;
    this.#best = { finding, choices: trace.choices(), trace: trace.copy() };
    this.#preemptions = preemptions;
    return true;
  }
}

/** The words of an exception and of a check say which failure it is; what sleeps where may differ. */
function same(a: Finding, b: Finding): boolean {
  return a.kind === b.kind && ((a.kind !== "exception" && a.kind !== "check") || a.message === b.message);
}

function* variants(choices: readonly number[]): Iterable<readonly number[]> {
  const turns: number[][] = [];
  for (const choice of choices) {
    if (turns.at(-1)?.[0] === choice) turns.at(-1)!.push(choice);
    else turns.push([choice]);
  }
  for (let kept = 0; kept < turns.length; kept++) yield turns.slice(0, kept).flat();
  for (let turn = 0; turn < turns.length; turn++) {
    const [own] = turns[turn]!;
    const others = turns.toSpliced(turn, 1);
    const next = turns.findIndex((other, index) => index > turn && other[0] === own);
    if (next > 0) yield others.toSpliced(next - 1, 0, turns[turn]!).flat();
    const previous = turns.findLastIndex((other, index) => index < turn && other[0] === own);
    if (previous >= 0) yield others.toSpliced(previous + 1, 0, turns[turn]!).flat();
    yield others.flat();
  }
}
