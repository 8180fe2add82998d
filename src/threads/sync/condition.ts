/**
 * A condition variable with the room's Mutex: sleep until somebody who changed the protected state says so.
 *
 * Word 0: SIGNALS, a sequence word: each notification adds 1; waiters sleep here. Born zero.
 *
 * wait       inside the mutex: s = SIGNALS; release the mutex; sleep while SIGNALS is s; lock the mutex again, however
 *            the sleep ended
 * notifyOne  SIGNALS += 1, notify one      notifyAll  SIGNALS += 1, notify all (both inside the mutex or outside)
 *
 * No lost wake-up: SIGNALS is read while the mutex is held. Who changes the state under the mutex after that and then
 * notifies changes SIGNALS, so the sleep does not begin, or is in the queue of the word and can be notified.
 * **A wake-up says nothing**: who had read SIGNALS and was about to sleep returns at each notification, and so does
 * everybody after a death or a `wakeAll`. So the state is looked at again in a loop; `waitFor` is that loop.
 * Fairness: `notifyOne` wakes who has slept longest (ECMA-262 §25.4.15: waiters are a queue); what the mutex then
 * promises holds. Giving up: the time limit covers the sleep, not the way back in; the mutex is held again when TIMEOUT
 * or the abort's reason is thrown. A notification that was received and cannot be used (an abort at the same time; the
 * mutex is broken) is passed on. An async wait that is cancelled wakes everybody: what it leaves in the queue would
 * take the next notification, and its thread may have ended by then and pass on nothing. Death: a waiter that is
 * notified and then terminated takes the notification with it, so `threadDied` wakes everybody; they look again. If it
 * died holding the mutex, that is the mutex's matter: waiters get OWNER_DIED on their way back in, and are not inside
 * then.
 * Memory order: the mutex orders the state; SIGNALS only decides who sleeps.
 * Mesa semantics: B. Lampson and D. Redell, "Experience with Processes and Monitors in Mesa" (1980); the event count is
 * D. Reed and R. Kanodia's (1979).
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import type { MutexGuard } from "./guard.ts";
import { Mutex } from "./mutex.ts";
import { callable, refused } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, load, type SyncHandle, type Words } from "./words.ts";

const SIGNALS = 0;
const WHAT = "waiting for a condition";

export type ConditionHandle = SyncHandle<"condition">;

/**
 * The right to be inside a mutex that can be interrupted by waits: the same guard is held again after each `wait`, so
 * it lives in one `using` block. Good for every condition of its mutex.
 */
export class ConditionGuard implements MutexGuard {
  readonly mutex: Mutex;
  #inside: MutexGuard | null;

  /** Takes over a guard of this mutex. */
  constructor(mutex: Mutex, inside: MutexGuard) {
    checkMutex(mutex);
    this.mutex = mutex;
    this.#inside = inside;
  }

  get broken(): boolean {
    return this.#held().broken;
  }

  release(): void {
    const inside = this.#held();
    this.#inside = null;
    inside.release();
  }

  poison(): void {
    const inside = this.#held();
    this.#inside = null;
    inside.poison();
  }

  /** For `Condition`: inside again. */
  reenter(inside: MutexGuard): void {
    this.#inside = inside;
  }

  [Symbol.dispose](): void {
    if (this.#inside !== null) this.release();
  }

  #held(): MutexGuard {
    if (this.#inside === null)
      throw new LockstepError(
        "CONFLICT",
        "the guard of a condition's mutex is not held: it was released, or waits, or could not come back in",
      );
    return this.#inside;
  }
}

export class Condition implements Supervised, Wakeable {
  readonly handle: ConditionHandle;
  readonly mutex: Mutex;
  readonly #words: Words;

  private constructor(handle: ConditionHandle, mutex: Mutex) {
    this.handle = handle;
    this.mutex = mutex;
    this.#words = attachWords(handle, "condition", 1);
  }

  /** Several conditions may belong to one mutex. */
  static create(mutex: Mutex): Condition {
    checkMutex(mutex);
    return new Condition({ kind: "condition", words: allocateWords(1) }, mutex);
  }

  /** `mutex`: the one that it was created with, attached in this thread. */
  static attach(handle: ConditionHandle, mutex: Mutex): Condition {
    checkMutex(mutex);
    return new Condition(handle, mutex);
  }

  /** Locks the mutex, with a guard that can wait. Throws as `mutex.lock` does. */
  lock(options: WaitOptions = {}): ConditionGuard {
    return new ConditionGuard(this.mutex, this.mutex.lock(options));
  }

