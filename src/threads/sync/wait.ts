/**
 * Sleeping on a word, in both forms. `sleep` blocks its thread (workers); `sleepAsync` does not (the main thread). Both
 * return without a promise about the word: the caller loads it again and decides, so a spurious wake-up does no harm.
 *
 * Three traps of the platform are handled here, once:
 * - an abandoned `Atomics.waitAsync` still swallows a `notify(1)`: one that is given up passes its wake-up on;
 * - a pending `Atomics.waitAsync` does not keep the process alive: a timer does, until it is settled;
 * - a wait cut short by a time limit uses the wait's own limit, so that "timed out" means no wake-up was consumed.
 */
import { LockstepError } from "../../base/index.ts";
import type { Words } from "./words.ts";

export interface WaitOptions {
  /** Milliseconds to wait at most. @default Infinity */
  readonly timeoutMs?: number;
}

export interface AsyncWaitOptions extends WaitOptions {
  /** Ends the wait with CANCELLED. */
  readonly signal?: AbortSignal;
}

export type Deadline = number;

export function deadlineOf(options: WaitOptions): Deadline {
  return options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
}

export function cancelled(what: string, signal?: AbortSignal): LockstepError {
  return new LockstepError("CANCELLED", `${what} was cancelled`, {}, signal === undefined ? undefined : { cause: signal.reason });
}

export function timedOut(what: string, options: WaitOptions): LockstepError {
  return new LockstepError("TIMEOUT", `${what} took longer than ${options.timeoutMs ?? Infinity} ms`, { timeoutMs: options.timeoutMs ?? null });
}

/** Blocks while the word is `expected`, until notified or until the deadline. False: the deadline passed. */
export function sleep(words: Words, index: number, expected: number, deadline: Deadline): boolean {
  const remaining = deadline - performance.now();
  if (remaining <= 0) return false;
  return Atomics.wait(words, index, expected, remaining) !== "timed-out";
}

/** The same without blocking. Rejects with CANCELLED when the signal fires first. */
export async function sleepAsync(words: Words, index: number, expected: number, deadline: Deadline, what: string, signal?: AbortSignal): Promise<boolean> {
  if (signal?.aborted) throw cancelled(what, signal);
  const remaining = deadline - performance.now();
  if (remaining <= 0) return false;
  const pending = Atomics.waitAsync(words, index, expected, remaining);
  if (!pending.async) return pending.value !== "timed-out";
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    if (signal === undefined) return (await pending.value) !== "timed-out";
    return await untilAborted(pending.value, words, index, what, signal);
  } finally {
    clearInterval(keepAlive);
  }
}

function untilAborted(pending: Promise<"ok" | "timed-out">, words: Words, index: number, what: string, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let abandoned = false;
    const onAbort = (): void => {
      abandoned = true;
      reject(cancelled(what, signal));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    void pending.then((outcome) => {
      signal.removeEventListener("abort", onAbort);
      if (abandoned && outcome === "ok") Atomics.notify(words, index, 1);
      else resolve(outcome !== "timed-out");
    });
  });
}
