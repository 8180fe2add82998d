/**
 * What an exploration says: how much was covered, and what went wrong in words that a reader can follow step by step.
 */
import { ELEMENTS, KIND, KIND_NAMES } from "./control.ts";
import type { Branches } from "./loaded.ts";
import type { SharedPart } from "./state.ts";
import type { TraceEvent } from "./trace.ts";

/** What a stage is to cover. */
export type Coverage =
  /** Every class of equivalent schedules. */
  | { readonly kind: "classes" }
  /** Every schedule with at most so many preemptions (Infinity: every one). */
  | { readonly kind: "preemptions"; readonly bound: number }
  | { readonly kind: "random"; readonly seed: number }
  | { readonly kind: "replay" };

export interface Stage {
  readonly coverage: Coverage;
  /**
   * Whether all of it was run; all but what loops that were cut would have done; a limit came first; there is no all
   * (`random`, `replay`); or something wrong was found.
   */
  readonly ended: "complete" | "cut" | "limit" | "sampled" | "failure";
  /** Schedules that were run to their end. */
  readonly schedules: number;
  /** Schedules that turned out, on the way, to be equivalent to one that had been run. */
  readonly redundant: number;
  readonly steps: number;
  readonly seconds: number;
  /**
   * Places of loops that were put off after `spins` rounds of the same although they may count, so that what they would
   * have done then was not seen: with any of these, nothing is complete.
   */
  readonly cuts: readonly string[];
}

export type FailureKind = "race" | "deadlock" | "lost wake-up" | "exception" | "check" | "livelock" | "nondeterminism";

export interface Failure {
  readonly kind: FailureKind;
  readonly message: string;
  /** For `replay`. */
  readonly schedule: string;
  /** The seed of the random schedule that showed it; null if it was found by enumeration. */
  readonly seed: number | null;
  /** The schedule in words. */
  readonly trace: string;
}

export interface ExploreReport {
  /** As it is exported. */
  readonly program: string;
  readonly title: string;
  readonly threads: number;
  readonly stages: readonly Stage[];
  readonly verdict: Verdict;
  /** Null: nothing wrong was found. A failure is reported only after it was seen again in fresh threads. */
  readonly failure: Failure | null;
  /** How long the failing schedule was when it was met, where an easier one is shown; else null. */
  readonly shrunkFrom: Length | null;
  /** Greatest number of steps of a schedule. */
  readonly longest: number;
  /**
   * Packages of `node_modules` that explored threads loaded, and what else they ran as it is ("code given to node:vm"):
   * plain accesses in it were not seen, and races there not found.
   */
  readonly notWatched: readonly string[];
  /**
   * Branches of the files of the program's project (the folder with its package.json, without the packages in it) over
   * all schedules; null: not asked for.
   */
  readonly branches: Branches | null;
}

/**
 * The strongest that the stages show: that something is wrong; every schedule; every one up to a number of preemptions;
 * `sampled`: nothing is claimed by what was asked for; `not complete`: an enumeration was asked for, and none was run
 * to its end without loops being cut.
 */
export type Verdict = "failure" | "complete" | "bounded" | "sampled" | "not complete";

export function verdictOf(stages: readonly Stage[]): Verdict {
  if (stages.some(({ ended }) => ended === "failure")) return "failure";
  const enumerations = stages.filter(({ coverage }) => coverage.kind === "classes" || coverage.kind === "preemptions");
  if (enumerations.length === 0) return "sampled";
  const whole = enumerations.filter(({ ended }) => ended === "complete");
  if (whole.some(({ coverage }) => coverage.kind === "classes" || isUnbounded(coverage))) return "complete";
  return whole.length > 0 ? "bounded" : "not complete";
}

function isUnbounded(coverage: Coverage): boolean {
  return coverage.kind === "preemptions" && coverage.bound === Infinity;
}

/** How easy a schedule is to follow. */
export interface Length {
  readonly preemptions: number;
  readonly steps: number;
}

/** In a phrase: `complete up to 2 preemptions: 1,204 schedules`. */
export function describeCoverage({ coverage, ended, schedules, redundant, cuts }: Stage): string {
  const count =
    `${schedules.toLocaleString("en")} schedule${schedules === 1 ? "" : "s"}` +
    (redundant > 0 ? ` (and ${redundant.toLocaleString("en")} cut short)` : "");
  const what = coverageName(coverage);
  if (ended === "failure") return `${what}: went wrong after ${count}`;
  if (coverage.kind === "random" || coverage.kind === "replay") return `${what}: ${count}`;
  if (ended === "complete") return `complete, ${what}: ${count}`;
  if (ended === "cut") return `NOT complete, ${what}: ${count}, but ${describeCuts(cuts)}`;
  return `NOT complete, ${what}: ${count}, then the limit${cuts.length === 0 ? "" : `; ${describeCuts(cuts)}`}`;
}