  async lockAsync(options: AsyncWaitOptions = {}): Promise<ConditionGuard> {
    return new ConditionGuard(this.mutex, await this.mutex.lockAsync(options));
  }

  /**
   * Leaves the mutex, sleeps until notified, and is inside again. Spurious wake-ups happen: look at the state in a
   * loop. Throws TIMEOUT or the abort's reason, inside again; what `mutex.lock` throws, not inside.
   */
  wait(guard: ConditionGuard, options: WaitOptions = {}): void {
    const deadline = deadlineOf(options);
    const seen = this.#leave(guard);
    let inTime: boolean | { readonly thrown: unknown };
    try {
      inTime = sleep(this.#words, SIGNALS, seen, deadline, WHAT, options.abort);
    } catch (thrown) {
      inTime = { thrown };
    }
    try {
      guard.reenter(this.mutex.lock());
    } catch (thrown) {
      if (inTime === true) this.notifyOne();
      throw thrown;
    }
    settleWait(inTime, options);
  }

  /** The same for a thread that must not block. */
  async waitAsync(guard: ConditionGuard, options: AsyncWaitOptions = {}): Promise<void> {
    const deadline = deadlineOf(options);
    const seen = this.#leave(guard);
    let inTime: boolean | { readonly thrown: unknown };
    try {
      inTime = await sleepAsync(this.#words, SIGNALS, seen, deadline, WHAT, options.signal, options.abort);
    } catch (thrown) {
      inTime = { thrown };
    }
    try {
      guard.reenter(await this.mutex.lockAsync());
    } catch (thrown) {
      if (inTime === true) this.notifyOne();
      throw thrown;
    }
    settleWait(inTime, options);
  }

  /**
   * Waits until `predicate`, which is asked inside, is true. The time limit is for the whole; a predicate that is true
   * at its end counts.
   */
  waitFor(guard: ConditionGuard, predicate: () => boolean, options: WaitOptions = {}): void {
    callable("the predicate of a condition", predicate);
    const deadline = deadlineOf(options);
    while (!predicate()) {
      try {
        this.wait(guard, remaining(options, deadline));
      } catch (thrown) {
        if (!isTimeout(thrown)) throw thrown;
        if (predicate()) return;
        throw timedOut(WHAT, options);
      }
    }
  }

  async waitForAsync(guard: ConditionGuard, predicate: () => boolean, options: AsyncWaitOptions = {}): Promise<void> {
    callable("the predicate of a condition", predicate);
    const deadline = deadlineOf(options);
    while (!predicate()) {
      try {
        await this.waitAsync(guard, remaining(options, deadline));
      } catch (thrown) {
        if (!isTimeout(thrown)) throw thrown;
        if (predicate()) return;
        throw timedOut(WHAT, options);
      }
    }
  }

  notifyOne(): void {
    Atomics.add(this.#words, SIGNALS, 1);
    Atomics.notify(this.#words, SIGNALS, 1);
  }

  notifyAll(): void {
    tellAll(this.#words, SIGNALS);
  }

  wakeAll(): void {
    this.notifyAll();
  }

  /** For the supervisor: everybody looks again. False: a condition is not held by anybody. */
  threadDied(_deadThreadId: number): boolean {
    this.notifyAll();
    return false;
  }

  /** Reads SIGNALS inside, then leaves. */
  #leave(guard: ConditionGuard): number {
    if (!(guard instanceof ConditionGuard) || guard.mutex !== this.mutex)
      throw new LockstepError(
        "OPTION_INVALID",
        "a condition was given no guard of its own, or one of another mutex object; lock with this condition, " +
          "or with one that was " +
          "made with the same mutex object",
      );
    const seen = load(this.#words, SIGNALS);
    guard.release();
    return seen;
  }
}

function checkMutex(mutex: unknown): void {
  if (!(mutex instanceof Mutex)) throw refused("the mutex of a condition", "a Mutex", mutex);
}

function settleWait(inTime: boolean | { readonly thrown: unknown }, options: WaitOptions): void {
  if (typeof inTime === "object") throw inTime.thrown;
  if (!inTime) throw timedOut(WHAT, options);
}

function remaining<Options extends WaitOptions>(options: Options, deadline: number): Options {
  return deadline === Infinity ? options : { ...options, timeoutMs: Math.max(0, deadline - performance.now()) };
}

function isTimeout(thrown: unknown): boolean {
  return isLockstepError(thrown) && thrown.code === "TIMEOUT";
}
