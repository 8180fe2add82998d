/**
 * The state machine of the mutex, in words of shared memory; mutex.ts is what a user sees of it. It knows its owner by
 * the very compare-and-set that takes it, and it is fair by a number. A thread can be terminated at any
 * instruction, and neither `using` nor `finally` runs then; had it to record itself in a second step, a death between
 * the two would leave a lock that is held by nobody.
 *
 * Words: 0 LOCK   bits 0..22  OWNER    0: free; else the `threadId` + 1. Node never gives a threadId twice in a
 *                                      process, so it is slot and
 *                                      generation in one: a late message about a dead owner cannot hit its successor
 *                 bit 23      BROKEN   its owner died, or gave up inside: what it protects may be torn. All other bits
 *                                      are zero then
 *                 bit 24      WAITERS  somebody may sleep in the queue
 *                 bit 25      GRANTED  somebody was woken from the queue and has the *seat*: it is the next but for
 *                                      newcomers
 *                 bits 26..30 BARGES   how many newcomers have taken the mutex since the seat was granted, at most K
 *        1 QUEUE  sequence; the queue is who sleeps on it (FIFO, ECMA-262 §25.4.3). Changes with every grant
 *        2 SEAT   sequence in steps of 2; who has the seat sleeps on it. Bit 0: somebody does
 *        3 LIMIT  K, constant, stored before the handle exists
 *
 * Transitions of LOCK, each a compare-and-set:
 *   take     OWNER 0 → self. A newcomer adds 1 to BARGES if GRANTED, and must not if BARGES is K. Who has the seat
 *            clears GRANTED and BARGES
 *   queue up WAITERS is set (QUEUE was loaded before LOCK), then sleep on QUEUE. Woken: it has the seat. QUEUE changed
 *   before: newcomer again
 *   release  nobody waits: self → 0. GRANTED: OWNER → 0, wake the seat if SEAT says somebody sleeps
 *            WAITERS: still owning, WAITERS → 0 and GRANTED → 1, QUEUE += 1, notify one. It woke one: WAITERS → 1 (more
 *            may sleep), release as above. It woke none: GRANTED → 0, and look again: who has come since has set
 *            WAITERS. Then, rather than chase it from grant to grant: WAITERS stays, OWNER → 0, QUEUE += 1, notify one:
 *            it looks again, and finds the mutex free
 *   give up  (time limit, abort) in the queue: just leave. In the seat, or woken in the queue at the same time: pass
 *            the seat on: if owned,
 *            GRANTED → 0 and WAITERS → 1, the owner's release grants the next; if free, take and release at once, which
 *            does the same (also if free with WAITERS and no grant: this waiter may be the one that was to look again).
 *            (signal) an abandoned async wait would stay in the queue and swallow a grant: QUEUE += 1, wake all, pass
 *            the seat on if one is granted
 *   death    of the owner, or `poison`: → BROKEN. Of anybody else: GRANTED → 0, for the seat may have been the dead
 *            one's
 *   repair   BROKEN → self, by `lockForRepair` only; every other taker gets OWNER_DIED
 * A death, `poison` and `wakeAll` also change both sequences and wake everybody. So, as after a signal or a vain grant,
 * there may be *believers*: woken, but not granted. They see GRANTED 0 and are newcomers again; or they see a seat
 * granted to somebody else, and compete for it: then one takes it, clears GRANTED, and the others find it gone. Whoever
 * clears GRANTED therefore wakes SEAT.
 *
 * No wake-up is lost: (1) who sleeps on the current QUEUE saw WAITERS set after it loaded QUEUE, and WAITERS is cleared
 * only before a change of QUEUE by an owner that then notifies, and puts WAITERS back if it woke one, or frees the
 * mutex with WAITERS and makes one look again; (2) who sleeps on the current SEAT announced itself in it and then saw
 * an owner; that owner releases first and looks at SEAT second (Dekker's pattern, sequentially consistent); (3) every
 * step between a change and its notification is made by the owner or undone by `threadDied`, which wakes all.
 * The grant is made while owning, so nobody can reuse GRANTED between the change and the count of those woken (no ABA).
 *
 * Progress: a release is at most two rounds, so a thread loops only because others get on.
 * Fairness: the queue is FIFO, and **once a waiter has the seat, at most K newcomers overtake it**; so at most (n + 1)
 * K newcomers overtake one that sleeps behind n others. A death, an abort and a cancelled async wait make everybody
 * queue up anew, and the count begins again; who falls asleep while a release is under way that has found nobody may be
 * made to queue up anew once. Memory order: release is a sequentially consistent write of LOCK, which the next owner's
 * compare-and-set reads: all that was written inside happens before. Uncontended: one compare-and-set to lock and one
 * to release, nothing else shared. After U. Drepper, "Futexes Are Tricky" (2011), mutex 3; the seat with bounded
 * barging after D. Dice and A. Kogan, "Malthusian Locks" (EuroSys 2017) and WebKit's ParkingLot (F. Pizlo, 2016).
 */
