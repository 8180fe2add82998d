/**
 * Whose turn it is: a place for one, taken in the order of tickets, that survives the death of anybody. What a
 * read-write lock's writers and a semaphore's takers have in common. Nobody hands the turn to another: it is put down,
 * and the longest waiting takes it itself, by one compare-and-set that writes its record's index. So there is no grant
 * that could be lost with a thread or a time limit.
 *
 * Word TURN: bits 0..9   OWNER    index of the record whose turn it is, + 1; 0: nobody's
 *            bit 10      WAITERS  somebody may sleep until it is its turn; newcomers queue
 *            bits 11..12          the object's own
 *            bits 13..30 JOINS    a tag: counts, modulo 2^18, who has gone to sleep; never reset
 * Word TICKETS: the next ticket. Records (slots.ts) of those who wait are QUEUED, with their ticket; the object has
 * states of its own beside.
 *
 * take     nobody's → OWNER, by a newcomer, when nobody waits
 * queue    TICKET of the record = TICKETS++, then its state = QUEUED
 * reach    nobody's, and mine is the oldest QUEUED record: → OWNER, all other bits kept. Else join: WAITERS set and
 *          JOINS + 1 by
 *          compare-and-set (once, as long as WAITERS stays), **look again**, then sleep on the record's WAKE, which was
 *          read before
 * leave    OWNER → 0, WAITERS and JOINS kept. Then `settle`
 * settle   nobody's and WAITERS: wake the oldest QUEUED; if there is none, clear WAITERS by compare-and-set
 *
 * No lost wake-up. Who sleeps has written QUEUED, joined after that, and read the records after that: the one in front
 * may have taken the turn and put it down between the first look and the joining, with nobody in line to wake. (1)
 * `leave` keeps WAITERS, and its `settle` reads the records later, so it wakes the oldest. (2) A `settle` that found
 * nobody QUEUED clears WAITERS only if nobody has joined since (JOINS would differ). Should JOINS have come round in
 * between, it reads the records once more and wakes all; who finds WAITERS cleared joins again. (3) The oldest gives up
 * or dies: `settle` again, which wakes the next. (4) Not the oldest, nobody's turn: the oldest is awake, and takes it
 * or gives up. Fairness: **0**. Once a record is QUEUED and has joined, nobody whose call begins later gets the turn
 * before it. FIFO tickets after L. Lamport's bakery (1974), without its reading loops: only the first in line takes,
 * and the line is read.
 */
import { waiting as publishWait, type Lock } from "./held.ts";
import type { Slots } from "./slots.ts";
import {
  cancelled,
  deadlineOf,
  sleepOnce,
  sleepOnceAsync,
  timedOut,
  type AsyncWaitOptions,
  type WaitOptions,
} from "./wait.ts";
import { cas, load, type Words } from "./words.ts";

export const TURN = 0;
const TICKETS = 1;

export const OWNER = 0x3ff;
export const WAITERS = 1 << 10;
const JOIN = 1 << 13;
const JOINS = 0x7fff_ffff & -JOIN;
/** What survives the end of a turn. */
export const LINE = WAITERS | JOINS;

/** States of a record. ASIDE: claimed, neither waiting nor inside. The object's own begin at 2. */
export const ASIDE = 0;
export const QUEUED = 1;

export class Turn {
  readonly #words: Words;
  readonly #slots: Slots;

  constructor(words: Words, slots: Slots) {
    this.#words = words;
    this.#slots = slots;
  }

