/**
 * Explores mutants, in a process of its own inside of the copy (tree.ts): `driver.ts JOB`, a JSON file. The threads of
 * a program are started once, and run all mutants that it reaches. Prints one JSON document a line: what is
 * begun, so that whoever watches knows where it hangs, and what came of it.
 */
import { readFileSync } from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { pathToFileURL } from "node:url";
import { setEnvironmentData } from "node:worker_threads";
import { installExplorationHook } from "../../src/base/index.ts";
import { OUTCOME } from "../../src/threads/explore/control.ts";
import { judge } from "../../src/threads/explore/judge.ts";
import { programsOf, type Program } from "../../src/threads/explore/index.ts";
import { MarkedChannel } from "../../src/threads/explore/ports.ts";
import { Runner, setupResets, type Plan, type Run } from "../../src/threads/explore/runner.ts";
import { BoundedSearch } from "../../src/threads/explore/search-bounded.ts";
import { RandomSearch } from "../../src/threads/explore/search-random.ts";
import { ENVIRONMENT } from "./tree.ts";

export interface Budget {
  /** Schedules with no, and with one preemption. */
  readonly none: number;
  readonly one: number;
  readonly random: number;
}

export interface Job {
  readonly module: string;
  /** Names of programs, in this order. */
  readonly programs: readonly string[];
  readonly mutants: readonly number[];
  /** How many there are in all. */
  readonly total: number;
  readonly budget: Budget;
  /** Tries mutants even of what runs before the threads begin, each in threads of its own. */
  readonly setups: boolean;
}

export type Said =
  | {
      readonly said: "program";
      readonly program: string;
      readonly reached: readonly number[];
    }
  | {
      readonly said: "begin";
      readonly program: string;
      readonly mutant: number;
    }
  | {
      readonly said: "caught";
      readonly program: string;
      readonly mutant: number;
      readonly kind: string;
    }
  | {
      readonly said: "broken";
      readonly program: string;
      readonly message: string;
    }
  | { readonly said: "over" };

const NONE = -1;
const MAX_STEPS = 5000;

const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as Job;
const words = new Int32Array(new SharedArrayBuffer(4 * (job.total + 1)));
words[0] = NONE;
setEnvironmentData(ENVIRONMENT, words);

const say = (said: Said): void => void process.stdout.write(`${JSON.stringify(said)}\n`);

(
  createRequire(import.meta.url)("node:worker_threads") as {
    MessageChannel: unknown;
  }
).MessageChannel = MarkedChannel;
(globalThis as { MessageChannel: unknown }).MessageChannel = MarkedChannel;
syncBuiltinESMExports();
installExplorationHook({ access: () => {}, resets: setupResets });

const programs = programsOf((await import(pathToFileURL(job.module).href)) as Record<string, unknown>);
const alive = new Set(job.mutants);

interface Search {
  plan(): Plan | null;
  learn(run: Run): unknown;
}

function* searches(kills: number, budget: Budget): Generator<{ readonly search: Search; readonly limit: number }> {
  yield {
    search: new BoundedSearch({ preemptions: 0, kills }),
    limit: budget.none,
  };
  const options = { seed: 1, depth: 3, kills: kills > 0 };
  yield {
    search: new RandomSearch({ ...options, schedules: budget.random }),
    limit: budget.random,
  };
  yield {
    search: new BoundedSearch({ preemptions: 1, kills }),
    limit: budget.one,
  };
}

/** What is found first, seen twice; null: nothing. */
function explored(runner: Runner, kills: number, given: Budget): string | null {
  // one thread alone has one schedule
  const budget = runner.threads === 1 ? { none: 1, one: 0, random: 0 } : given;
  for (const { search, limit } of searches(kills, budget)) {
    for (let schedules = 0; schedules < limit; schedules++) {
      const plan = search.plan();
      if (plan === null) break;
      const run = runner.run(plan);
      const finding = run.outcome === OUTCOME.REDUNDANT ? null : judge(runner, run, true);
      if (finding !== null) {
        const again = runner.run({ prefix: run.trace.choices() });
        return judge(runner, again, true)?.kind ?? "nondeterminism";
      }
      search.learn(run);
    }
  }
  return null;
}

const start = (program: Program, name: string, kills: number): Promise<Runner> =>
  Runner.start(program, name, { maxSteps: MAX_STEPS, kills });

for (const name of job.programs) {
  const program = programs.get(name)!;
  const kills = program.supervise === undefined ? 0 : 1;
  words.fill(0, 1);
  words[0] = NONE;
  let runner: Runner | null = await start(program, name, kills);
  const early = new Set([...alive].filter((mutant) => words[mutant + 1] !== 0));
  const wrong = explored(runner, kills, job.budget);
  if (wrong !== null) say({ said: "broken", program: name, message: wrong });
  const reached = wrong === null ? [...alive].filter((mutant) => words[mutant + 1] !== 0) : [];
  say({ said: "program", program: name, reached });
  for (const mutant of reached) {
    say({ said: "begin", program: name, mutant });
    words[0] = mutant;
    let kind: string | null;
    try {
      runner ??= await start(program, name, kills);
      kind = explored(runner, kills, job.budget);
      if (kind === null && job.setups && early.has(mutant)) {
        await runner.close();
        runner = null;
        runner = await start(program, name, kills);
        kind = explored(runner, kills, job.budget);
        await runner.close();
        runner = null;
      }
    } catch (thrown) {
      // the explorer itself says that this does not work: a setup that throws, a thread that computes without end
      kind = `refused: ${(thrown as Error).message.slice(0, 80)}`;
      words[0] = NONE;
      await runner?.close();
      runner = null;
    }
    words[0] = NONE;
    if (kind === null) continue;
    alive.delete(mutant);
    say({ said: "caught", program: name, mutant, kind });
  }
  await runner?.close();
}
say({ said: "over" });
process.exit(0);
