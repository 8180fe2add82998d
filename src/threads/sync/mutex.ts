/**
 * A mutex between threads: one at a time is inside. Its owner is known by the very operation that takes it, so a death
 * is noticed; it is fair by a number; lock orders that could deadlock are refused, circles of waits reported (held.ts).
 * Words, states, transitions, what makes it right and who it is after: mutex-state.ts.
 *
 * Who initializes: `create`, before the handle exists. Death: of the owner: the next taker gets OWNER_DIED and decides,
 * to repair or to make anew; of a waiter: nothing is lost. Both once `threadDied` has been called (supervisor.ts). A
 * thread that dies while it lets go, or while it passes the mutex on having given up, counts as the owner too.
 * Fairness: **once a waiter is next, at most K newcomers overtake it** (`maxBarges`); the queue is first in, first out.
 */
import { threadId } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { checkedThreadId, checkWait, callable, flag, options as checkOptions, whole } from "./arguments.ts";
import { Guard, type Exit, type MutexGuard } from "./guard.ts";
import {
  acquired,
  acquiring,
  acquiringAsync,
  attachLock,
  createLockRef,
  describeLock,
  released,
  waiting,
  withContext,
  type Lock,
} from "./held.ts";
import type { LockRef } from "./lock-domain.ts";
import { LIMIT, MAX_BARGES, MutexState } from "./mutex-state.ts";
import { isOwnerDied, type Supervised } from "./owner-died.ts";
import { deadlineOf, sleepOnce, sleepOnceAsync, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, type SyncHandle, type Words } from "./words.ts";

export interface MutexOptions {
  /** What messages call it. @default its number */
  readonly name?: string;
  /**
   * K: how many newcomers may overtake the waiter that is next, 1 to 31. More is faster under contention, fewer is
   * fairer. @default 31
   */
  readonly maxBarges?: number;
  /**
   * Whether a lock order that could deadlock is refused. False for locks whose order something else guarantees (an
   * array of them, taken by index); an actual circle of waits is reported all the same. @default true
   */
  readonly checkOrder?: boolean;
}

export interface MutexHandle extends SyncHandle<"mutex"> {
  readonly lock: LockRef;
}

export class Mutex implements Supervised, Wakeable {
  readonly handle: MutexHandle;
  readonly #words: Words;
  readonly #state: MutexState;
  readonly #lock: Lock;
  readonly #exit: Exit;
  /** Asynchronous waits of this object. */
  #asyncWaits = 0;