const CUTS_TOLD = 3;

function describeCuts(cuts: readonly string[]): string {
  const more = cuts.length - CUTS_TOLD;
  return (
    `${cuts.length} loop${cuts.length === 1 ? " was" : "s were"} cut at ` +
    cuts.slice(0, CUTS_TOLD).join("; ") +
    (more > 0 ? ` and ${more} more` : "")
  );
}

export function coverageName(coverage: Coverage): string {
  switch (coverage.kind) {
    case "classes":
      return "every class of equivalent schedules";
    case "preemptions":
      return coverage.bound === Infinity
        ? "every interleaving"
        : `every schedule up to ${coverage.bound} preemption${coverage.bound === 1 ? "" : "s"}`;
    case "random":
      return `random from seed ${coverage.seed}`;
    case "replay":
      return "replayed";
  }
}

export interface ReportOptions {
  /** Name every branch that was not taken, and every function that was not called. @default false: say how many */
  readonly coverage?: boolean;
}

/** For people: a line a stage, and a failure with its whole trace. */
export function formatReport(report: ExploreReport, { coverage = false }: ReportOptions = {}): string {
  const { program, title, stages, verdict, failure, shrunkFrom, longest, notWatched, branches } = report;
  const lines = stages.map(
    (stage) =>
      `${program}: ${describeCoverage(stage)}; ${stage.steps.toLocaleString("en")} steps in ` +
      `${stage.seconds.toFixed(1)} s`,
  );
  if (notWatched.length > 0) lines.push(`${program}: not watched: ${notWatched.join(", ")}`);
  const name = title === program ? program : `${program} (${title})`;
  if (branches !== null && (coverage || failure === null)) lines.push(...describeBranches(program, branches, coverage));
  if (failure === null) {
    const cuts = [...new Set(stages.flatMap((stage) => stage.cuts))];
    const incomplete =
      verdict !== "not complete"
        ? ""
        : cuts.length === 0
          ? ", and the search is not complete"
          : `, and the search is not complete: ${describeCuts(cuts)}; a loop that may count is put off after --spins ` +
            "rounds of the same";
    const unseen =
      longest === 0
        ? "\nno access to shared memory was seen, so there is only one order: plain data is copied to each thread"
        : "";
    return `${lines.join("\n")}\n${name}: nothing wrong was found${incomplete}${unseen}`;
  }
  const again =
    `the same again: --replay ${failure.schedule}` +
    (failure.seed === null ? "" : ` (found by a random schedule, of seed ${failure.seed})`) +
    (shrunkFrom === null ? "" : ` (met in ${shrunkFrom.steps} steps, with preemptions: ${shrunkFrom.preemptions})`);
  return `${lines.join("\n")}\n${name}: FAILED, ${failure.kind}: ${failure.message}\n\n${failure.trace}\n\n${again}`;
}

function describeBranches(program: string, branches: Branches, all: boolean): string[] {
  const { total, reached, missed, neverCalled } = branches;
  if (total === 0 && neverCalled.length === 0) return [];
  const more = !all && missed.length > 0 ? "; --coverage names the others" : "";
  return [
    `${program}: ${reached} of ${total} branch${total === 1 ? "" : "es"} taken${more}`,
    ...(all ? missed.map(({ file, line, branch }) => `  ${file}:${line}  ${branch}`) : []),
    ...(all ? neverCalled.map(({ file, line, name }) => `  ${file}:${line}  ${name} was never called`) : []),
  ];
}

export function placeName(parts: readonly SharedPart[], buffer: number, offset: number, size: number): string {
  const part = parts[buffer];
  if (part === undefined) return buffer >= 1000 ? `a buffer of thread ${Math.floor(buffer / 1000) - 1} +${offset}` : "";
  const word = (offset - part.offset) / part.wordBytes;
  if (!Number.isInteger(word) || size < part.wordBytes)
    return `${part.name}+${offset - part.offset}${size > 1 ? ` (${size} bytes)` : ""}`;
  const count = size / part.wordBytes;
  return count <= 1 ? `${part.name}[${word}]` : `${part.name}[${word}..${word + count - 1}]`;
}

