/**
 * What a caller gives, checked before anything is changed. Whatever is refused here is OPTION_INVALID, and the message
 * says what it was, what it may be and what was given; so no number reaches `Atomics`, which would make a 0 of what is
 * none.
 */
import { LockstepError } from "../../base/index.ts";

const INT32_LEAST = -(2 ** 31);
const INT32_MOST = 2 ** 31 - 1;
/** Thread ids + 1 have 23 bits in the words of this room. */
const MOST_THREADS = 2 ** 23 - 2;

/** A whole number from `least` to `most`. `what`: "maxBarges of a mutex". */
export function whole(what: string, value: unknown, least: number, most: number): number {
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number;
  throw refused(what, `a whole number from ${named(least)} to ${named(most)}`, value);
}

export function int32(what: string, value: unknown): number {
  return whole(what, value, INT32_LEAST, INT32_MOST);
}

/** Id of a thread that has ended; the id of a `Worker` is −1 by then, so it has to be kept. */
export function checkedThreadId(value: unknown): number {
  return whole(
    "the id of a thread that has died (a Worker's threadId, kept from before its end)",
    value,
    0,
    MOST_THREADS,
  );
}

export function oneOf<T extends string>(what: string, value: unknown, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw refused(what, `one of ${choices.map((choice) => `"${choice}"`).join(", ")}`, value);
}

/** True or false; `undefined` is the default. */
export function flag(what: string, value: unknown, byDefault: boolean): boolean {
  if (value === undefined) return byDefault;
  if (typeof value === "boolean") return value;
  throw refused(what, "true or false", value);
}

export function callable(what: string, value: unknown): void {
  if (typeof value !== "function") throw refused(what, "a function", value);
}

/** The options of `create`: an object, in which nothing is unknown. `what`: "a mutex". */
export function options(what: string, given: unknown, names: readonly string[]): void {
  if (typeof given !== "object" || given === null) throw refused(`the options of ${what}`, "an object", given);
  const unknown = Object.keys(given).find((name) => !names.includes(name));
  if (unknown !== undefined) throw refused(`an option of ${what}`, `one of ${names.join(", ")}`, unknown);
}

/** What limits a wait: see `WaitOptions` and `AsyncWaitOptions` (wait.ts). */
export function checkWait(given: {
  readonly timeoutMs?: unknown;
  readonly abort?: unknown;
  readonly signal?: unknown;
}): void {
  if (typeof given !== "object" || given === null)
    throw refused("the options of a wait", "an object such as { timeoutMs: 100 }", given);
  const { timeoutMs, abort, signal } = given;
  if (timeoutMs !== undefined && !(typeof timeoutMs === "number" && timeoutMs >= 0))
    throw refused("timeoutMs of a wait", "a number of milliseconds, 0 to Infinity", timeoutMs);
  if (abort !== undefined && !isAbortWord(abort))
    throw refused("abort of a wait", "an AbortWord (a signal cannot fire while a thread blocks)", abort);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw refused("signal of a wait", "an AbortSignal", signal);
}

/** A signal has the method too; no thread that blocks would ever hear of it. */
function isAbortWord(value: unknown): boolean {
  return (
    typeof (value as { throwIfAborted?: unknown } | null)?.throwIfAborted === "function" &&
    !(value instanceof AbortSignal)
  );
}

export function refused(what: string, range: string, value: unknown): LockstepError {
  return new LockstepError("OPTION_INVALID", `${what} is ${range}, not ${shown(value)}`, { what, range });
}

function named(bound: number): string {
  if (bound === INT32_MOST) return "2^31 − 1";
  if (bound === INT32_LEAST) return "−2^31";
  const power = Math.log2(bound);
  return bound > 4096 && Number.isInteger(power) ? `2^${power}` : String(bound);
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "bigint") return `${value}n`;
  return ArrayBuffer.isView(value) ? value.constructor.name : typeof value;
}
