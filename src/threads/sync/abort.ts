/**
 * Why a shared wait ended without what it waited for, as a small number that fits into a word, and `AbortWord`: one word
 * that says so to many threads. No `AbortSignal` can fire inside `Atomics.wait`, so blocking code reads a word instead.
 *
 * AbortWord, state machine (word 0):
 *   0 live ── abort(reason) ──▶ 1..4 the reason (final: the first reason wins, by compare-and-set)
 * Aborting also aborts every primitive bound to it in the same thread (`bind`), since a waiter sleeps on its
 * primitive's own word, and only a change of that word wakes it without a gap between check and sleep.
 * Memory order: what was written before `abort` is visible to whoever sees the reason (both are sequentially consistent).
 */
import { LockstepError, type ErrorCode } from "../../base/index.ts";
import { deadlineOf, sleepAsync, timedOut, type AsyncWaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

/** Position + 1 is the number in the word. */
export const ABORT_REASONS = ["CANCELLED", "WORKER_DIED", "TIMEOUT", "INTERNAL"] as const satisfies readonly ErrorCode[];
export type AbortReason = (typeof ABORT_REASONS)[number];

export function reasonNumber(reason: AbortReason): number {
  return ABORT_REASONS.indexOf(reason) + 1;
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

export type AbortHandle = SyncHandle<"abort">;

export class AbortWord implements Abortable {
  readonly handle: AbortHandle;
  readonly #words: Words;
  readonly #bound: Abortable[] = [];

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

  /** From now on `abort` in this thread also aborts these; at once, if it was aborted already. */
  bind(...targets: readonly Abortable[]): this {
    this.#bound.push(...targets);
    const reason = this.reason;
    if (reason !== null) for (const target of targets) target.abort(reason);
    return this;
  }

  abort(reason: AbortReason = "CANCELLED"): boolean {
    const first = cas(this.#words, 0, 0, reasonNumber(reason));
    if (first) Atomics.notify(this.#words, 0);
    const decided = this.reason ?? reason;
    for (const target of this.#bound) target.abort(decided);
    return first;
  }

  throwIfAborted(what: string): void {
    const reason = this.reason;
    if (reason !== null) throw abortError(reason, what);
  }

  /** Aborts when the signal does. Returns a function that stops following. */
  follow(signal: AbortSignal): () => void {
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
      if (!(await sleepAsync(this.#words, 0, 0, deadline, "waiting for an abort", options.signal))) throw timedOut("waiting for an abort", options);
    }
  }
}
