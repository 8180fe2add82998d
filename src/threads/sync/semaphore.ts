/**
 * A counting semaphore: `permits` of them, taken one or several at a time, first come first served.
 *
 * Words: 0 TURN, 1 TICKETS  the line of takers (turn.ts): only the one whose turn it is takes permits, and keeps the
 *                           turn until it has them
 *        2 PERMITS          constant, stored before the handle exists
 *        3 HIGH             of the table of records (slots.ts), one for each acquisition
 * States of a record: ASIDE, QUEUED (turn.ts) · HELD, its VALUE permits are taken. There is no count of free permits:
 * it is PERMITS minus the VALUEs of all HELD records. A count that a dead thread may or may not have changed could not
 * be put right; a record can simply be cleared.
 *
 * acquire   VALUE = n; take, or queue and reach, the turn. While fewer than n are free: sleep on the record's WAKE,
 *           read before the count. Then
 *           record = HELD, leave the turn, settle
 * release   record = 0, then look at TURN: wake its owner, who waits for permits
 *
 * Never more than PERMITS: only the owner of the turn makes a record HELD, so while it counts, others can only
 * disappear: it counts too many taken, or just as many, never too few. (VALUE of a record that was given up and claimed
 * anew during the count is at least 1, and its new holder is not HELD.) No lost wake-up: a release that the count did
 * not see has yet to look at TURN, finds the owner and changes its WAKE. Memory order: release writes the record that
 * the next taker's count reads. Fairness: FIFO, **0** overtakes once a taker sleeps, whatever the amounts: a large one
 * is not starved by small ones, and they wait behind it.
 *
 * Death at any instruction (`threadDied`): exact. Permits that the dead thread held come back, and what waited is taken
 * out of the line. There is no OWNER_DIED: a semaphore limits how many, it does not protect a state of its own.
 * After E. W. Dijkstra, "Cooperating Sequential Processes" (1965); PV-chunk form with a strict queue.
 */
import { LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { callable, checkedThreadId, checkWait, options as checkOptions, whole } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { checkedCapacity, DEFAULT_CAPACITY, MAX_CAPACITY, Slots, wordsFor } from "./slots.ts";
import { ASIDE, OWNER, QUEUED, Turn, waitAsync, waitBlocking, type Waiting } from "./turn.ts";
import type { AsyncWaitOptions, WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, load, type SyncHandle, type Words } from "./words.ts";

const PERMITS = 2;
const HIGH = 3;
const HELD = 2;

export interface SemaphoreOptions {
  /**
   * Holders and waiters at once, 1 to 1023; beyond: OVERLOADED. @default 64 more than there are permits, at most 1023
   */
  readonly capacity?: number;
}

export type SemaphoreHandle = SyncHandle<"semaphore">;

/** Permits taken. Given back once: by `release` or at the end of a `using` block. */
export interface SemaphoreGuard extends Disposable {
  readonly permits: number;
  release(): void;
}

export class Semaphore implements Supervised, Wakeable {
  readonly handle: SemaphoreHandle;
  readonly #words: Words;
  readonly #slots: Slots;
  readonly #turn: Turn;

  private constructor(handle: SemaphoreHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "semaphore", wordsFor(1));
    this.#slots = new Slots(this.#words, HIGH, "semaphore");
    this.#turn = new Turn(this.#words, this.#slots);
  }

  /** `permits`: 1 to 2^30. */
  static create(permits: number, options: SemaphoreOptions = {}): Semaphore {
    checkOptions("a semaphore", options, ["capacity"]);
    whole("the number of a semaphore's permits", permits, 1, 2 ** 30);
    const capacity = checkedCapacity(
      options.capacity ?? Math.min(permits + DEFAULT_CAPACITY, MAX_CAPACITY),
      "semaphore",
    );
    const words = allocateWords(wordsFor(capacity));
    words[PERMITS] = permits;
    return new Semaphore({ kind: "semaphore", words });
  }

  static attach(handle: SemaphoreHandle): Semaphore {
    return new Semaphore(handle);
  }

  get permits(): number {
    return load(this.#words, PERMITS);
  }

  /** Permits that nobody holds at this moment. */
  get available(): number {
    let taken = 0;
    for (let slot = 0, high = this.#slots.high; slot < high; slot++)
      if (this.#slots.state(slot) === HELD) taken += this.#slots.value(slot);
    return Math.max(0, this.permits - taken);
  }

  /**
   * Blocks until `permits` are taken, all at once. Throws TIMEOUT, the abort's reason, OPTION_INVALID for more than
   * there are, OVERLOADED, DEADLOCK where only this thread could give back what it waits for.
   */
  acquire(permits = 1, options: WaitOptions = {}): SemaphoreGuard {
    checkWait(options);
    const slot = this.#claim(permits);
    if (this.#turn.take(slot)) {
      if (this.available >= permits) return this.#taken(slot, permits);
    } else this.#turn.queue(slot);
    waitBlocking(this.#words, this.#waiting(slot, permits), options, () => this.#refuseOwnWay(slot, permits));
    return this.#guard(slot, permits);
  }

  /** The same for a thread that must not block. */
  async acquireAsync(permits = 1, options: AsyncWaitOptions = {}): Promise<SemaphoreGuard> {
    checkWait(options);
    const slot = this.#claim(permits);
    if (!this.#turn.take(slot)) this.#turn.queue(slot);
    await waitAsync(this.#words, this.#waiting(slot, permits), options);
    return this.#guard(slot, permits);
  }

  /** Null if fewer are free, or others are taking or waiting. */
  tryAcquire(permits = 1): SemaphoreGuard | null {
    const slot = this.#claim(permits);
    if (this.#turn.take(slot) && this.available >= permits) return this.#taken(slot, permits);
    this.#giveUp(slot);
    return null;
  }

  /** Runs `work` with permits taken and gives them back when it has settled. */
  async withPermits<T>(permits: number, work: () => T | Promise<T>, options: AsyncWaitOptions = {}): Promise<T> {
    callable("what runs with permits of a semaphore", work);
    using _guard = await this.acquireAsync(permits, options);
    return await work();
  }

  wakeAll(): void {
    this.#slots.wakeAll();
  }

  /** For the supervisor. True: the dead thread held permits; they are free again. */
  threadDied(deadThreadId: number): boolean {
    let held = false;
    this.#slots.bury(checkedThreadId(deadThreadId), (slot, state) => {
      held ||= state === HELD;
      this.#turn.leave(slot);
    });
    this.#turn.settle();
    this.wakeAll();
    return held;
  }

  #claim(permits: number): number {
    whole("the number of permits that are taken of this semaphore", permits, 1, this.permits);
    const slot = this.#slots.claim(ASIDE);
    this.#slots.setValue(slot, permits);
    return slot;
  }

  #waiting(slot: number, permits: number): Waiting {
    const index = this.#slots.wakeWord(slot);
    let joined = false;
    const step = (): number | null => {
      const seen = load(this.#words, index);
      if (this.#turn.reach(slot, joined) === "wait") {
        joined = true;
        return seen;
      }
      if (this.available < permits) return seen;
      this.#take(slot);
      return null;
    };
    return { index, what: () => "waiting for a semaphore", step, giveUp: () => this.#giveUp(slot) };
  }

  #take(slot: number): void {
    this.#slots.set(slot, HELD);
    this.#turn.leave(slot);
    this.#turn.settle();
  }

  #taken(slot: number, permits: number): SemaphoreGuard {
    this.#take(slot);
    return this.#guard(slot, permits);
  }

  #giveUp(slot: number): void {
    this.#turn.leave(slot);
    this.#slots.free(slot);
    this.#turn.settle();
  }

  /**
   * Before a blocking sleep: what this thread holds itself, and what waits in front of it in its own async tasks,
   * cannot move while it sleeps.
   */
  #refuseOwnWay(slot: number, permits: number): void {
    let own = 0;
    let ahead = false;
    for (let other = 0, high = this.#slots.high; other < high; other++) {
      if (other === slot || !this.#slots.mine(other)) continue;
      const state = this.#slots.state(other);
      if (state === HELD) own += this.#slots.value(other);
      ahead ||= state === QUEUED || this.#turn.owner === other;
    }
    if (!ahead && this.permits - own >= permits) return;
    const why = ahead
      ? "an async task of this thread waits in front of it"
      : `this thread holds ${own} of ${this.permits} itself`;
    throw new LockstepError(
      "DEADLOCK",
      `blocking for ${permits} permits of a semaphore would never end: ${why}; release first, or use the async form`,
      { permits, own },
    );
  }

  #guard(slot: number, permits: number): SemaphoreGuard {
    let held = true;
    const release = (): void => {
      held = false;
      this.#slots.free(slot);
      const owner = (this.#turn.word & OWNER) - 1;
      if (owner >= 0) this.#slots.wake(owner);
    };
    return {
      permits,
      release: () => {
        if (!held) throw new LockstepError("CONFLICT", "permits of a semaphore were released twice");
        release();
      },
      [Symbol.dispose]: () => {
        if (held) release();
      },
    };
  }
}