  get word(): number {
    return load(this.#words, TURN);
  }

  /** The record whose turn it is; −1: nobody's. */
  get owner(): number {
    return (this.word & OWNER) - 1;
  }

  /** Takes the turn if nobody has it and nobody waits for it. The record is ASIDE. */
  take(slot: number): boolean {
    const word = this.word;
    return (word & ~JOINS) === 0 && cas(this.#words, TURN, word, word | (slot + 1));
  }

  /** Joins the line. */
  queue(slot: number): void {
    this.#slots.setTicket(slot, Atomics.add(this.#words, TICKETS, 1));
    this.#slots.set(slot, QUEUED);
  }

  /**
   * "mine": it is this record's turn. "wait": sleep on its WAKE word (read before this call), then ask again. `joined`
   * says whether this acquisition has been told "wait" before.
   */
  reach(slot: number, joined: boolean): "mine" | "wait" {
    for (let inLine = joined; ;) {
      const word = this.word;
      if ((word & OWNER) === slot + 1) return "mine";
      if ((word & OWNER) === 0 && this.#slots.first(QUEUED) === slot) {
        if (cas(this.#words, TURN, word, word | (slot + 1))) return "mine";
      } else if (inLine && (word & WAITERS) !== 0) {
        return "wait";
      } else {
        inLine = cas(this.#words, TURN, word, joinedBy(word));
      }
    }
  }

  /**
   * Puts the turn down if it is this record's; the object's own bits become `bits`. The caller changes the record, then
   * calls `settle`.
   */
  leave(slot: number, bits = 0): void {
    for (let word = this.word; (word & OWNER) === slot + 1; word = this.word) {
      if (cas(this.#words, TURN, word, (word & LINE) | bits)) return;
    }
  }

  /**
   * Wakes whose turn it is to take the turn. Returns the object's own bits that it cleared along with WAITERS: all but
   * those of `keep`.
   */
  settle(keep = 0): number {
    for (;;) {
      const word = this.word;
      if ((word & OWNER) !== 0 || (word & WAITERS) === 0) return 0;
      const first = this.#slots.first(QUEUED);
      if (first >= 0) {
        this.#slots.wake(first);
        return 0;
      }
      if (!cas(this.#words, TURN, word, word & (keep | JOINS))) continue;
      for (let slot = 0, high = this.#slots.high; slot < high; slot++)
        if (this.#slots.state(slot) === QUEUED) this.#slots.wake(slot);
      return word & ~(keep | LINE);
    }
  }
}

function joinedBy(word: number): number {
  return (word & ~JOINS) | WAITERS | ((word + JOIN) & JOINS);
}

/**
 * How one acquisition waits. Its sequence word is always notified with all, so a wake-up that comes together with an
 * abort, or reaches an abandoned async wait, is not missed by anybody else. `step` says null when it is through, else
 * the value of word `index` to sleep on.
 */
export interface Waiting {
  readonly index: number;
  /** For messages. */
  readonly what: () => string;
  readonly step: () => number | null;
  /** Leaves no trace of this acquisition, and passes on whatever it was given. */
  readonly giveUp: () => void;
}

/**
 * `refuse` throws where a sleep would never end; `lock`: what the wait is for, where cycles of waits are looked for
 * (held.ts).
 */
export function waitBlocking(
  words: Words,
  waiting: Waiting,
  options: WaitOptions,
  refuse: () => void,
  lock?: Lock,
): void {
  const deadline = deadlineOf(options);
  try {
    let seen = waiting.step();
    if (seen === null) return;
    const sleepUntilThrough = (): void => {
      for (; seen !== null; seen = waiting.step()) {
        refuse();
        options.abort?.throwIfAborted(waiting.what());
        if (sleepOnce(words, waiting.index, seen, deadline) === "timed-out") throw timedOut(waiting.what(), options);
      }
    };
    if (lock === undefined) sleepUntilThrough();
    else publishWait(lock, deadline !== Infinity || options.abort !== undefined, sleepUntilThrough);
  } catch (thrown) {
    waiting.giveUp();
    throw thrown;
  }
}

export async function waitAsync(words: Words, waiting: Waiting, options: AsyncWaitOptions): Promise<void> {
  const deadline = deadlineOf(options);
  // a wait that is given up stays in the word's queue, with all that it holds, until it is woken
  const wake = (): void => void Atomics.notify(words, waiting.index);
  try {
    for (let seen = waiting.step(); seen !== null; seen = waiting.step()) {
      options.abort?.throwIfAborted(waiting.what());
      const outcome = await sleepOnceAsync(words, waiting.index, seen, deadline, options.signal, wake);
      if (outcome === "timed-out") throw timedOut(waiting.what(), options);
      if (outcome === "cancelled") throw cancelled(waiting.what(), options.signal);
    }
  } catch (thrown) {
    waiting.giveUp();
    throw thrown;
  }
}
