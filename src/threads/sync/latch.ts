/**
 * A latch: opens once, after `count` events, and stays open.
 *
 * Words: 0 MISSING  n > 0 events are missing ── countDown ──▶ n − 1 ; 0 open (final) ; −r aborted with reason r (final)
 *        1 EVENTS   changes when a final state has been reached; waiters sleep here
 * `countDown` and `abort` are compare-and-sets from a positive value, so exactly one of the two final states is
 * reached. Then EVENTS += 1, wake all. A waiter reads EVENTS, looks at MISSING, and sleeps while EVENTS is unchanged;
 * values between need no wake-up. Memory order: each event's compare-and-set is sequentially consistent; what its
 * thread wrote before is visible after `wait`. Deaths: an event that a dead thread owed will never come, and the latch
 * cannot know who owes one. So `threadDied` aborts it with WORKER_DIED, if it is not open: give a supervisor only
 * latches in which every thread that it supervises has a part. A waiter's death leaves nothing.
 */
import { LockstepError } from "../../base/index.ts";
import { abortError, reasonNumber, reasonOf, type Abortable, type AbortReason, type Wakeable } from "./abort.ts";
import { whole } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const MISSING = 0,
  EVENTS = 1;
const WHAT = "waiting for a latch";

export type LatchHandle = SyncHandle<"latch">;

export class Latch implements Abortable, Supervised, Wakeable {
  readonly handle: LatchHandle;
  readonly #words: Words;

  private constructor(handle: LatchHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "latch", 2);
  }

  /** `count`: 0 to 2^31 − 1. */
  static create(count: number): Latch {
    whole("the count of a latch", count, 0, 2 ** 31 - 1);
    const words = allocateWords(2);
    words[MISSING] = count;
    return new Latch({ kind: "latch", words });
  }

  static attach(handle: LatchHandle): Latch {
    return new Latch(handle);
  }

  get open(): boolean {
    return load(this.#words, MISSING) === 0;
  }

  /** Reports one event. After an abort it does nothing; on an open latch it is an error. */
  countDown(): void {
    for (;;) {
      const missing = load(this.#words, MISSING);
      if (missing < 0) return;
      if (missing === 0)
        throw new LockstepError("CONFLICT", "a latch was counted down more often than it was made for");
      if (!cas(this.#words, MISSING, missing, missing - 1)) continue;
      if (missing === 1) this.wakeAll();
      return;
    }
  }

  abort(reason: AbortReason): boolean {
    const number = reasonNumber(reason);
    for (;;) {
      const missing = load(this.#words, MISSING);
      if (missing <= 0) return false;
      if (!cas(this.#words, MISSING, missing, -number)) continue;
      this.wakeAll();
      return true;
    }
  }

  /**
   * Blocks until open. Throws the latch's abort reason; or, for this waiter only, TIMEOUT or the reason of its own
   * abort word.
   */
  wait(options: WaitOptions = {}): void {
    const deadline = deadlineOf(options);
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#isOpen()) return;
      if (!sleep(this.#words, EVENTS, events, deadline, WHAT, options.abort) && !this.#isOpen())
        throw timedOut(WHAT, options);
    }
  }

  /** The form for a thread that must not block. */
  async waitAsync(options: AsyncWaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options);
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.#isOpen()) return;
      const inTime = await sleepAsync(this.#words, EVENTS, events, deadline, WHAT, options.signal, options.abort);
      if (!inTime && !this.#isOpen()) throw timedOut(WHAT, options);
    }
  }

  wakeAll(): void {
    tellAll(this.#words, EVENTS);
  }

  /** Aborts with WORKER_DIED. True unless the latch had reached a final state. */
  threadDied(): boolean {
    const aborted = this.abort("WORKER_DIED");
    this.wakeAll();
    return aborted;
  }

  #isOpen(): boolean {
    const missing = load(this.#words, MISSING);
    const reason = reasonOf(-missing); // null where it is not below 0
    if (reason !== null) throw abortError(reason, WHAT);
    return missing === 0;
  }
}
