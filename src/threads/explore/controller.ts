/**
 * One exploration: stages of search until something wrong is found or everything wanted is covered, and the
 * confirmation of what was found.
 */
import { isDeepStrictEqual } from "node:util";
import { LockstepError } from "../../base/index.ts";
import { KILL_FLAG, OUTCOME } from "./control.ts";
import { judge, type Finding } from "./judge.ts";
import { projectRoot } from "./loaded.ts";
import type { CompleteOptions } from "./options.ts";
import type { Program } from "./program.ts";
import {
  coverageName,
  describeEvent,
  formatTrace,
  verdictOf,
  type Coverage,
  type ExploreReport,
  type Failure,
  type Length,
  type Stage,
} from "./report.ts";
import { Runner, type Plan, type Run } from "./runner.ts";
import { formatSchedule, parseSchedule } from "./schedule-text.ts";
import { BoundedSearch, preemptionsOf } from "./search-bounded.ts";
import { ClassSearch } from "./search-classes.ts";
import { RandomSearch } from "./search-random.ts";
import { Shrinker } from "./shrink.ts";
import type { Trace } from "./trace.ts";

interface Search {
  plan(): Plan | null;
  /** A step at which something was not as it had been before, or null. */
  learn(run: Run): number | null;
}

export interface ControllerHooks {
  readonly onProgress: (stage: string, schedules: number, seconds: number) => void;
  readonly stopped: () => boolean;
}

interface Found {
  readonly finding: Finding;
  readonly choices: readonly number[];
  readonly trace: Trace;
  readonly seed: number | null;
}

const PROGRESS_MS = 500;

export class Controller {
  readonly #program: Program;
  readonly #name: string;
  readonly #options: CompleteOptions;
  readonly #hooks: ControllerHooks;
  readonly #kills: number;
  readonly #root: string | null;
  #longest = 0;
  /** How the last schedule ended. */
  #last: Run | null = null;

  constructor(program: Program, name: string, options: CompleteOptions, hooks: ControllerHooks) {
    this.#program = program;
    this.#name = name;
    this.#options = options;
    this.#hooks = hooks;
    this.#root = options.coverage ? projectRoot(program.url) : null;
    this.#kills = options.kills ?? (program.supervise === undefined ? 0 : 1);
  }

  async explore(): Promise<ExploreReport> {
    const stages: Stage[] = [];
    const runner = await this.#start();
    let found: Found | null = null;
    let shrunkFrom: Length | null = null;
    try {
      if (this.#options.replay === undefined) found = this.#differs(runner);
      if (found === null)
        for (const { coverage, search } of this.#stages()) {
          const stage = this.#search(runner, coverage, search);
          stages.push(stage.stage);
          found = stage.found;
          if (coverage.kind === "replay") this.#requireWhole(found);
          if (found !== null || this.#enough(stage.stage)) break;
        }
      if (found !== null && this.#options.replay === undefined && found.finding.kind !== "nondeterminism") {
        const { preemptions, steps } = { preemptions: preemptionsOf(found.trace), steps: found.trace.length };
        const shown = new Shrinker(runner, found, this.#options.races).shrink(this.#kills);
        if (shown.trace.length !== steps || preemptionsOf(shown.trace) !== preemptions)
          shrunkFrom = { preemptions, steps };
        found = { ...found, ...shown };
      }
    } finally {
      await runner.close();
    }
    const failure = found === null ? null : await this.#confirm(found);
    return {
      program: this.#name,
      title: this.#program.title ?? this.#name,
      threads: this.#program.threads.length,
      stages,
      verdict: failure === null ? verdictOf(stages) : "failure",
      failure,
      shrunkFrom,
      longest: this.#longest,
      notWatched: runner.loaded.unwatched,
      branches: this.#root === null ? null : runner.loaded.branches(this.#root, this.#program.url),
    };
  }

  /** The same schedule twice: a program that does something else the second time cannot be explored. */
  #differs(runner: Runner): Found | null {
    const first = runner.run({ prefix: [] });
    const trace = first.trace.copy();
    const second = runner.run({ prefix: [] });
    const step = second.trace.differsFrom(trace, Math.max(trace.length, second.trace.length), true);
    const [once, again] = [first, second].map(({ reports }) =>
      reports.flatMap(({ thread, result }) => (result === undefined ? [] : [[thread, result]])),
    );
    if (step === null && isDeepStrictEqual(once, again)) return null;
    return {
      finding:
        step !== null
          ? nondeterministic(step, trace, second.trace, runner)
          : {
              kind: "nondeterminism",
              marks: new Map(),
              message:
                "the same schedule did not return the same: its steps were alike, and what the threads returned " +
                "was not; something outside of the program's state decides it",
            },
      choices: second.trace.choices(),
      trace: second.trace.copy(),
      seed: null,
    };
  }

  #start(): Promise<Runner> {
    return Runner.start(this.#program, this.#name, {
      maxSteps: this.#options.maxSteps,
      kills: this.#kills,
      spins: this.#options.spins,
      root: this.#root,
    });
  }

