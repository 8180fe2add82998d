/** What a search meets on its way: every end, as text, and whether all of it was run. */
import { OUTCOME } from "../../src/threads/explore/control.ts";
import type { Plan, Run, Runner } from "../../src/threads/explore/runner.ts";

export interface Search {
  plan(): Plan | null;
  learn(run: Run): unknown;
}

export interface Met {
  readonly ends: ReadonlySet<string>;
  readonly runs: number;
  readonly cuts: readonly string[];
  /** The search came to its end within the limit, and no loop was cut. */
  readonly complete: boolean;
}

/** Null: more than `limit` schedules. `end` says how a schedule ended. */
export function meet(runner: Runner, search: Search, limit: number, end: (run: Run) => string): Met | null {
  runner.takeCuts();
  const ends = new Set<string>();
  let runs = 0;
  for (let plan = search.plan(); plan !== null; plan = search.plan()) {
    if (++runs > limit) return null;
    const run = runner.run(plan);
    search.learn(run);
    if (run.outcome !== OUTCOME.REDUNDANT) ends.add(end(run));
  }
  const cuts = runner.takeCuts();
  return { ends, runs, cuts, complete: cuts.length === 0 };
}

/** How a schedule ended, and what the threads returned. */
export function returned({ outcome, reports }: Run): string {
  const results = [...reports].sort((a, b) => a.thread - b.thread).map(({ result }) => result);
  return JSON.stringify(outcome === OUTCOME.ENDED ? results : outcome);
}
