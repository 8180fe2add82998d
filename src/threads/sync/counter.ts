/**
 * A shared number that many threads add to, and that one may wait for to become zero (work in flight, for instance).
 *
 * Words: 0 VALUE   a signed 32-bit integer
 *        1 EVENTS  changes whenever the value has become zero; waiters sleep here
 *
 * add    VALUE: v → v + n by compare-and-set; on landing on zero EVENTS += 1, wake all. Passing 2^31 − 1 or −2^31 is an
 *        error, never a wrap:
 *        the change is not made
 * wait   read EVENTS; VALUE is zero: done; else sleep while EVENTS is unchanged
 * Waiting is about a moment, and it looks at the value, not at the past: a zero that was left again before the waiter
 * ran is not seen. Memory order: every change is a sequentially consistent read-modify-write, so what a thread wrote
 * before its `add` is visible to who reads its sum. Deaths: what a thread has added stays added, so whoever supervises
 * must know what it owed. One that dies between landing on zero and the wake-up leaves sleepers asleep; `threadDied`
 * wakes all.
 */
import { LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { int32 } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const VALUE = 0,
  EVENTS = 1;
const WHAT = "waiting for a counter to become zero";

export type CounterHandle = SyncHandle<"counter">;

export class Counter implements Supervised, Wakeable {
  readonly handle: CounterHandle;
  readonly #words: Words;

  private constructor(handle: CounterHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "counter", 2);
  }

  static create(initial = 0): Counter {
    int32("the first value of a counter", initial);
    const words = allocateWords(2);
    words[VALUE] = initial;
    return new Counter({ kind: "counter", words });
  }

  static attach(handle: CounterHandle): Counter {
    return new Counter(handle);
  }

  get value(): number {
    return load(this.#words, VALUE);
  }

  /**
   * Adds a whole number and returns the new value. OPTION_INVALID, and no change, if that would not be a 32-bit one.
   */
  add(amount: number): number {
    int32("what is added to a counter", amount);
    for (;;) {
      const before = load(this.#words, VALUE);
      const after = before + amount;
      if ((after | 0) !== after)
        throw new LockstepError(
          "OPTION_INVALID",
          `a counter at ${before} cannot take ${amount}: the result is not a whole number from −2^31 to 2^31 − 1`,
          { before, amount },
        );
      if (!cas(this.#words, VALUE, before, after)) continue;
      if (after === 0) this.wakeAll();
      return after;
    }
  }

  /** Blocks until the value is zero. Throws TIMEOUT or the abort's reason. */
  waitZero(options: WaitOptions = {}): void {
    const deadline = deadlineOf(options);
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.value === 0) return;
      if (!sleep(this.#words, EVENTS, events, deadline, WHAT, options.abort) && this.value !== 0)
        throw timedOut(WHAT, options);
    }
  }

  /** The form for a thread that must not block. */
  async whenZero(options: AsyncWaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options);
    for (;;) {
      const events = load(this.#words, EVENTS);
      if (this.value === 0) return;
      const inTime = await sleepAsync(this.#words, EVENTS, events, deadline, WHAT, options.signal, options.abort);
      if (!inTime && this.value !== 0) throw timedOut(WHAT, options);
    }
  }

  wakeAll(): void {
    tellAll(this.#words, EVENTS);
  }

  /** Wakes all, and changes nothing: a counter is held by nobody. */
  threadDied(): boolean {
    this.wakeAll();
    return false;
  }
}
