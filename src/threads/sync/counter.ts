/**
 * A shared number that many threads add to, and that one may wait for to become zero (work in flight, for instance).
 *
 * Word 0: the value, a signed 32-bit integer. Every change is one atomic read-modify-write; a step that lands on zero wakes all
 * waiters. Passing 2^31 − 1 or −2^31 is an error, never a wrap: the change is undone by not being made (compare-and-set).
 * `whenZero` is about a moment: the value may have left zero again when the waiter runs.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

export type CounterHandle = SyncHandle<"counter">;

export class Counter {
  readonly handle: CounterHandle;
  readonly #words: Words;

  private constructor(handle: CounterHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "counter", 1);
  }

  static create(initial = 0): Counter {
    invariant((initial | 0) === initial, `a counter starts from a 32-bit integer, not ${initial}`);
    const words = allocateWords(1);
    words[0] = initial;
    return new Counter({ kind: "counter", words });
  }

  static attach(handle: CounterHandle): Counter {
    return new Counter(handle);
  }

  get value(): number {
    return load(this.#words, 0);
  }

  /** Adds and returns the new value. */
  add(amount: number): number {
    for (;;) {
      const before = load(this.#words, 0);
      const after = before + amount;
      if ((after | 0) !== after) throw new LockstepError("INTERNAL", `a counter at ${before} cannot take ${amount}: the result is not a 32-bit integer`, { before, amount });
      if (!cas(this.#words, 0, before, after)) continue;
      if (after === 0) Atomics.notify(this.#words, 0);
      return after;
    }
  }

  /** Blocks until the value is zero. */
  waitZero(options: WaitOptions = {}): void {
    const deadline = deadlineOf(options);
    for (let value = this.value; value !== 0; value = this.value) {
      if (!sleep(this.#words, 0, value, deadline) && this.value !== 0) throw timedOut("waiting for a counter to become zero", options);
    }
  }

  async whenZero(options: AsyncWaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options);
    for (let value = this.value; value !== 0; value = this.value) {
      const inTime = await sleepAsync(this.#words, 0, value, deadline, "waiting for a counter to become zero", options.signal);
      if (!inTime && this.value !== 0) throw timedOut("waiting for a counter to become zero", options);
    }
  }
}