/** A value as its element has it, from its two halves. */
export function valueText(element: number, low: number, high: number): string {
  const kind = ELEMENTS[element]!;
  const wide = (BigInt(high) << 32n) | BigInt(low >>> 0);
  if (kind === "BigInt64Array") return String(BigInt.asIntN(64, wide));
  if (kind === "BigUint64Array") return String(BigInt.asUintN(64, wide));
  return String(kind === "Uint32Array" ? low >>> 0 : low);
}

export function describeEvent(event: TraceEvent, parts: readonly SharedPart[]): string {
  const place = placeName(parts, event.buffer, event.offset, event.size);
  const name = KIND_NAMES[event.kind as 1];
  const a = valueText(event.element, event.a, event.aHigh);
  const before = valueText(event.element, event.before, event.beforeHigh);
  const after = valueText(event.element, event.after, event.afterHigh);
  switch (event.kind) {
    case KIND.LOAD:
      return `${name} ${place} = ${before}`;
    case KIND.STORE:
      return `${name} ${place}: ${before} → ${after}`;
    case KIND.RMW:
      return `read-modify-write ${place}: ${before} → ${after}`;
    case KIND.CAS:
      return event.writes
        ? `${name} ${place}: ${before} → ${after}`
        : `${name} ${place}: is ${before}, not ${a}: fails`;
    case KIND.WAIT:
    case KIND.ASYNC_WAIT:
      if (event.woke !== 0) return `${name} ${place} while ${a}: sleeps`;
      return `${name} ${place} for ${a}: is ${before}, ${a === before ? "and no time to wait" : "goes on"}`;
    case KIND.NOTIFY:
      return `${name} ${place}: wakes ${
        event.woke === 0
          ? "nobody"
          : members(event.woken)
              .map((thread) => `thread ${thread}`)
              .join(", ")
      }`;
    case KIND.TIMEOUT:
      return place === "" ? "its timer fires" : `its time limit passes, asleep on ${place}`;
    case KIND.READ:
    case KIND.WRITE:
      return `plain ${name} of ${place}`;
    case KIND.SEND:
      return `sends a message on channel ${event.buffer}${
        event.woken === 0
          ? ""
          : `: wakes ${members(event.woken)
              .map((thread) => `thread ${thread}`)
              .join(", ")}`
      }`;
    case KIND.RECEIVE:
      return `looks for a message on channel ${event.buffer}: ${event.before === 0 ? "none" : "takes it"}`;
    case KIND.KILL:
      return "DIES here";
    default:
      return `an operation ${name}`;
  }
}

/**
 * The schedule in words: a line a step, with where in the code it stands, and a line where the thread changes. What
 * repeats itself is told once.
 */
export function formatTrace(
  events: readonly TraceEvent[],
  parts: readonly SharedPart[],
  sites: ReadonlyMap<number, string>,
  marks: ReadonlyMap<number, string>,
): string {
  const words = events.map((event) => describeEvent(event, parts));
  const texts = events.map((event, step) => `${event.thread} ${words[step]!} ${sites.get(step) ?? ""}`);
  const width = Math.min(72, Math.max(0, ...words.map((text) => text.length)));
  const lines: string[] = [];
  for (let step = 0; step < events.length; step++) {
    if (step > 0 && events[step - 1]!.thread !== events[step]!.thread) lines.push("");
    const site = sites.get(step) ?? "";
    lines.push(
      `${String(step).padStart(5)}  thread ${events[step]!.thread}  ${words[step]!.padEnd(width)}  ${site}`.trimEnd(),
    );
    const mark = marks.get(step);
    if (mark !== undefined) lines.push(`       ^^^^^^^^  ${mark}`);
    const { period, rounds } = repeats(texts, step + 1);
    if (rounds < REPEATS_TOLD) continue;
    lines.push(`       … the last ${period === 1 ? "step" : `${period} steps`} again, ${rounds} times`);
    step += period * rounds;
  }
  return lines.join("\n");
}

const LONGEST_PERIOD = 16;
const REPEATS_TOLD = 3;

/** How often the steps before `from` are told again from there, in rounds of which length. */
function repeats(texts: readonly string[], from: number): { readonly period: number; readonly rounds: number } {
  let best = { period: 1, rounds: 0 };
  for (let period = 1; period <= Math.min(LONGEST_PERIOD, from); period++) {
    let same = 0;
    while (from + same < texts.length && texts[from + same] === texts[from + same - period]) same++;
    const rounds = Math.floor(same / period);
    if (rounds >= REPEATS_TOLD && rounds * period > best.rounds * best.period) best = { period, rounds };
  }
  return best;
}

function members(mask: number): number[] {
  return Array.from({ length: 9 }, (_, thread) => thread).filter((thread) => (mask & (1 << thread)) !== 0);
}
