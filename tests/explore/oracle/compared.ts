/** The searches against the oracle, on little programs one after another in the same threads. */
import assert from "node:assert/strict";
import { OUTCOME } from "../../../src/threads/explore/control.ts";
import { Runner, type Run } from "../../../src/threads/explore/runner.ts";
import { BoundedSearch } from "../../../src/threads/explore/search-bounded.ts";
import { ClassSearch } from "../../../src/threads/explore/search-classes.ts";
import { meet, type Met } from "../outcomes.ts";
import { everyEnd } from "./oracle.ts";
import { choose, dying, running, wordOf, type SmallState } from "./small.programs.ts";
import { small, WORDS, type Small } from "./small.ts";

export interface Counts {
  programs: number;
  /** Where the search said that it was complete, and the oracle agreed. */
  classes: number;
  bounded: number;
  /** Where it said that it was not: loops that may count were cut. */
  cut: number;
  /** Too large for the limit. */
  skipped: number;
}

/** `from` to `to`, half on two threads and half on three. */
export async function compare(from: number, to: number, limit: number): Promise<Counts> {
  const counts = { programs: 0, classes: 0, bounded: 0, cut: 0, skipped: 0 };
  for (const [threads, name] of [
    [2, "two"],
    [3, "three"],
  ] as const) {
    const runner = await Runner.start(running[name] as never, `running.${name}`, { maxSteps: 150, kills: 0 });
    try {
      for (let seed = from; seed < to; seed++) if (seed % 2 === threads % 2) compareOne(runner, seed, limit, counts);
    } finally {
      await runner.close();
    }
  }
  return counts;
}

/** With one death in each schedule, which the oracle does not know: the two searches against each other. */
export async function compareDeaths(from: number, to: number, limit: number): Promise<number> {
  const runner = await Runner.start(dying.two as never, "dying.two", { maxSteps: 150, kills: 1 });
  let compared = 0;
  try {
    for (let seed = from; seed < to; seed++) {
      const program = small(seed, 2);
      choose(runner.state as SmallState, seed);
      const end = (run: Run): string => `${endOf(runner, program, run)} without ${run.deaths.join()}`;
      const bounded = meet(runner, new BoundedSearch({ preemptions: Infinity, kills: 1 }), limit, end);
      const classes = meet(runner, new ClassSearch(2, 1), limit, end);
      if (bounded === null || classes === null || bounded.cuts.length + classes.cuts.length > 0) continue;
      compared++;
      assert.deepEqual([...classes.ends].sort(), [...bounded.ends].sort(), `${seed}: ${JSON.stringify(program)}`);
      assert.ok(classes.runs <= bounded.runs + 20, `${seed}: ${classes.runs} of ${bounded.runs}`);
    }
  } finally {
    await runner.close();
  }
  return compared;
}

function compareOne(runner: Runner, seed: number, limit: number, counts: Counts): void {
  const program = small(seed, runner.threads);
  choose(runner.state as SmallState, seed);
  counts.programs++;
  const ends = everyEnd(program, 50_000);
  if (ends === null) {
    counts.skipped++;
    return;
  }
  const end = (run: Run): string => endOf(runner, program, run);
  const told = `program ${seed}: ${JSON.stringify(program)}`;
  const classes = meet(runner, new ClassSearch(runner.threads), limit, end);
  const bounded = meet(runner, new BoundedSearch({ preemptions: Infinity, kills: 0 }), limit, end);
  if (agrees(classes, ends, `classes, ${told}`)) counts.classes++;
  if (agrees(bounded, ends, `bounded, ${told}`)) counts.bounded++;
  if (classes === null) counts.skipped++;
  else if (!classes.complete) counts.cut++;
}

/** True: it was complete, and everything that can happen was met; nothing else ever was. */
function agrees(met: Met | null, ends: ReadonlySet<string>, told: string): boolean {
  if (met === null) return false;
  for (const end of met.ends) assert.ok(ends.has(end), `cannot happen: ${end}; ${told}`);
  if (!met.complete) return false;
  for (const end of ends)
    assert.ok(met.ends.has(end), `said to be complete without ${end}, with ${[...met.ends].join()}; ${told}`);
  return true;
}

function endOf(runner: Runner, program: Small, { outcome, reports }: Run): string {
  const { bytes } = runner.stateNow() as SmallState;
  const words = Array.from({ length: WORDS }, (_, at) => wordOf(program, bytes, at)[0]);
  if (outcome === OUTCOME.STEPS) return JSON.stringify(["endless", words]);
  const results = program.threads.map((_, index) => reports.find(({ thread }) => thread === index)?.result ?? null);
  return JSON.stringify([outcome === OUTCOME.ENDED ? "ended" : "asleep", words, results]);
}