  *#stages(): Iterable<{ readonly coverage: Coverage; readonly search: Search }> {
    const { strategy, preemptions, replay, seed, schedules, depth } = this.#options;
    if (replay !== undefined) {
      yield { coverage: { kind: "replay" }, search: once({ prefix: this.#replayed(replay) }) };
      return;
    }
    const bounded = (bound: number) => ({
      coverage: { kind: "preemptions", bound } as const,
      search: new BoundedSearch({ preemptions: bound, kills: this.#kills }),
    });
    if (strategy === "classes" || strategy === "auto")
      yield { coverage: { kind: "classes" }, search: new ClassSearch(this.#program.threads.length, this.#kills) };
    if (strategy === "bounded" || strategy === "auto") {
      const bounds =
        preemptions === Infinity ? [Infinity] : Array.from({ length: preemptions + 1 }, (_, bound) => bound);
      for (const bound of bounds) yield bounded(bound);
    }
    if (strategy === "random" || strategy === "auto")
      yield {
        coverage: { kind: "random", seed },
        search: new RandomSearch({ seed, schedules, depth, kills: this.#kills > 0 }),
      };
  }

  #replayed(text: string): number[] {
    const choices = parseSchedule(text);
    const threads = this.#program.threads.length + (this.#kills > 0 && this.#program.supervise !== undefined ? 1 : 0);
    const stranger = choices.map((choice) => choice & ~KILL_FLAG).find((thread) => thread >= threads);
    if (stranger !== undefined)
      throw new LockstepError(
        "OPTION_INVALID",
        `the schedule names thread ${stranger}, and "${this.#name}" has the threads 0 to ${threads - 1}`,
        { thread: stranger, threads },
      );
    return choices;
  }

  /** A schedule that goes on after everything has ended is another program's: whatever it showed is no answer. */
  #requireWhole(found: Found | null): void {
    const choices = parseSchedule(this.#options.replay!);
    const { length: steps } = choices;
    const { outcome, ended } = this.#last!;
    if (this.#longest >= steps || outcome === OUTCOME.STEPS) return;
    // It could not go on as it was to; that is the same where the thread had nothing left to do.
    if (outcome === OUTCOME.MISMATCH && !ended.includes(choices[this.#longest]!)) return;
    throw new LockstepError(
      "OPTION_INVALID",
      `the schedule has more steps than the program: ${steps}, and "${this.#name}" ` +
        (outcome === OUTCOME.MISMATCH ? `has none of thread ${choices[this.#longest]!} left` : "ended") +
        ` after ${this.#longest}` +
        (found === null || outcome === OUTCOME.MISMATCH ? "" : ` (${found.finding.kind}: ${found.finding.message})`),
      { steps, ended: this.#longest },
    );
  }

  /** Nothing that would follow could add to it. */
  #enough({ coverage, ended }: Stage): boolean {
    return (
      ended === "complete" &&
      (coverage.kind === "classes" || (coverage.kind === "preemptions" && coverage.bound === Infinity))
    );
  }

  #search(runner: Runner, coverage: Coverage, search: Search): { stage: Stage; found: Found | null } {
    const { maxSchedules, maxSeconds } = this.#options;
    const limited = coverage.kind === "classes" || coverage.kind === "preemptions";
    const start = performance.now();
    let told = start;
    let schedules = 0;
    let redundant = 0;
    let steps = 0;
    let ended: Stage["ended"] = "limit";
    let found: Found | null = null;
    let previous: Run | null = null;
    const name = coverageName(coverage);
    while (found === null) {
      const plan = search.plan();
      if (plan === null) {
        ended = "complete";
        break;
      }
      const now = performance.now();
      if (now - told > PROGRESS_MS) {
        told = now;
        this.#hooks.onProgress(name, schedules, (now - start) / 1000);
        if (this.#hooks.stopped()) throw new LockstepError("CANCELLED", "the exploration was cancelled");
        if (limited && now - start > maxSeconds * 1000) break;
      }
      if (limited && schedules + redundant >= maxSchedules) break;
      const run = runner.run(plan);
      this.#last = run;
      steps += run.trace.length;
      this.#longest = Math.max(this.#longest, run.trace.length);
      if (run.outcome === OUTCOME.REDUNDANT) redundant++;
      else schedules++;
      const differs =
        previous === null || plan.random !== undefined
          ? null
          : run.trace.differsFrom(previous.trace, plan.prefix.length - 1);
      let finding =
        differs === null
          ? judge(runner, run, this.#options.races)
          : nondeterministic(differs, previous!.trace, run.trace, runner);
      if (finding === null) {
        const changed = search.learn(run);
        if (changed !== null) finding = nondeterministic(changed, null, run.trace, runner);
      }
      if (finding !== null)
        found = { finding, choices: run.trace.choices(), trace: run.trace, seed: plan.random?.seed ?? null };
      previous = run;
    }
    const cuts = runner.takeCuts();
    if (ended === "complete" && !limited) ended = "sampled";
    if (ended === "complete" && cuts.length > 0) ended = "cut";
    return {
      stage: {
        coverage,
        cuts,
        ended: found === null ? ended : "failure",
        schedules,
        redundant,
        steps,
        seconds: (performance.now() - start) / 1000,
      },
      found,
    };
  }

  /** A failure counts once it has been seen again, the same, in threads and memory made for it. */
  async #confirm(found: Found): Promise<Failure> {
    const runner = await this.#start();
    try {
      const run = runner.run({ prefix: found.choices, sites: true });
      const differs = run.trace.differsFrom(found.trace, found.trace.length);
      const finding =
        differs === null
          ? judge(runner, run, this.#options.races)
          : nondeterministic(differs, found.trace, run.trace, runner);
      const confirmed = (found.finding.kind === "nondeterminism" ? found.finding : finding) ?? {
        kind: "nondeterminism" as const,
        message:
          `the schedule failed once (${found.finding.kind}: ${found.finding.message}) and not when it was run ` +
          "again in fresh threads: something outside of the program's state decides what it does",
        marks: new Map<number, string>(),
      };
      const sites = new Map(run.reports.flatMap(({ sites: own }) => [...(own ?? [])]));
      return {
        kind: confirmed.kind,
        message: confirmed.message,
        schedule: formatSchedule(found.choices),
        seed: found.seed,
        trace: formatTrace(run.trace.events(), runner.parts, sites, confirmed.marks),
      };
    } finally {
      await runner.close();
    }
  }
}

/** `before` is null where only another order of the same steps had been seen. */
function nondeterministic(step: number, before: Trace | null, now: Trace, { parts }: Runner): Finding {
  const told = (trace: Trace): string => {
    if (step >= trace.length) return "there was no such step";
    const event = trace.at(step);
    return `thread ${event.thread}: ${describeEvent(event, parts)}`;
  };
  return {
    kind: "nondeterminism",
    marks: new Map([[step, "was another operation before"]]),
    message:
      `the same schedule did not do the same at step ${step}` +
      (before === null ? "" : ` (first "${told(before)}", then "${told(now)}")`) +
      ": something outside of the program's state decides what it does (module state that is kept between schedules, " +
      "real time, input)",
  };
}

function once(plan: Plan): Search {
  let planned = false;
  return {
    plan: () => {
      if (planned) return null;
      planned = true;
      return plan;
    },
    learn: () => null,
  };
}
