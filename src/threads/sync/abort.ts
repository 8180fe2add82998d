/**
 * Why a shared wait ended without what it waited for, as a small number that fits into a word, and `AbortWord`: one
 * word that says so to many threads. No `AbortSignal` can fire inside `Atomics.wait`, so blocking code reads a word
 * instead.
 *
 * AbortWord, state machine (word 0):
 *   0 live ── abort(reason) ──▶ 1..4 the reason (final: the first reason wins, by compare-and-set)
 * A waiter sleeps on its primitive's own word, and only a change of that word wakes it without a gap between check and
 * sleep. So `abort` also reaches what is bound to the word in the same thread (`bind`):
 * - an `Abortable` (barrier, latch) is aborted itself, for everybody;
 * - a `Wakeable` (mutex, semaphore, channel …) is only woken: its sleepers all look again, who waits with this word
 *   leaves, the others sleep on. Memory order: what was written before `abort` is visible to whoever sees the reason
 *   (both are sequentially consistent).
 */
import { LockstepError, type ErrorCode } from "../../base/index.ts";
import { oneOf, refused } from "./arguments.ts";
import { deadlineOf, sleepAsync, timedOut, type AbortCheck, type AsyncWaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

/** Position + 1 is the number in the word. */
export const ABORT_REASONS = [
  "CANCELLED",
  "WORKER_DIED",
  "TIMEOUT",
  "INTERNAL",
] as const satisfies readonly ErrorCode[];
export type AbortReason = (typeof ABORT_REASONS)[number];

export function reasonNumber(reason: AbortReason): number {
  return ABORT_REASONS.indexOf(oneOf("the reason of an abort", reason, ABORT_REASONS)) + 1;
}

export function reasonOf(number: number): AbortReason | null {
  return ABORT_REASONS[number - 1] ?? null;
}

const SENTENCES: Readonly<Record<AbortReason, string>> = {
  CANCELLED: "the work was cancelled",
  WORKER_DIED: "a thread that takes part has died",
  TIMEOUT: "a thread that takes part did not arrive in time",
  INTERNAL: "a thread that takes part has failed",
};

export function abortError(reason: AbortReason, what: string): LockstepError {
  return new LockstepError(reason, `${what} was given up: ${SENTENCES[reason]}`, { waitedFor: what });
}

/** What can be told to give up: every waiter wakes and throws the reason. True when this call decided it. */
export interface Abortable {
  abort(reason: AbortReason): boolean;
}

/**
 * What can make all its sleepers look again: adds 1 to its sequence words and notifies all. Any thread may call it at
 * any time; nothing is lost.
 */
export interface Wakeable {
  wakeAll(): void;
}

export type AbortHandle = SyncHandle<"abort">;

export class AbortWord implements Abortable, AbortCheck {
  readonly handle: AbortHandle;
  readonly #words: Words;
  readonly #bound: (Abortable | Wakeable)[] = [];

  private constructor(handle: AbortHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "abort", 1);
  }

  static create(): AbortWord {
    return new AbortWord({ kind: "abort", words: allocateWords(1) });
  }

  static attach(handle: AbortHandle): AbortWord {
    return new AbortWord(handle);
  }

  get reason(): AbortReason | null {
    return reasonOf(load(this.#words, 0));
  }

  /**
   * From now on `abort` in this thread also aborts these, or wakes them if they cannot be aborted; at once, if it was
   * aborted already. Bind in the thread that will call `abort`: what another thread has bound is not known here.
   */
  bind(...targets: readonly (Abortable | Wakeable)[]): this {
    for (const target of targets)
      if (!reachable(target)) throw refused("what is bound to an AbortWord", TARGETS, target);
    this.#bound.push(...targets);
    const reason = this.reason;
    if (reason !== null) for (const target of targets) reach(target, reason);
    return this;
  }

  abort(reason: AbortReason = "CANCELLED"): boolean {
    const first = cas(this.#words, 0, 0, reasonNumber(reason));
    if (first) Atomics.notify(this.#words, 0);
    const decided = this.reason ?? reason;
    for (const target of this.#bound) reach(target, decided);
    return first;
  }

  throwIfAborted(what: string): void {
    const reason = this.reason;
    if (reason !== null) throw abortError(reason, what);
  }

  /** Aborts when the signal does. Returns a function that stops following. */
  follow(signal: AbortSignal): () => void {
    if (!(signal instanceof AbortSignal)) throw refused("what an AbortWord follows", "an AbortSignal", signal);
    const onAbort = (): void => void this.abort("CANCELLED");
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    return () => signal.removeEventListener("abort", onAbort);
  }

  /** Resolves with the reason once there is one; for the thread that supervises. */
  async whenAborted(options: AsyncWaitOptions = {}): Promise<AbortReason> {
    const deadline = deadlineOf(options);
    for (;;) {
      const reason = this.reason;
      if (reason !== null) return reason;
      if (!(await sleepAsync(this.#words, 0, 0, deadline, "waiting for an abort", options.signal)))
        throw timedOut("waiting for an abort", options);
    }
  }
}

const TARGETS = "an object of this room that can be aborted or woken";

function reachable(target: unknown): boolean {
  return typeof target === "object" && target !== null && ("abort" in target || "wakeAll" in target);
}

function reach(target: Abortable | Wakeable, reason: AbortReason): void {
  if ("abort" in target) target.abort(reason);
  else target.wakeAll();
}
