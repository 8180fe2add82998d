/** What an exploration says: how much was covered, and what went wrong in words that a reader can follow step by step. */
import { KIND, KIND_NAMES } from "./control.ts";
import type { SharedPart } from "./state.ts";
import type { TraceEvent } from "./trace.ts";

/** What was covered. */
export type Coverage =
  /** Every class of equivalent schedules. */
  | { readonly kind: "classes"; readonly complete: boolean }
  /** Every schedule with at most so many preemptions (Infinity: every one). */
  | { readonly kind: "preemptions"; readonly bound: number; readonly complete: boolean }
  /** So many random ones. */
  | { readonly kind: "random"; readonly seed: number; readonly complete: boolean }
  | { readonly kind: "replay"; readonly complete: boolean };

export interface Stage {
  readonly coverage: Coverage;
  /** Schedules that were run to their end. */
  readonly schedules: number;
  /** Schedules that turned out, on the way, to be equivalent to one that had been run. */
  readonly redundant: number;
  readonly steps: number;
  readonly seconds: number;
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
  readonly program: string;
  readonly threads: number;
  readonly stages: readonly Stage[];
  /** Null: nothing wrong was found. A failure is reported only after it was seen again in fresh threads. */
  readonly failure: Failure | null;
  /** Greatest number of steps of a schedule. */
  readonly longest: number;
}

export function describeCoverage({ coverage, schedules, redundant }: Stage): string {
  const count = `${schedules.toLocaleString("en")} schedules`;
  const more = redundant > 0 ? ` (and ${redundant.toLocaleString("en")} cut short)` : "";
  switch (coverage.kind) {
    case "classes": return coverage.complete ? `complete: every class of equivalent schedules, in ${count}${more}` : `not complete: ${count} of different classes${more}, then the limit`;
    case "preemptions": {
      const what = coverage.bound === Infinity ? "all interleavings" : `up to ${coverage.bound} preemption${coverage.bound === 1 ? "" : "s"}`;
      return coverage.complete ? `complete ${coverage.bound === Infinity ? "" : "up to the bound "}(${what}): ${count}` : `not complete (${what}): ${count}, then the limit`;
    }
    case "random": return `${coverage.complete ? "" : "not all of the wanted "}random: ${count}, seed ${coverage.seed}`;
    case "replay": return "one schedule, replayed";
  }
}

export function formatReport(report: ExploreReport): string {
  const lines = report.stages.map((stage) => `${report.program}: ${describeCoverage(stage)}; ${stage.steps.toLocaleString("en")} steps in ${stage.seconds.toFixed(1)} s`);
  const { failure } = report;
  if (failure === null) return `${lines.join("\n")}\n${report.program}: nothing wrong was found`;
  return `${lines.join("\n")}\n${report.program}: FAILED (${failure.kind}): ${failure.message}\n\n${failure.trace}\n\nreplay: --replay ${failure.schedule}${failure.seed === null ? "" : ` (found with seed ${failure.seed})`}`;
}

export function placeName(parts: readonly SharedPart[], buffer: number, offset: number, size: number): string {
  const part = parts[buffer];
  if (part === undefined) return buffer >= 1000 ? `a buffer of thread ${Math.floor(buffer / 1000) - 1} +${offset}` : "";
  const word = (offset - part.offset) / part.wordBytes;
  if (!Number.isInteger(word) || size < part.wordBytes) return `${part.name}+${offset - part.offset}${size > 1 ? ` (${size} bytes)` : ""}`;
  const count = size / part.wordBytes;
  return count <= 1 ? `${part.name}[${word}]` : `${part.name}[${word}..${word + count - 1}]`;
}

export function describeEvent(event: TraceEvent, parts: readonly SharedPart[]): string {
  const place = placeName(parts, event.buffer, event.offset, event.size);
  const name = KIND_NAMES[event.kind as 1];
  switch (event.kind) {
    case KIND.LOAD: return `${name} ${place} = ${event.before}`;
    case KIND.STORE: return `${name} ${place}: ${event.before} → ${event.after}`;
    case KIND.RMW: return `read-modify-write ${place}: ${event.before} → ${event.after}`;
    case KIND.CAS: return event.writes ? `${name} ${place}: ${event.before} → ${event.after}` : `${name} ${place}: is ${event.before}, not ${event.a}: fails`;
    case KIND.WAIT: case KIND.ASYNC_WAIT: return event.woke === 0 ? `${name} ${place} for ${event.a}: is ${event.before}, goes on` : `${name} ${place} while ${event.a}: sleeps`;
    case KIND.NOTIFY: return `${name} ${place}: wakes ${event.woke === 0 ? "nobody" : members(event.woken).map((thread) => `thread ${thread}`).join(", ")}`;
    case KIND.TIMEOUT: return place === "" ? "its timer fires" : `its time limit passes, asleep on ${place}`;
    case KIND.READ: case KIND.WRITE: return `plain ${name} of ${place}`;
    case KIND.KILL: return "DIES here";
    default: return `an operation ${name}`;
  }
}

/** The schedule in words: a line a step, with where in the code it stands, and a line where the thread changes. */
export function formatTrace(events: readonly TraceEvent[], parts: readonly SharedPart[], sites: ReadonlyMap<number, string>, marks: ReadonlyMap<number, string>): string {
  const words = events.map((event) => describeEvent(event, parts));
  const width = Math.min(72, Math.max(0, ...words.map((text) => text.length)));
  const lines: string[] = [];
  for (const [step, event] of events.entries()) {
    if (step > 0 && events[step - 1]!.thread !== event.thread) lines.push("");
    const site = sites.get(step) ?? "";
    lines.push(`${String(step).padStart(5)}  thread ${event.thread}  ${words[step]!.padEnd(width)}${site === "" ? "" : `  ${site}`}`.trimEnd());
    const mark = marks.get(step);
    if (mark !== undefined) lines.push(`       ^^^^^^^^  ${mark}`);
  }
  return lines.join("\n");
}

function members(mask: number): number[] {
  return Array.from({ length: 9 }, (_, thread) => thread).filter((thread) => (mask & (1 << thread)) !== 0);
}
