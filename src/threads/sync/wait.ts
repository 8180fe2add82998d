/**
 * Sleeping on a word, in both forms. `sleep` blocks its thread (workers); `sleepAsync` does not (the main thread). Both
 * return without a promise about the word: the caller loads it again and decides, so a spurious wake-up does no harm.
 *
 * **Sleepers sleep on sequence words** (event counts): load the sequence, then look at the state, then sleep while the
 * sequence is unchanged. Whoever changes the state adds 1 to the sequence afterwards and notifies, so no change falls
 * between look and sleep, and `wakeAll` (add 1, notify all) makes everybody look again: that is how an abort or a death
 * reaches them.
 *
 * Traps of the platform that are handled here, once:
 * - no signal can fire inside `Atomics.wait`: a shared abort word is read before each sleep and after each wake-up;
 * - an abandoned `Atomics.waitAsync` still swallows a `notify(1)`: one that is given up wakes all who sleep on the
 *   word, itself included, so nothing is left in the queue that could take a notification, and one that it has just
 *   taken is not lost;
 * - a pending `Atomics.waitAsync` does not keep the process alive: a timer does, until it is settled;
 * - a wait cut short by a time limit uses the wait's own limit, so that "timed out" means no wake-up was consumed.
 */
import { LockstepError } from "../../base/index.ts";
import { checkWait, refused } from "./arguments.ts";
import { allocateWords, type Words } from "./words.ts";

/** What a wait asks whether it is to be given up; an `AbortWord` is one. */
export interface AbortCheck {
  /** Throws the abort's reason, with `what` in its message. */
  throwIfAborted(what: string): void;
}

export interface WaitOptions {
  /** Milliseconds to wait at most: 0 to Infinity. @default Infinity */
  readonly timeoutMs?: number;
  /**
   * An `AbortWord`: ends the wait with its reason. Whoever aborts must have bound the object that is waited for
   * (`word.bind(mutex)`), or the sleeper is not woken until something else wakes it.
   */
  readonly abort?: AbortCheck;
}

export interface AsyncWaitOptions extends WaitOptions {
  /** Ends the wait with CANCELLED. */
  readonly signal?: AbortSignal;
}

export type Deadline = number;

/** Throws OPTION_INVALID for options that say nothing that could be waited for. */
export function deadlineOf(options: AsyncWaitOptions): Deadline {
  checkWait(options);
  return options.timeoutMs === undefined ? Infinity : performance.now() + options.timeoutMs;
}

export function cancelled(what: string, signal?: AbortSignal): LockstepError {
  return new LockstepError(
    "CANCELLED",
    `${what} was cancelled`,
    {},
    signal === undefined ? undefined : { cause: signal.reason },
  );
}

export function timedOut(what: string, options: WaitOptions): LockstepError {
  return new LockstepError("TIMEOUT", `${what} took longer than ${options.timeoutMs ?? Infinity} ms`, {
    timeoutMs: options.timeoutMs ?? null,
  });
}

/**
 * Blocks while the word is `expected`, until notified or until the deadline. False: the deadline passed. Throws the
 * abort's reason; a wake-up received together with an abort is passed on to one other sleeper of the same word.
 */
export function sleep(
  words: Words,
  index: number,
  expected: number,
  deadline: Deadline,
  what = "a wait",
  abort?: AbortCheck,
): boolean {
  abort?.throwIfAborted(what);
  const outcome = sleepOnce(words, index, expected, deadline);
  passOnIfAborted(outcome, words, index, what, abort);
  return outcome !== "timed-out";
}

/** The same without blocking. Rejects with CANCELLED when the signal fires first. */
export async function sleepAsync(
  words: Words,
  index: number,
  expected: number,
  deadline: Deadline,
  what: string,
  signal?: AbortSignal,
  abort?: AbortCheck,
): Promise<boolean> {
  abort?.throwIfAborted(what);
  const outcome = await sleepOnceAsync(
    words,
    index,
    expected,
    deadline,
    signal,
    () => void Atomics.notify(words, index),
  );
  if (outcome === "cancelled") throw cancelled(what, signal);
  passOnIfAborted(outcome, words, index, what, abort);
  return outcome !== "timed-out";
}

/**
 * Blocks this thread for so many milliseconds, 0 to Infinity: for what no thread of this process will announce (another
 * process has a file).
 */
export function pause(ms: number): void {
  if (!(typeof ms === "number" && ms >= 0)) throw refused("a pause", "a number of milliseconds, 0 to Infinity", ms);
  Atomics.wait(allocateWords(1), 0, 0, ms);
}

/**
 * "ok": a notification was received. "not-equal": the word had changed, nothing was received. "timed-out": nothing was
 * received.
 */
export type SleepOutcome = "ok" | "not-equal" | "timed-out";

/** One blocking sleep, for primitives in which receiving a wake-up means something. */
export function sleepOnce(words: Words, index: number, expected: number, deadline: Deadline): SleepOutcome {
  if (deadline === Infinity) return Atomics.wait(words, index, expected);
  const remaining = deadline - performance.now();
  return remaining <= 0 ? "timed-out" : Atomics.wait(words, index, expected, remaining);
}

/**
 * The same without blocking. "cancelled": the signal fired first. The abandoned wait stays in the word's queue until
 * something notifies it, so `onCancel` is called while the signal fires, to wake it and to hand on what it may just
 * have received. (Not for a signal that had fired before.)
 */
export async function sleepOnceAsync(
  words: Words,
  index: number,
  expected: number,
  deadline: Deadline,
  signal: AbortSignal | undefined,
  onCancel: () => void,
): Promise<SleepOutcome | "cancelled"> {
  if (signal?.aborted) return "cancelled";
  const remaining = deadline - performance.now();
  if (remaining <= 0) return "timed-out";
  const pending = Atomics.waitAsync(words, index, expected, remaining);
  if (!pending.async) return pending.value;
  const keepAlive = setInterval(() => {}, 2 ** 30);
  try {
    return signal === undefined ? await pending.value : await untilAborted(pending.value, signal, onCancel);
  } finally {
    clearInterval(keepAlive);
  }
}

function untilAborted(
  pending: Promise<"ok" | "timed-out">,
  signal: AbortSignal,
  onCancel: () => void,
): Promise<SleepOutcome | "cancelled"> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      resolve("cancelled");
      onCancel();
    };
    signal.addEventListener("abort", onAbort, { once: true });
    void pending.then((outcome) => {
      signal.removeEventListener("abort", onAbort);
      resolve(outcome); // does nothing if it was cancelled
    });
  });
}

function passOnIfAborted(
  outcome: SleepOutcome,
  words: Words,
  index: number,
  what: string,
  abort: AbortCheck | undefined,
): void {
  if (abort === undefined) return;
  try {
    abort.throwIfAborted(what);
  } catch (thrown) {
    if (outcome === "ok") Atomics.notify(words, index, 1);
    throw thrown;
  }
}
