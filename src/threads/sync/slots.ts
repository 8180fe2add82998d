/**
 * A table of records, one for each acquisition: who holds or waits, and how. A record is written *before* the shared
 * state that it speaks of, so that after a death at any instruction a supervisor finds what the dead thread had, or was
 * about to have. Records belong to acquisitions, not to threads, so two async tasks of one thread are two holders.
 *
 * Words: HIGH           at `high`: no record at or above this index was ever in use; only grows
 *        record i at `first` + 16 i, a cache line of its own, since its holder writes it at each acquisition:
 *        + 0 STATE      bits 0..22 HOLDER: threadId + 1 (0: the record is free, the whole word is 0); bits 23.. the
 *                       object's own state
 *        + 1 TICKET     place in a queue; meaningful in the states in which the object says so
 *        + 2 VALUE      the object's own
 *        + 3 WAKE       sequence word: who waits with this record sleeps here; never reset, notified with all (an
 *                       abandoned async wait of
 *                       an earlier holder may still be listening)
 *
 * Transitions of STATE:
 *   0 → HOLDER|state           claim: compare-and-set, by the holder; HIGH is raised before it, so that no record is
 *                              ever out of sight
 *   HOLDER|a → HOLDER|b        `set` by the holder; `change` by compare-and-set where others may do it too (a waiting
 *                              reader is admitted)
 *   HOLDER|a → 0               `free` by the holder
 *   HOLDER|a → HOLDER|BURIED → 0   by the supervisor after the holder's death: one compare-and-set decides who clears
 *                                  up
 * Node never gives a threadId twice in a process, so HOLDER is slot and generation in one.
 *
 * Memory order: all accesses are sequentially consistent. Users rely on the pattern "write my record, then read the
 * shared word" against "write the shared word, then read the records": at least one of the two sees the other (Dekker,
 * 1965). After the announcement arrays of wait-free objects (M. Herlihy, "Wait-Free Synchronization", 1991).
 */
import { threadId } from "node:worker_threads";
import { invariant, LockstepError } from "../../base/index.ts";
import { whole } from "./arguments.ts";
import { tellAll } from "./sleepers.ts";
import { cas, load, type Words } from "./words.ts";

export const DEFAULT_CAPACITY = 64;
export const MAX_CAPACITY = 1023;
/** Words of a record, and what the head of an object with a table is rounded up to: a cache line. */
export const RECORD = 16;

const TICKET = 1;
const VALUE = 2;
const WAKE = 3;
const HOLDER = 0x7f_ffff;
const STATE_SHIFT = 23;
const BURIED = 255;

/** Words that an object with a head of one cache line and a table needs. */
export function wordsFor(capacity: number): number {
  return RECORD * (1 + capacity);
}

export function checkedCapacity(capacity: number, what: string): number {
  return whole(`the capacity of a ${what} (its holders and waiters at once)`, capacity, 1, MAX_CAPACITY);
}

export class Slots {
  readonly capacity: number;
  readonly #words: Words;
  readonly #high: number;
  readonly #self: number;
  readonly #what: string;
  /** Where this thread looks first: the record that it gave back last. */
  #hint = 0;

