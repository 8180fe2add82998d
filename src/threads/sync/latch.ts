/**
 * A latch: opens once, after `count` events, and stays open.
 *
 * Word 0: n > 0 events are missing ── countDown ──▶ n − 1 ; 0 open (final) ; −r aborted with reason r (final)
 * `countDown` and `abort` are compare-and-sets from a positive value, so exactly one of the two final states is reached.
 * A waiter sleeps on the value it saw. Values between need no wake-up: only the step into a final state notifies, and
 * who sleeps on an older value is in the word's queue all the same.
 * Memory order: each event's compare-and-set is sequentially consistent; what its thread wrote before is visible after `wait`.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { abortError, reasonNumber, reasonOf, type Abortable, type AbortReason } from "./abort.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

export type LatchHandle = SyncHandle<"latch">;

export class Latch implements Abortable {
  readonly handle: LatchHandle;
  readonly #words: Words;

  private constructor(handle: LatchHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "latch", 1);
  }

  static create(count: number): Latch {
    invariant(Number.isSafeInteger(count) && count >= 0 && count < 2 ** 31, `a latch counts from 0 to 2^31 − 1, not ${count}`);
    const words = allocateWords(1);
    words[0] = count;
    return new Latch({ kind: "latch", words });
  }

  static attach(handle: LatchHandle): Latch {
    return new Latch(handle);
  }

  get open(): boolean {
    return load(this.#words, 0) === 0;
  }

  /** Reports one event. After an abort it does nothing; on an open latch it is an error. */
  countDown(): void {
    for (;;) {
      const missing = load(this.#words, 0);
      if (missing < 0) return;
      if (missing === 0) throw new LockstepError("INTERNAL", "a latch was counted down more often than it was made for");
      if (!cas(this.#words, 0, missing, missing - 1)) continue;
      if (missing === 1) Atomics.notify(this.#words, 0);
      return;
    }
  }

  abort(reason: AbortReason): boolean {
    for (;;) {
      const missing = load(this.#words, 0);
      if (missing <= 0) return false;
      if (!cas(this.#words, 0, missing, -reasonNumber(reason))) continue;
      Atomics.notify(this.#words, 0);
      return true;
    }
  }

  /** Blocks until open. Throws the abort's reason, or TIMEOUT for this waiter only. */
  wait(options: WaitOptions = {}): void {
    const deadline = deadlineOf(options);
    for (let missing = this.#missing(); missing > 0; missing = this.#missing()) {
      if (!sleep(this.#words, 0, missing, deadline) && this.#missing() > 0) throw timedOut("waiting for a latch", options);
    }
  }

  async waitAsync(options: AsyncWaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options);
    for (let missing = this.#missing(); missing > 0; missing = this.#missing()) {
      const inTime = await sleepAsync(this.#words, 0, missing, deadline, "waiting for a latch", options.signal);
      if (!inTime && this.#missing() > 0) throw timedOut("waiting for a latch", options);
    }
  }

  #missing(): number {
    const missing = load(this.#words, 0);
    const reason = missing < 0 ? reasonOf(-missing) : null;
    if (reason !== null) throw abortError(reason, "waiting for a latch");
    return missing;
  }
}
