/**
 * A mutex whose owner is written by the very compare-and-set that takes it. A thread can be terminated at any instruction,
 * and neither `using` nor `finally` runs then; had it to record itself in a second step, a death between the two
 * would leave a lock that is held by nobody.
 *
 * Word 0: bits 0..28 OWNER (0: none): the thread's `threadId` + 1. Node never gives a threadId twice in a process, so it is
 *                   slot and generation in one: a late message about a dead owner cannot hit its successor
 *         bit 29 BROKEN  its owner died, or gave it up half done: what it protects may be torn
 *         bit 30 WAITERS somebody may sleep here
 *
 * Transitions (all by compare-and-set or exchange of the one word):
 *   FREE → owner                    lock, nobody there
 *   owner → owner|WAITERS           a second thread comes, then sleeps while the word is exactly that
 *   owner[|WAITERS] → FREE          release: exchange, and one wake-up if WAITERS was set
 *   FREE → owner|WAITERS            lock after having slept: others may still sleep, and this release must wake one
 *   owner… → BROKEN                 `threadDied(owner)` by the supervisor, or `guard.poison()`; all are woken
 *   BROKEN → owner                  `lockForRepair` only; `lock` throws WORKER_DIED while it is broken
 * A wake-up given to a thread that then dies is lost, so `threadDied` wakes all sleepers even if the dead one held nothing.
 *
 * Memory order: release is a sequentially consistent write of 0, which the next owner's compare-and-set reads: all that was
 * written inside happens before. Fairness: none is promised (a newcomer may overtake sleepers). Re-locking one's own
 * mutex in the blocking form is an error, not a hang; in the async form the owner is the guard, so a second `lockAsync` of the same
 * thread waits for the first. After U. Drepper, "Futexes Are Tricky" (2011), mutex 3.
 */
import { threadId } from "node:worker_threads";
import { invariant, LockstepError } from "../../base/index.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const OWNER = 0x1fff_ffff;
const BROKEN = 1 << 29;
const WAITERS = 1 << 30;

export type MutexHandle = SyncHandle<"mutex">;

/** The right to be inside. Released once: by `release`, by `poison`, or at the end of a `using` block. */
export interface MutexGuard extends Disposable {
  release(): void;
  /** Releases, but leaves the mutex broken: the next `lock` throws until somebody repairs. */
  poison(): void;
}

export class Mutex {
  readonly handle: MutexHandle;
  readonly #words: Words;
  readonly #self: number;

  private constructor(handle: MutexHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "mutex", 1);
    this.#self = threadId + 1;
    invariant(this.#self <= OWNER, "thread ids are exhausted");
  }

  static create(): Mutex {
    return new Mutex({ kind: "mutex", words: allocateWords(1) });
  }

  static attach(handle: MutexHandle): Mutex {
    return new Mutex(handle);
  }

  /** The threadId of the thread inside, or null. */
  get owner(): number | null {
    const owner = load(this.#words, 0) & OWNER;
    return owner === 0 ? null : owner - 1;
  }

  get broken(): boolean {
    return (load(this.#words, 0) & BROKEN) !== 0;
  }

  /** Takes the mutex only if nobody has it. Throws WORKER_DIED while broken. */
  tryLock(): MutexGuard | null {
    this.#throwIfBroken(load(this.#words, 0));
    return cas(this.#words, 0, 0, this.#self) ? this.#guard() : null;
  }

  /** Blocks until inside. Throws WORKER_DIED while broken, TIMEOUT, or INTERNAL when this thread is inside already. */
  lock(options: WaitOptions = {}): MutexGuard {
    return this.#lockBlocking(options, false);
  }

  /** Like `lock`, and also takes a broken mutex: the caller is to make the protected state whole before it releases. */
  lockForRepair(options: WaitOptions = {}): MutexGuard {
    return this.#lockBlocking(options, true);
  }

  /** The form for a thread that must not block. */
  async lockAsync(options: AsyncWaitOptions = {}): Promise<MutexGuard> {
    const deadline = deadlineOf(options);
    let slept = 0;
    for (;;) {
      const awaited = this.#enter(slept, false);
      if (awaited === null) return this.#guard();
      if (!(await sleepAsync(this.#words, 0, awaited, deadline, "waiting for a mutex", options.signal))) throw timedOut("waiting for a mutex", options);
      slept = WAITERS;
    }
  }

  /** For the supervisor, once a thread has ended: its lock becomes broken, and every sleeper looks again. Never blocks. */
  threadDied(deadThreadId: number): boolean {
    let owned = false;
    for (;;) {
      const word = load(this.#words, 0);
      if ((word & OWNER) !== deadThreadId + 1) break;
      if (!cas(this.#words, 0, word, BROKEN)) continue;
      owned = true;
      break;
    }
    Atomics.notify(this.#words, 0);
    return owned;
  }

  #lockBlocking(options: WaitOptions, repair: boolean): MutexGuard {
    const deadline = deadlineOf(options);
    let slept = 0;
    for (;;) {
      if ((load(this.#words, 0) & OWNER) === this.#self) throw new LockstepError("INTERNAL", "this thread already holds the mutex: waiting for it would never end", { thread: threadId });
      const awaited = this.#enter(slept, repair);
      if (awaited === null) return this.#guard();
      if (!sleep(this.#words, 0, awaited, deadline)) throw timedOut("waiting for a mutex", options);
      slept = WAITERS;
    }
  }

  /** One try. Null: inside. Else the word to sleep on, with WAITERS set in it. `slept`: WAITERS once this caller has slept. */
  #enter(slept: number, repair: boolean): number | null {
    for (;;) {
      const word = load(this.#words, 0);
      if (!repair) this.#throwIfBroken(word);
      if ((word & OWNER) === 0) {
        if (cas(this.#words, 0, word, this.#self | slept | (word & WAITERS))) return null;
        continue;
      }
      if ((word & WAITERS) !== 0 || cas(this.#words, 0, word, word | WAITERS)) return word | WAITERS;
    }
  }

  #throwIfBroken(word: number): void {
    if ((word & BROKEN) === 0) return;
    throw new LockstepError("WORKER_DIED", "the mutex is broken: its owner died or gave up inside; repair what it protects (lockForRepair) or make it anew");
  }

  #guard(): MutexGuard {
    let held = true;
    const leave = (next: number): void => {
      if (!held) throw new LockstepError("INTERNAL", "a mutex guard was released twice");
      held = false;
      const word = Atomics.exchange(this.#words, 0, next);
      if ((word & WAITERS) !== 0) Atomics.notify(this.#words, 0, next === 0 ? 1 : Infinity);
    };
    return {
      release: () => leave(0),
      poison: () => leave(BROKEN),
      [Symbol.dispose]: () => {
        if (held) leave(0);
      },
    };
  }
}
