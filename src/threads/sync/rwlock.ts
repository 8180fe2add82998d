/**
 * A phase-fair read-write lock: many readers or one writer. Phases of readers and writers alternate while both wait, so
 * neither starves. One state machine with its proof, hence long.
 *
 * Words: 0 TURN         bits 0..9 OWNER, bit 10 WAITERS, bits 13.. JOINS as in turn.ts: the writer whose turn it is,
 *                       and that writers wait
 *                       bit 11 READERS_WAIT  readers sleep on READERS and are to be admitted by the writer whose turn
 *                                            ends
 *                       bit 12 BROKEN        a writer died inside, or gave the lock up half done; with an OWNER: it is
 *                                            being repaired
 *        1 TICKETS      of the writers' line
 *        2 READERS      sequence word of waiting readers
 *        3 HIGH         of the table of records (slots.ts), one for each acquisition; all words are born zero, which is
 *                       "free"
 * States of a record: READING inside as a reader (or just arriving) · WAITING a reader that sleeps · ASIDE, QUEUED a
 * writer not inside (turn.ts) ·
 *        INSIDE the writer inside
 *
 * The truth about readers is in their records, not in a count: a count that a dead thread may or may not have raised
 * could not be put right, a record can simply be cleared.
 *
 * read      record = READING, then look at TURN. Nobody's turn and no WAITERS: inside. Else record = WAITING, wake the
 *           owner (it may wait for
 *           the record), set READERS_WAIT by compare-and-set, sleep on READERS; inside once somebody has made the
 *           record READING
 * release   record = 0, then look at TURN: wake its owner, who waits for readers
 * write     take, or queue and reach, the turn (turn.ts); from then on no reader comes in. Wait until no record is
 *           READING. Record = INSIDE
 * release   record = ASIDE; while READERS_WAIT: clear it, make every WAITING record READING; OWNER → 0 by
 *           compare-and-set, which fails if a reader
 *           has set READERS_WAIT meanwhile; READERS += 1, wake all; record = 0; settle (turn.ts)
 * downgrade record = READING instead of ASIDE, then as release
 * poison    OWNER → 0 with BROKEN; everybody is woken, and throws OWNER_DIED
 * repair    takes the turn although BROKEN, waits for living readers; its release clears BROKEN
 *
 * Mutual exclusion: the writer writes TURN and then reads the records; a reader writes its record and then reads TURN.
 * Both are sequentially consistent, so one sees the other: either the reader steps back, or the writer waits for its
 * record. A WAITING record becomes READING only by the writer that has the turn and is not inside, or by its reader
 * when there is no writer, who then looks at TURN again. No lost wake-up: a sleeping reader is WAITING and has seen
 * READERS_WAIT; whoever clears the bit makes all WAITING records READING afterwards or wakes all readers to look again.
 * A writer reads its WAKE before it reads the records; a reader that leaves looks for the owner after it has cleared
 * its record. Memory order of what is protected: release writes a record or TURN, which the next one inside has read.
 *
 * Fairness, once a writer waits (WAITERS set) or has the turn: writers are FIFO, **0** overtakes; before each writer
 * goes in, each reader that was WAITING when the previous one left gets in once, and **0** others. A reader that sleeps
 * waits for at most **1** writer: the one whose turn it is. If that one gives up its turn the reader goes in; if the
 * line dissolves without a turn, it starts as a newcomer.
 *
 * Death at any instruction (`threadDied`): exact. A reader's record is cleared, whether it held, waited or was
 * arriving: it has changed nothing. A writer that waited or had begun to release is taken out. BROKEN if and only if it
 * was INSIDE (or repairing). After B. Brandenburg and J. Anderson, "Spin-Based Reader-Writer Synchronization for
 * Multiprocessor Real-Time Systems" (2010), with sleeping instead of spinning, and records instead of counters.
 */
import { LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { callable, checkedThreadId, checkWait, options as checkOptions } from "./arguments.ts";
import {
  acquired,
  acquiring,
  acquiringAsync,
  attachLock,
  createLockRef,
  describeLock,
  released,
  withContext,
  type Lock,
} from "./held.ts";
import type { LockRef } from "./lock-domain.ts";
import { OwnerDiedError, type Supervised } from "./owner-died.ts";
import { HeldForReading, HeldForWriting, type Exits, type ReadGuard, type WriteGuard } from "./rwlock-guards.ts";
import { tellAll } from "./sleepers.ts";
import { checkedCapacity, DEFAULT_CAPACITY, Slots, wordsFor } from "./slots.ts";
import { ASIDE, LINE, OWNER, QUEUED, Turn, TURN, WAITERS, waitAsync, waitBlocking, type Waiting } from "./turn.ts";
import type { AsyncWaitOptions, WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const READERS = 2;
const HIGH = 3;
const READERS_WAIT = 1 << 11;
const BROKEN = 1 << 12;
/** A writer is inside, about to be, or waits: readers wait. */
const WRITER = OWNER | WAITERS;

const READING = 2;
const WAITING = 3;
const INSIDE = 4;

export interface RwLockOptions {
  /** What messages call it. @default its number */
  readonly name?: string;
  /** Holders and waiters at once, 1 to 1023; beyond: OVERLOADED. @default 64 */
  readonly capacity?: number;
}

export interface RwLockHandle extends SyncHandle<"rwlock"> {
  readonly lock: LockRef;
}

export class RwLock implements Supervised, Wakeable {
  readonly handle: RwLockHandle;
  readonly #words: Words;
  readonly #slots: Slots;
  readonly #turn: Turn;
  /** The lock as it is held by one, and as it is held by many. */
  readonly #alone: Lock;
  readonly #shared: Lock;
  readonly #exits: Exits;

  private constructor(handle: RwLockHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "rwlock", wordsFor(1));
    this.#slots = new Slots(this.#words, HIGH, "read-write lock");
    this.#turn = new Turn(this.#words, this.#slots);
    this.#alone = attachLock("read-write lock", handle.lock);
    this.#shared = attachLock("read-write lock", handle.lock, true);
    this.#exits = {
      read: (slot) => this.#releaseRead(slot),
      write: (slot) => this.#releaseWrite(slot),
      poison: (slot) => this.#poison(slot),
      downgrade: (slot) => this.#downgrade(slot),
    };
  }

  /** Throws OPTION_INVALID. */
  static create(options: RwLockOptions = {}): RwLock {
    checkOptions("a read-write lock", options, ["name", "capacity"]);
    const capacity = checkedCapacity(options.capacity ?? DEFAULT_CAPACITY, "read-write lock");
    return new RwLock({
      kind: "rwlock",
      words: allocateWords(wordsFor(capacity)),
      lock: createLockRef(options.name),
    });
  }

  static attach(handle: RwLockHandle): RwLock {
    return new RwLock(handle);
  }

  /** True while OWNER_DIED is what a newcomer gets. */
  get broken(): boolean {
    return (this.#turn.word & (BROKEN | OWNER)) === BROKEN;
  }

  /** The threadId of the writer inside, or null. */
  get writer(): number | null {
    const owner = this.#turn.owner;
    return owner >= 0 && this.#slots.state(owner) === INSIDE ? this.#slots.holder(owner) : null;
  }

  /**
   * Blocks until inside as a reader. Throws OWNER_DIED while broken, TIMEOUT, the abort's reason, OVERLOADED,
   * LOCK_ORDER if the opposite order of locks was seen before, and DEADLOCK if the wait would never end: this thread is
   * in its own way, or threads wait for each other in a circle.
   */
  read(options: WaitOptions = {}): ReadGuard {
    checkWait(options);
    acquiring(this.#shared);
    const slot = this.#slots.claim(READING);
    if (!this.#open())
      waitBlocking(this.#words, this.#reader(slot), options, () => this.#refuseOwnWay(slot), this.#shared);
    return this.#readGuard(slot);
  }

  /**
   * The same for a thread that must not block. The holder is the guard: a task may wait for another of its thread. As
   * with a mutex, an order of locks and a re-lock are noticed only inside `withRead` and `withWrite`. Besides what
   * `read` throws: CANCELLED.
   */
  async readAsync(options: AsyncWaitOptions = {}): Promise<ReadGuard> {
    checkWait(options);
    acquiringAsync(this.#shared);
    const slot = this.#slots.claim(READING);
    await waitAsync(this.#words, this.#reader(slot), options);
    return this.#readGuard(slot);
  }

  /** Null if a writer is inside or waits. */
  tryRead(): ReadGuard | null {
    const slot = this.#slots.claim(READING);
    if (this.#open()) return this.#readGuard(slot);
    this.#leaveAsReader(slot);
    this.#throwIfBroken();
    return null;
  }

  /** Blocks until inside alone. Throws as `read` does. */
  write(options: WaitOptions = {}): WriteGuard {
    return this.#write(options, false);
  }

  async writeAsync(options: AsyncWaitOptions = {}): Promise<WriteGuard> {
    return await this.#writeAsync(options, false);
  }

  /** Null if anybody is inside, or writers wait. Readers that come during the call may have to wait for its end. */
  tryWrite(): WriteGuard | null {
    const slot = this.#slots.claim(ASIDE);
    if (this.#turn.take(slot) && !this.#slots.some(READING)) return this.#writeGuard(slot);
    this.#withdraw(slot);
    this.#throwIfBroken();
    return null;
  }

  /** Like `write`, and also takes a broken lock: if `guard.broken`, make whole what it protects before you release. */
  writeForRepair(options: WaitOptions = {}): WriteGuard {
    return this.#write(options, true);
  }

  async writeForRepairAsync(options: AsyncWaitOptions = {}): Promise<WriteGuard> {
    return await this.#writeAsync(options, true);
  }

  /**
   * Runs `work` inside as a reader, and releases when it has settled. Asking for this lock again from in there throws
   * DEADLOCK, for others in a known opposite order LOCK_ORDER.
   */
  async withRead<T>(work: () => T | Promise<T>, options: AsyncWaitOptions = {}): Promise<T> {
    callable("what runs under a read-write lock", work);
    using _guard = await this.readAsync(options);
    return await withContext(this.#shared, work);
  }

  /**
   * Runs `work` inside alone, and releases when it has settled. Asking for locks from in there is checked as in
   * `withRead`.
   */
  async withWrite<T>(work: (guard: WriteGuard) => T | Promise<T>, options: AsyncWaitOptions = {}): Promise<T> {
    callable("what runs under a read-write lock", work);
    using guard = await this.writeAsync(options);
    return await withContext(this.#alone, () => work(guard));
  }

  wakeAll(): void {
    this.#wakeReaders();
    this.#slots.wakeAll();
  }

  /**
   * For the supervisor. True: the dead thread was inside, as a writer (now it is broken) or as a reader (nothing is
   * wrong).
   */
  threadDied(deadThreadId: number): boolean {
    let held = false;
    this.#slots.bury(checkedThreadId(deadThreadId), (slot, state) => {
      held ||= state === READING || state === INSIDE;
      const word = this.#turn.word;
      if ((word & OWNER) !== slot + 1) return;
      if (state === INSIDE || (word & BROKEN) !== 0) return this.#turn.leave(slot, BROKEN);
      this.#admit(); // it may have cleared READERS_WAIT and not gone on
      this.#leaveTurn(slot);
    });
    this.#settle();
    this.wakeAll();
    this.#alone.domain.threadDied(deadThreadId);
    return held;
  }

  #write(options: WaitOptions, repair: boolean): WriteGuard {
    checkWait(options);
    acquiring(this.#alone);
    const slot = this.#slots.claim(ASIDE);
    const turn = this.#takeOrQueue(slot);
    if (!turn || this.#slots.some(READING))
      waitBlocking(this.#words, this.#writer(slot, repair), options, () => this.#refuseOwnWay(slot), this.#alone);
    return this.#writeGuard(slot);
  }

  async #writeAsync(options: AsyncWaitOptions, repair: boolean): Promise<WriteGuard> {
    checkWait(options);
    acquiringAsync(this.#alone);
    const slot = this.#slots.claim(ASIDE);
    this.#takeOrQueue(slot);
    await waitAsync(this.#words, this.#writer(slot, repair), options);
    return this.#writeGuard(slot);
  }

  #takeOrQueue(slot: number): boolean {
    const taken = this.#turn.take(slot);
    if (!taken) this.#turn.queue(slot);
    return taken;
  }

  #reader(slot: number): Waiting {
    let asked = false;
    const step = (): number | null => {
      for (;;) {
        const seen = load(this.#words, READERS);
        if (asked) {
          if (this.#slots.state(slot) !== WAITING) return null; // admitted
          const word = this.#throwIfBroken();
          if ((word & WRITER) !== 0) {
            if ((word & READERS_WAIT) !== 0 || cas(this.#words, TURN, word, word | READERS_WAIT)) return seen;
            continue;
          }
          // nobody admits: again as a newcomer
          if (!this.#slots.change(slot, WAITING, READING)) return null;
        }
        if ((this.#throwIfBroken() & WRITER) === 0) return null;
        this.#slots.set(slot, WAITING);
        asked = true;
        this.#wakeOwner();
      }
    };
    return {
      index: READERS,
      what: () => `waiting to read under ${describeLock(this.#shared)}`,
      step,
      giveUp: () => this.#leaveAsReader(slot),
    };
  }

  #writer(slot: number, repair: boolean): Waiting {
    const index = this.#slots.wakeWord(slot);
    let joined = false;
    const step = (): number | null => {
      const seen = load(this.#words, index);
      if (!repair) this.#throwIfBroken();
      if (this.#turn.reach(slot, joined) === "wait") {
        joined = true;
        return seen;
      }
      if (!repair && (this.#turn.word & BROKEN) !== 0) throw this.#brokenError(); // it broke between the two looks
      return this.#slots.some(READING) ? seen : null;
    };
    return {
      index,
      what: () => `waiting to write under ${describeLock(this.#alone)}`,
      step,
      giveUp: () => this.#withdraw(slot),
    };
  }

  /** A reader's way out, whether it was inside, waited, or was admitted at this very moment. */
  #leaveAsReader(slot: number): void {
    this.#slots.free(slot);
    this.#wakeOwner();
  }

  /** A writer's way out that was not inside. */
  #withdraw(slot: number): void {
    if ((this.#turn.word & (OWNER | BROKEN)) === (BROKEN | (slot + 1))) {
      this.#turn.leave(slot, BROKEN);
      this.#wakeReaders();
    } else this.#leaveTurn(slot);
    this.#slots.free(slot);
    this.#settle();
  }

  /** Ends this record's turn, if it has it: readers that wait are inside before the next writer can have the turn. */
  #leaveTurn(slot: number): void {
    let admitted = false;
    for (let word = this.#turn.word; (word & OWNER) === slot + 1; word = this.#turn.word) {
      if ((word & READERS_WAIT) === 0) {
        if (cas(this.#words, TURN, word, word & LINE)) break;
      } else if (cas(this.#words, TURN, word, word & ~READERS_WAIT)) {
        this.#admit();
        admitted = true;
      }
    }
    if (admitted) this.#wakeReaders();
  }

  #admit(): void {
    for (let slot = 0, high = this.#slots.high; slot < high; slot++) this.#slots.change(slot, WAITING, READING);
  }

  #settle(): void {
    if ((this.#turn.settle(BROKEN) & READERS_WAIT) !== 0) this.#wakeReaders();
  }

  #wakeReaders(): void {
    tellAll(this.#words, READERS);
  }

  #wakeOwner(): void {
    const owner = this.#turn.owner;
    if (owner >= 0) this.#slots.wake(owner);
  }

  #open(): boolean {
    return (this.#turn.word & (WRITER | BROKEN)) === 0;
  }

  /** Returns the word TURN that it looked at. */
  #throwIfBroken(): number {
    const word = this.#turn.word;
    if ((word & (BROKEN | OWNER)) === BROKEN) throw this.#brokenError();
    return word;
  }

  /** Before a blocking sleep: what this thread holds, or waits for elsewhere, it cannot release while it sleeps. */
  #refuseOwnWay(slot: number): void {
    for (let other = 0, high = this.#slots.high; other < high; other++) {
      if (other === slot || !this.#slots.mine(other)) continue;
      const state = this.#slots.state(other);
      if (state !== READING && state !== QUEUED && this.#turn.owner !== other) continue; // inside: it has the turn
      const does =
        state === READING
          ? "reads under"
          : state === INSIDE
            ? "writes under"
            : "waits, in an async task, to write under";
      throw new LockstepError(
        "DEADLOCK",
        `this thread ${does} ${describeLock(this.#alone)} already, so to block here would never end; release ` +
          "first, or use the async form",
        { thread: this.#slots.holder(other) },
      );
    }
  }

  #readGuard(slot: number): ReadGuard {
    acquired(this.#shared);
    return new HeldForReading(this.#exits, slot);
  }

  /** The turn is this record's, and no reader is inside. */
  #writeGuard(slot: number): WriteGuard {
    this.#slots.set(slot, INSIDE);
    acquired(this.#alone);
    return new HeldForWriting(this.#exits, slot, (this.#turn.word & BROKEN) !== 0);
  }

  #releaseRead(slot: number): void {
    released(this.#shared);
    this.#leaveAsReader(slot);
  }

  #releaseWrite(slot: number): void {
    released(this.#alone);
    this.#slots.set(slot, ASIDE);
    this.#leaveTurn(slot);
    this.#slots.free(slot);
    this.#settle();
  }

  #downgrade(slot: number): void {
    released(this.#alone);
    this.#slots.set(slot, READING);
    acquired(this.#shared);
    this.#leaveTurn(slot);
    this.#settle();
  }

  #poison(slot: number): void {
    released(this.#alone);
    this.#turn.leave(slot, BROKEN);
    this.#slots.free(slot);
    this.wakeAll();
  }

  #brokenError(): OwnerDiedError {
    return new OwnerDiedError(describeLock(this.#alone), "repair what it protects (writeForRepair)");
  }
}