import { threadId } from "node:worker_threads";
import { invariant, LockstepError } from "../../base/index.ts";
import { OwnerDiedError } from "./owner-died.ts";
import { cancelled, timedOut, type AsyncWaitOptions, type SleepOutcome } from "./wait.ts";
import { cas, load, type Words } from "./words.ts";

const LOCK = 0;
export const QUEUE = 1;
const SEAT = 2;
export const LIMIT = 3;

const OWNER = 0x7f_ffff;
const BROKEN = 1 << 23;
const WAITERS = 1 << 24;
const GRANTED = 1 << 25;
const BARGE = 1 << 26;
export const MAX_BARGES = 31;
const BARGES = MAX_BARGES * BARGE;

/** What the acquiring protocol asks of its thread: one sleep. */
export interface Sleep {
  readonly index: number;
  readonly expected: number;
}

export type Acquisition = Generator<Sleep, void, SleepOutcome | "cancelled">;

export class MutexState {
  readonly #words: Words;
  readonly #describe: () => string;
  readonly #self: number;
  readonly #full: number;

  /** `describe` is what messages call the mutex. */
  constructor(words: Words, describe: () => string) {
    this.#words = words;
    this.#describe = describe;
    this.#self = threadId + 1;
    invariant(this.#self <= OWNER, "thread ids are exhausted");
    this.#full = load(words, LIMIT) * BARGE;
  }

  get owner(): number | null {
    const owner = load(this.#words, LOCK) & OWNER;
    return owner === 0 ? null : owner - 1;
  }

  get broken(): boolean {
    return (load(this.#words, LOCK) & BROKEN) !== 0;
  }

  /** The uncontended case. */
  takeFree(): boolean {
    return cas(this.#words, LOCK, 0, this.#self);
  }

  takeBroken(): boolean {
    return cas(this.#words, LOCK, BROKEN, this.#self);
  }

  /** As a newcomer, if it can be had at once. Throws OWNER_DIED. */
  take(): boolean {
    for (let word = load(this.#words, LOCK); this.#open(word); word = load(this.#words, LOCK)) {
      if (cas(this.#words, LOCK, word, this.#taken(word))) return true;
    }
    return false;
  }

  /** The acquiring protocol, the same for both forms: it yields whenever it has to sleep, and returns inside. */
  *acquire(options: AsyncWaitOptions): Acquisition {
    for (;;) {
      const queue = this.#enterOrQueueUp();
      if (queue === null) return;
      this.throwIfStopped(options);
      const outcome = yield { index: QUEUE, expected: queue };
      if (outcome === "timed-out") throw timedOut(this.#what(), options);
      if (outcome === "cancelled") throw cancelled(this.#what(), options.signal);
      if (outcome === "ok" && (yield* this.#sit(options))) return;
    }
  }

  /** Woken from the queue. True: inside. False: the seat is gone, begin anew. */
  *#sit(options: AsyncWaitOptions): Generator<Sleep, boolean, SleepOutcome | "cancelled"> {
    for (;;) {
      const seat = load(this.#words, SEAT);
      try {
        this.throwIfStopped(options);
      } catch (thrown) {
        this.#passOn();
        throw thrown;
      }
      const taken = this.#takeSeat();
      if (taken !== null) return taken;
      if ((seat & 1) === 0) {
        cas(this.#words, SEAT, seat, seat | 1); // announced; now look again
        continue;
      }
      const outcome = yield { index: SEAT, expected: seat };
      if (outcome === "cancelled") throw cancelled(this.#what(), options.signal);
      if (outcome !== "timed-out") continue;
      const last = this.#takeSeat();
      if (last !== null) return last;
      this.#passOn();
      throw timedOut(this.#what(), options);
    }
  }

  /**
   * An async wait is cancelled: it must not stay in the queue, where it would swallow a grant, and may have been
   * granted the seat just now.
   */
  cancel(index: number): void {
    if (index === QUEUE) this.#wakeQueue();
    this.#passOn();
  }

  release(): void {
    if (!cas(this.#words, LOCK, this.#self, 0)) this.#handOver();
  }

  poison(): void {
    while (!cas(this.#words, LOCK, this.#ownWord(), BROKEN));
    this.wakeAll();
  }

  threadDied(deadThreadId: number): boolean {
    let owned = false;
    for (;;) {
      const word = load(this.#words, LOCK);
      owned = (word & OWNER) === deadThreadId + 1;
      if (cas(this.#words, LOCK, word, owned ? BROKEN : word & ~(GRANTED | BARGES))) break;
    }
    this.wakeAll();
    return owned;
  }

  wakeAll(): void {
    this.#wakeQueue();
    this.#wakeSeat(true);
  }

  throwIfStopped(options: AsyncWaitOptions): void {
    if (options.abort !== undefined) options.abort.throwIfAborted(this.#what());
    if (options.signal?.aborted === true) throw cancelled(this.#what(), options.signal);
  }

  #what(): string {
    return `waiting for ${this.#describe()}`;
  }

  /** Whether a newcomer may take it. Throws OWNER_DIED. Nobody has overtaken anybody where no seat is granted. */
  #open(word: number): boolean {
    if ((word & BROKEN) !== 0) throw new OwnerDiedError(this.#describe(), "repair what it protects (lockForRepair)");
    return (word & OWNER) === 0 && (word & BARGES) !== this.#full;
  }

  /** The word once a newcomer has taken it. */
  #taken(word: number): number {
    return (word | this.#self) + ((word & GRANTED) === 0 ? 0 : BARGE);
  }

  /** Null: inside. Else the value of QUEUE to sleep on, loaded before the word in which WAITERS is set. */
  #enterOrQueueUp(): number | null {
    for (;;) {
      const queue = load(this.#words, QUEUE);
      const word = load(this.#words, LOCK);
      if (this.#open(word)) {
        if (cas(this.#words, LOCK, word, this.#taken(word))) return null;
      } else if ((word & WAITERS) !== 0 || cas(this.#words, LOCK, word, word | WAITERS)) return queue;
    }
  }

  /** True: inside. False: no seat is granted (any more). Null: somebody is inside. */
  #takeSeat(): boolean | null {
    for (;;) {
      const word = load(this.#words, LOCK);
      if ((word & GRANTED) === 0) return false;
      if ((word & OWNER) !== 0) return null;
      if (!cas(this.#words, LOCK, word, this.#self | (word & WAITERS))) continue;
      this.#wakeSeat();
      return true;
    }
  }

  /** This waiter has been woken and does not want the mutex any more: somebody else shall have it. */
  #passOn(): void {
    for (;;) {
      const word = load(this.#words, LOCK);
      const free = (word & OWNER) === 0;
      if ((word & GRANTED) === 0 && !(free && (word & WAITERS) !== 0)) return;
      if (!cas(this.#words, LOCK, word, free ? this.#self | WAITERS : (word & ~(GRANTED | BARGES)) | WAITERS)) continue;
      this.#wakeSeat();
      if (free) this.#handOver();
      return;
    }
  }

  #handOver(): void {
    let sleepers = 0; // WAITERS: one was woken, so there may be more
    let granted = false;
    for (;;) {
      const word = this.#ownWord();
      if ((word & GRANTED) !== 0) {
        if (!cas(this.#words, LOCK, word, (word & ~OWNER) | sleepers)) continue;
        this.#wakeSeat();
        return;
      }
      if ((word & WAITERS) === 0) {
        if (cas(this.#words, LOCK, word, 0)) return;
      } else if (granted) {
        if (!cas(this.#words, LOCK, word, WAITERS)) continue;
        this.#wakeQueue(1);
        return;
      } else if (cas(this.#words, LOCK, word, this.#self | GRANTED)) {
        granted = true;
        Atomics.add(this.#words, QUEUE, 1);
        sleepers = Atomics.notify(this.#words, QUEUE, 1) * WAITERS;
        if (sleepers === 0) this.#revoke();
      }
    }
  }

  /** Nobody was in the queue, so nobody has the seat. It was owned all the while: nobody has overtaken anybody. */
  #revoke(): void {
    for (;;) {
      const word = this.#ownWord();
      if (!cas(this.#words, LOCK, word, word & ~GRANTED)) continue;
      this.#wakeSeat();
      return;
    }
  }

  #ownWord(): number {
    const word = load(this.#words, LOCK);
    if ((word & OWNER) !== this.#self)
      throw new LockstepError(
        "CONFLICT",
        `${this.#describe()} was taken away from this thread: threadDied was called while it is alive`,
        { thread: threadId },
      );
    return word;
  }

  #wakeQueue(count = Infinity): void {
    Atomics.add(this.#words, QUEUE, 1);
    Atomics.notify(this.#words, QUEUE, count);
  }

  /** Makes who sleeps in the seat look again; `always`: also who is about to. */
  #wakeSeat(always = false): void {
    for (;;) {
      const seat = load(this.#words, SEAT);
      if (!always && (seat & 1) === 0) return;
      if (!cas(this.#words, SEAT, seat, (seat + 2) & ~1)) continue;
      // even from an even value: who changed it last may have died before it could notify
      Atomics.notify(this.#words, SEAT);
      return;
    }
  }
}