  /** `high` is the index of the word HIGH; the records follow the head's cache line. */
  constructor(words: Words, high: number, what: string) {
    this.#words = words;
    this.#high = high;
    this.#what = what;
    this.#self = threadId + 1;
    this.capacity = words.length / RECORD - 1;
    invariant(
      Number.isSafeInteger(this.capacity) && this.capacity >= 1,
      `the words of a ${what} are ${words.length}, which is no head and table`,
    );
    invariant(this.#self <= HOLDER, "thread ids are exhausted");
  }

  /** Records that may be in use: all below this. */
  get high(): number {
    return load(this.#words, this.#high);
  }

  /** Takes a free record. Throws OVERLOADED when all are in use. */
  claim(state: number): number {
    for (let tried = 0; tried < this.capacity; tried++) {
      const slot = (this.#hint + tried) % this.capacity;
      if (tried > 0 && load(this.#words, at(slot)) !== 0) continue;
      this.#raise(slot);
      if (!cas(this.#words, at(slot), 0, word(this.#self, state))) continue;
      this.#hint = slot;
      return slot;
    }
    throw new LockstepError(
      "OVERLOADED",
      `all ${this.capacity} records of a ${this.#what} are in use by its holders and waiters; make it with a ` +
        `greater \`capacity\``,
      { capacity: this.capacity },
    );
  }

  free(slot: number): void {
    Atomics.store(this.#words, at(slot), 0);
    this.#hint = slot;
  }

  /** By the holder, where nobody else changes the state. */
  set(slot: number, state: number): void {
    Atomics.store(this.#words, at(slot), word(this.#self, state));
  }

  /** By anybody: from one state to another of the same acquisition. False: it is not in `from`. */
  change(slot: number, from: number, to: number): boolean {
    const before = load(this.#words, at(slot));
    return (
      before >>> STATE_SHIFT === from && before !== 0 && cas(this.#words, at(slot), before, word(before & HOLDER, to))
    );
  }

  /** −1: the record is free. */
  state(slot: number): number {
    const record = load(this.#words, at(slot));
    return record === 0 ? -1 : record >>> STATE_SHIFT;
  }

  /** The record's threadId; −1: it is free. */
  holder(slot: number): number {
    return (load(this.#words, at(slot)) & HOLDER) - 1;
  }

  /** True if the record is in use by the calling thread. */
  mine(slot: number): boolean {
    return (load(this.#words, at(slot)) & HOLDER) === this.#self;
  }

  /** True if some record is in this state. */
  some(state: number): boolean {
    for (let slot = 0, high = this.high; slot < high; slot++) if (this.state(slot) === state) return true;
    return false;
  }

  setTicket(slot: number, ticket: number): void {
    Atomics.store(this.#words, at(slot) + TICKET, ticket);
  }

  /**
   * The record in this state with the oldest ticket; −1: none. Tickets are compared by their distance, so they may
   * wrap.
   */
  first(state: number): number {
    let first = -1;
    let oldest = 0;
    for (let slot = 0, high = this.high; slot < high; slot++) {
      if (this.state(slot) !== state) continue;
      const ticket = load(this.#words, at(slot) + TICKET);
      if (first >= 0 && ((ticket - oldest) | 0) >= 0) continue;
      first = slot;
      oldest = ticket;
    }
    return first;
  }

  setValue(slot: number, value: number): void {
    Atomics.store(this.#words, at(slot) + VALUE, value);
  }

  value(slot: number): number {
    return load(this.#words, at(slot) + VALUE);
  }

  /** The index of the record's sequence word. */
  wakeWord(slot: number): number {
    return at(slot) + WAKE;
  }

  wake(slot: number): void {
    tellAll(this.#words, at(slot) + WAKE);
  }

  /** Everybody who sleeps with a record looks again. */
  wakeAll(): void {
    for (let slot = 0, high = this.high; slot < high; slot++) if (load(this.#words, at(slot)) !== 0) this.wake(slot);
  }

  /**
   * For the supervisor: calls `clear` with each record of the dead thread and the state it died in, then frees the
   * record. A record that another supervisor has buried is left to it.
   */
  bury(deadThreadId: number, clear: (slot: number, state: number) => void): void {
    const dead = deadThreadId + 1;
    for (let slot = 0, high = this.high; slot < high; slot++) {
      for (;;) {
        const record = load(this.#words, at(slot));
        if ((record & HOLDER) !== dead || record >>> STATE_SHIFT === BURIED) break;
        // a living thread changed it (`change`): look again
        if (!cas(this.#words, at(slot), record, word(dead, BURIED))) continue;
        clear(slot, record >>> STATE_SHIFT);
        Atomics.store(this.#words, at(slot), 0);
        break;
      }
    }
  }

  #raise(slot: number): void {
    for (let high = this.high; high <= slot; high = this.high) if (cas(this.#words, this.#high, high, slot + 1)) return;
  }
}

function at(slot: number): number {
  return RECORD * (slot + 1);
}

function word(holder: number, state: number): number {
  return holder | (state << STATE_SHIFT);
}