  private constructor(handle: MutexHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "mutex", 4);
    const lock = attachLock("mutex", handle.lock);
    const state = new MutexState(this.#words, () => describeLock(lock));
    this.#lock = lock;
    this.#state = state;
    this.#exit = {
      release: () => {
        released(lock);
        state.release();
      },
      poison: () => {
        released(lock);
        state.poison();
      },
    };
  }

  /** Throws OPTION_INVALID. */
  static create(options: MutexOptions = {}): Mutex {
    checkOptions("a mutex", options, ["name", "maxBarges", "checkOrder"]);
    const maxBarges = whole("maxBarges of a mutex", options.maxBarges ?? MAX_BARGES, 1, MAX_BARGES);
    const ordered = flag("checkOrder of a mutex", options.checkOrder, true);
    const words = allocateWords(4);
    words[LIMIT] = maxBarges;
    return new Mutex({ kind: "mutex", words, lock: createLockRef(options.name, ordered) });
  }

  static attach(handle: MutexHandle): Mutex {
    return new Mutex(handle);
  }

  /** The threadId of the thread inside, or null. */
  get owner(): number | null {
    return this.#state.owner;
  }

  get broken(): boolean {
    return this.#state.broken;
  }

  /**
   * Takes the mutex only if it can be had at once; null otherwise, also where this thread has it already. Throws
   * OWNER_DIED while broken.
   */
  tryLock(): MutexGuard | null {
    return this.#state.take() ? this.#guard() : null;
  }

  /**
   * Blocks until inside. Throws OWNER_DIED while broken, TIMEOUT, the abort's reason, LOCK_ORDER if the opposite order
   * of locks was seen before, and DEADLOCK if the wait would never end: this thread is inside already, or threads wait
   * for each other in a circle.
   */
  lock(options: WaitOptions = {}): MutexGuard {
    checkWait(options);
    this.#state.throwIfStopped(options);
    acquiring(this.#lock);
    if (!this.#state.takeFree()) this.#block(options);
    return this.#guard();
  }

  /** Like `lock`, and also takes a broken mutex: if `guard.broken`, make whole what it protects before you release. */
  lockForRepair(options: WaitOptions = {}): MutexGuard {
    checkWait(options);
    for (;;) {
      if (this.#state.takeBroken()) return this.#guard(true);
      try {
        return this.lock(options);
      } catch (thrown) {
        if (!isOwnerDied(thrown)) throw thrown;
      }
    }
  }

  /**
   * The form for a thread that must not block. The owner is the guard: a second `lockAsync` of the same thread waits
   * for the first. A guard has no async context of its own (setting one would leak into the caller's siblings), so an
   * order of locks and a re-lock are noticed only inside `withLock`. Besides what `lock` throws: CANCELLED.
   */
  async lockAsync(options: AsyncWaitOptions = {}): Promise<MutexGuard> {
    checkWait(options);
    this.#state.throwIfStopped(options);
    acquiringAsync(this.#lock);
    if (!this.#state.takeFree()) await this.#waitAsync(options);
    return this.#guard();
  }

  async lockForRepairAsync(options: AsyncWaitOptions = {}): Promise<MutexGuard> {
    checkWait(options);
    for (;;) {
      if (this.#state.takeBroken()) return this.#guard(true);
      try {
        return await this.lockAsync(options);
      } catch (thrown) {
        if (!isOwnerDied(thrown)) throw thrown;
      }
    }
  }

  /**
   * Runs `fn` inside, and releases when it has settled, either way; `fn` may poison or release the guard itself. What
   * it calls, and what that awaits, counts as inside: asking for this mutex again there throws DEADLOCK, for other
   * locks in a known opposite order LOCK_ORDER.
   */
  async withLock<T>(fn: (guard: MutexGuard) => T | Promise<T>, options: AsyncWaitOptions = {}): Promise<T> {
    callable("what runs inside a mutex", fn);
    using guard = await this.lockAsync(options);
    return await withContext(this.#lock, () => fn(guard));
  }

  /**
   * For the supervisor, once a thread has ended: its mutex becomes broken, and every sleeper looks again. Never blocks.
   */
  threadDied(deadThreadId: number): boolean {
    const owned = this.#state.threadDied(checkedThreadId(deadThreadId));
    this.#lock.domain.threadDied(deadThreadId);
    return owned;
  }

  wakeAll(): void {
    this.#state.wakeAll();
  }

  #guard(broken = false): MutexGuard {
    acquired(this.#lock);
    return new Guard(this.#exit, broken);
  }

  #block(options: WaitOptions): void {
    const deadline = deadlineOf(options);
    const limited = deadline !== Infinity || options.abort !== undefined;
    waiting(this.#lock, limited, () => {
      const acquisition = this.#state.acquire(options);
      for (let step = acquisition.next(); step.done !== true;) {
        const { index, expected } = step.value;
        if (!limited) this.#refuseToWaitForThisThread();
        step = acquisition.next(sleepOnce(this.#words, index, expected, deadline));
      }
    });
  }

  async #waitAsync(options: AsyncWaitOptions): Promise<void> {
    const deadline = deadlineOf(options);
    const acquisition = this.#state.acquire(options);
    for (let step = acquisition.next(); step.done !== true;) {
      const { index, expected } = step.value;
      this.#asyncWaits++;
      const outcome = await sleepOnceAsync(this.#words, index, expected, deadline, options.signal, () => {
        this.#asyncWaits--;
        this.#state.cancel(index);
      });
      if (outcome !== "cancelled") this.#asyncWaits--;
      step = acquisition.next(outcome);
    }
  }

  #refuseToWaitForThisThread(): void {
    const inside = this.owner === threadId;
    if (!inside && this.#asyncWaits === 0) return;
    const why = inside
      ? "this thread is inside already"
      : "an asynchronous wait of this thread comes first in the queue, and cannot go on while the thread blocks";
    throw new LockstepError(
      "DEADLOCK",
      `${describeLock(this.#lock)} would never be had: ${why}; release first, use lockAsync, or set a time limit`,
      { lock: describeLock(this.#lock), thread: threadId },
    );
  }
}
