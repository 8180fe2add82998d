/** What a schedule showed: nothing wrong, or what. */
import { OUTCOME } from "./control.ts";
import type { Operation, Program } from "./program.ts";
import { findRace } from "./races.ts";
import { describeEvent, placeName, type FailureKind } from "./report.ts";
import type { Run, Runner } from "./runner.ts";
import { requireSynchronous } from "./state.ts";

export interface Finding {
  readonly kind: FailureKind;
  readonly message: string;
  /** Steps to be pointed at in the trace. */
  readonly marks: ReadonlyMap<number, string>;
}

const found = (kind: FailureKind, message: string, marks: ReadonlyMap<number, string> = new Map()): Finding => ({
  kind,
  message,
  marks,
});

/** Null: as it should be. A program that may block for ever is wrong. */
export function judge(runner: Runner, run: Run, races: boolean): Finding | null {
  const race = races ? raceOf(runner, run) : null;
  if (race !== null) return race;
  switch (run.outcome) {
    case OUTCOME.FAILED:
      return exceptionOf(run);
    case OUTCOME.DEADLOCK:
      return deadlockOf(runner, run);
    case OUTCOME.STEPS:
      return found("livelock", `after ${run.trace.length} steps the threads had still not ended`);
    case OUTCOME.MISMATCH:
      return found(
        "nondeterminism",
        `at step ${run.trace.length} the thread that was to go on could not, though it could when this ` +
          "beginning was run before: something outside of the program's state decides what it does",
      );
    case OUTCOME.ENDED:
      return checkOf(runner, run);
    default:
      return null;
  }
}

function raceOf(runner: Runner, { trace }: Run): Finding | null {
  if (!trace.mayRace) return null;
  const events = trace.events();
  const race = findRace(events, runner.threads + 1);
  if (race === null) return null;
  const [first, second] = [events[race.first]!, events[race.second]!];
  const message =
    `data race: "${describeEvent(first, runner.parts)}" by thread ${first.thread} and "` +
    `${describeEvent(second, runner.parts)}" by thread ${second.thread} are not ordered by anything`;
  return found(
    "race",
    message,
    new Map([
      [race.first, "races with the step marked below"],
      [race.second, "races with the step marked above"],
    ]),
  );
}

function exceptionOf(run: Run): Finding {
  const failed = run.reports.find(({ error }) => error !== undefined);
  const error = failed?.error;
  return found(
    "exception",
    `thread ${failed?.thread ?? "?"} threw ${error?.name ?? "Error"}: ${error?.message ?? "unknown"}`,
  );
}

function deadlockOf(runner: Runner, { stuck }: Run): Finding {
  const lost = stuck.find(({ expected, value }) => expected !== value);
  const where = stuck
    .map(
      ({ thread, buffer, offset, size }) =>
        `thread ${thread} on ${placeName(runner.parts, buffer, offset, size) || "an address of its own"}`,
    )
    .join(", ");
  if (lost === undefined)
    return found(
      "deadlock",
      where === ""
        ? "no thread can go on, and none sleeps: an asynchronous one waits for a promise that nobody settles, or " +
            "for what is not explored (a file, a socket, a timer of another kind than setTimeout)"
        : `no thread can go on: asleep are ${where}`,
    );
  return found(
    "lost wake-up",
    `thread ${lost.thread} sleeps while ${placeName(runner.parts, lost.buffer, lost.offset, lost.size)} is ` +
      `${lost.expected}, but it is ${lost.value} and nobody is left to wake it (asleep are ${where})`,
  );
}

function checkOf(runner: Runner, run: Run): Finding | null {
  const { program } = runner;
  if (program.check === undefined) return null;
  let returned: unknown;
  try {
    returned = program.check(runner.stateNow(), endedOf(program, run));
  } catch (thrown) {
    return found("check", `in the end: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  requireSynchronous(returned, "check", runner.name);
  return null;
}

function endedOf(
  program: Program,
  { reports, deaths }: Run,
): { results: unknown[]; died: readonly number[]; history: Operation[] } {
  const results: unknown[] = program.threads.map(() => undefined);
  for (const { thread, result } of reports) if (thread < results.length) results[thread] = result;
  const history = reports.flatMap(({ operations = [] }) => operations).sort((a, b) => a.called - b.called);
  return { results, died: deaths, history };
}
