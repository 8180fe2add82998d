/**
 * An epoch cell: readers pin the newest published slot and keep it; a writer reuses a slot once nobody holds it (the
 * idea of read-copy-update). The cell knows slot numbers and version numbers only; what lies in a slot is the caller's.
 *
 * Words: 0 CURRENT   number of the current slot + 1; 0: nothing published yet
 *        1 FLAGS     1: somebody may sleep until something changes; 2 EVENTS what they sleep on (sleepers.ts)
 *        3 SLOTS, 4 ROWS  constants, stored before the handle exists; 5 USED  rows from there on have never been taken
 *        for each slot   WRITER 0, or threadId + 1 of the thread that has reserved it; VERSION written while reserved,
 *                        constant while anybody holds it
 *        for each row    HOLDER 0, or threadId + 1 of the thread whose row it is, or −(threadId + 1) of the one that
 *                        clears it after a death; then for each slot how many pins that row has on it
 * A row begins a cache line and belongs to one attached object; only its thread changes its counts, so a pin touches no
 * line that another reader writes. It is taken at the first pin (HOLDER: 0 → self by compare-and-set, USED raised, then
 * counts) and given back by `detach`, or when its thread has died.
 *
 * pin       s = CURRENT; own count of s += 1; if CURRENT is still s: held. Else count −= 1, again
 * unpin     own count −= 1; on reaching 0: wake writers
 * reserve   s is not CURRENT and no row counts it; WRITER: 0 → self by compare-and-set; both are still so: reserved.
 *           Else WRITER = 0, another slot
 * publish   VERSION = v; CURRENT = s + 1; WRITER = 0; wake (the former slot may be free now)
 *
 * Why pin is safe: the reader stores its count and then reads CURRENT; the writer has seen CURRENT elsewhere, and then
 * reads the counts (all sequentially consistent: M. Michael's hazard pointers, 2004, with a slot for a pointer). So
 * either the writer sees the count and leaves the slot alone, or the reader sees a CURRENT that came after: another
 * slot, and it lets go; or the same slot published anew, and then it holds the new version, which is whole. Pins never
 * block; a retry means that somebody published meanwhile. A row that is taken after the writer has read USED changes
 * nothing of that: its thread reads CURRENT later still. Why reserve looks twice: between its first look and its
 * compare-and-set another writer may have reserved, published and left the slot. Memory order: the payload is written
 * before CURRENT changes, and read after CURRENT is read. The last reader's count is stored after its reads, and the
 * writer writes after it has read that count. Linearization: a pin at its second load of CURRENT, a publication at its
 * store of CURRENT. Versions go up if there is one writer, or the writers agree. Deaths are harmless: `threadDied`
 * clears the rows of the dead thread (its pins) and the slots that it had reserved, which nobody can see before they
 * are published; wakes all. A publication is one store: it has happened or not. A thread that ends without letting go,
 * and that no supervisor reports, keeps its slots from reuse.
 */
import { threadId } from "node:worker_threads";
import { invariant, LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { checkedThreadId, int32, options as checkOptions, whole } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";
import { announce, wakeEverybody } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const CURRENT = 0,
  FLAGS = 1,
  EVENTS = 2,
  SLOTS = 3,
  ROWS = 4,
  USED = 5,
  SLOT_TABLE = 16;
const ASLEEP = 1;
/** Words of a cache line. */
const LINE = 16;

export type EpochHandle = SyncHandle<"epoch">;

/** A hold on one published version. Let go once: by `unpin` or at the end of a `using` block. */
export interface Pin extends Disposable {
  readonly slot: number;
  readonly version: number;
  unpin(): void;
}

/** A slot that only this writer may touch until it is published or given back. */
export interface Reservation {
  readonly slot: number;
  /** `version`: a 32-bit whole number. */
  publish(version: number): void;
  giveBack(): void;
}

export interface EpochOptions {
  /** How many attached objects may pin, over all threads: 1 to 4096. Each takes a cache line or more. @default 64 */
  readonly holders?: number;
}

export class EpochCell implements Supervised, Wakeable {
  readonly handle: EpochHandle;
  readonly slots: number;
  readonly #words: Words;
  readonly #rows: number;
  readonly #self = threadId + 1;
  readonly #held: number[];
  /** Index of this object's counts; −1 before its first pin. */
  #counts = -1;

  private constructor(handle: EpochHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "epoch", SLOT_TABLE);
    this.slots = load(this.#words, SLOTS);
    this.#rows = load(this.#words, ROWS);
    this.#held = new Array<number>(this.slots).fill(0);
    invariant(
      this.#words.length >= rowWord(this.slots, this.#rows),
      "an epoch cell's handle is shorter than its tables",
    );
  }

  /** Two slots (2 to 2^16) let a writer work while readers read; each further one, while old readers linger. */
  static create(slots: number, options: EpochOptions = {}): EpochCell {
    checkOptions("an epoch cell", options, ["holders"]);
    const { holders = 64 } = options;
    whole("the number of an epoch cell's slots", slots, 2, 2 ** 16);
    whole("holders of an epoch cell", holders, 1, 4096);
    const words = allocateWords(rowWord(slots, holders));
    words[SLOTS] = slots;
    words[ROWS] = holders;
    return new EpochCell({ kind: "epoch", words });
  }

  static attach(handle: EpochHandle): EpochCell {
    return new EpochCell(handle);
  }

  /** The newest version, or null. Not held: it may be gone when the caller looks; use `pin`. */
  get version(): number | null {
    const current = load(this.#words, CURRENT);
    return current === 0 ? null : load(this.#words, versionWord(current - 1));
  }

  /** How many hold the slot, the cell's own hold on the current slot included. For tests and metrics. */
  pins(slot: number): number {
    whole("a slot of this epoch cell", slot, 0, this.slots - 1);
    let pins = load(this.#words, CURRENT) === slot + 1 ? 1 : 0;
    for (let row = 0; row < this.#rows; row++) pins += load(this.#words, this.#countWord(row, slot));
    return pins;
  }

  /**
   * Throws NOT_FOUND before the first publication, OVERLOADED if more objects want to pin than the cell was made for.
   */
  pin(): Pin {
    const pin = this.tryPin();
    if (pin === null)
      throw new LockstepError(
        "NOT_FOUND",
        "nothing has been published in this epoch cell yet: wait for it (pinWhenPublished, pinAsync), or publish first",
      );
    return pin;
  }

  /** Null before the first publication. */
  tryPin(): Pin | null {
    const words = this.#words;
    if (this.#counts < 0) this.#takeRow();
    for (let current = load(words, CURRENT); current !== 0;) {
      const slot = current - 1;
      const count = this.#held[slot]! + 1;
      this.#held[slot] = count;
      Atomics.store(words, this.#counts + slot, count);
      const now = load(words, CURRENT);
      if (now === current) return new HeldPin(slot, load(words, versionWord(slot)), this.#release);
      this.#release(slot);
      current = now;
    }
    return null;
  }

  /** Blocks until something has been published. Throws TIMEOUT or the abort's reason. */
  pinWhenPublished(options: WaitOptions = {}): Pin {
    return this.#until(() => this.tryPin(), "waiting for a first publication", options);
  }

  /** The form for a thread that must not block. */
  async pinAsync(options: AsyncWaitOptions = {}): Promise<Pin> {
    return await this.#untilAsync(() => this.tryPin(), "waiting for a first publication", options);
  }

  /** A free slot, or null when every one is held. */
  tryReserve(): Reservation | null {
    for (let slot = 0; slot < this.slots; slot++) {
      if (!this.#unheld(slot) || !cas(this.#words, writerWord(slot), 0, this.#self)) continue;
      if (this.#unheld(slot)) return this.#reservation(slot);
      this.#leaveSlot(slot);
    }
    return null;
  }

  /** Blocks until a slot is free. Throws TIMEOUT or the abort's reason. */
  reserve(options: WaitOptions = {}): Reservation {
    return this.#until(() => this.tryReserve(), "waiting for a free slot", options);
  }

  /** The form for a thread that must not block. */
  async reserveAsync(options: AsyncWaitOptions = {}): Promise<Reservation> {
    return await this.#untilAsync(() => this.tryReserve(), "waiting for a free slot", options);
  }

  /**
   * Gives this object's row to whoever pins next; for a thread that goes on without the cell. An error while it holds a
   * pin.
   */
  detach(): void {
    if (this.#counts < 0) return;
    if (this.#held.some((count) => count !== 0))
      throw new LockstepError("CONFLICT", "an epoch cell was detached while this object holds a pin: unpin first");
    Atomics.store(this.#words, this.#counts - 1, 0);
    this.#counts = -1;
  }

  wakeAll(): void {
    wakeEverybody(this.#words, FLAGS, ASLEEP, EVENTS);
  }

  /** Lets go of everything that the dead thread held. True if it held a pin or a slot. */
  threadDied(deadThreadId: number): boolean {
    const dead = checkedThreadId(deadThreadId) + 1;
    let held = false;
    for (let slot = 0; slot < this.slots; slot++) if (cas(this.#words, writerWord(slot), dead, 0)) held = true;
    for (let row = 0; row < this.#rows; row++) {
      const holder = this.#countWord(row, 0) - 1;
      // one clears a row, or else it would clear what the row's next thread counts; if that one dies, another goes on
      if (!cas(this.#words, holder, dead, -this.#self) && !cas(this.#words, holder, -dead, -this.#self)) continue;
      for (let slot = 0; slot < this.slots; slot++)
        if (Atomics.exchange(this.#words, this.#countWord(row, slot), 0) !== 0) held = true;
      Atomics.store(this.#words, holder, 0); // last, when the counts are 0: from here on the row is another thread's
    }
    this.wakeAll();
    return held;
  }

  #takeRow(): void {
    for (let row = 0; row < this.#rows; row++) {
      const counts = this.#countWord(row, 0);
      if (!cas(this.#words, counts - 1, 0, this.#self)) continue;
      for (let used = load(this.#words, USED); used <= row && !cas(this.#words, USED, used, row + 1);)
        used = load(this.#words, USED);
      this.#counts = counts;
      return;
    }
    throw new LockstepError(
      "OVERLOADED",
      `this epoch cell was made for ${this.#rows} holders, and all are taken: make it with more, detach() ` +
        "where it is done with, and report deaths of threads (threadDied)",
      { holders: this.#rows },
    );
  }

  readonly #release = (slot: number): void => {
    const count = this.#held[slot]! - 1;
    this.#held[slot] = count;
    Atomics.store(this.#words, this.#counts + slot, count);
    if (count === 0) this.#changed();
  };

  #reservation(slot: number): Reservation {
    let done = false;
    const finish = (): void => {
      if (done) throw new LockstepError("CONFLICT", "a reserved slot was published or given back twice", { slot });
      done = true;
    };
    return {
      slot,
      publish: (version) => {
        int32("a version", version);
        finish();
        Atomics.store(this.#words, versionWord(slot), version);
        Atomics.store(this.#words, CURRENT, slot + 1);
        this.#leaveSlot(slot);
      },
      giveBack: () => {
        finish();
        this.#leaveSlot(slot);
      },
    };
  }

  #unheld(slot: number): boolean {
    if (load(this.#words, CURRENT) === slot + 1) return false;
    const used = load(this.#words, USED);
    for (let row = 0; row < used; row++) if (load(this.#words, this.#countWord(row, slot)) !== 0) return false;
    return true;
  }

  #leaveSlot(slot: number): void {
    Atomics.store(this.#words, writerWord(slot), 0);
    this.#changed();
  }

  #changed(): void {
    if (load(this.#words, FLAGS) !== 0) this.wakeAll();
  }

  #until<R>(attempt: () => R | null, what: string, options: WaitOptions): R {
    const deadline = deadlineOf(options);
    for (;;) {
      const early = attempt();
      if (early !== null) return early;
      const seen = announce(this.#words, FLAGS, ASLEEP, EVENTS);
      const result = attempt();
      if (result !== null) return result;
      if (!sleep(this.#words, EVENTS, seen, deadline, what, options.abort)) throw timedOut(what, options);
    }
  }

  async #untilAsync<R>(attempt: () => R | null, what: string, options: AsyncWaitOptions): Promise<R> {
    const deadline = deadlineOf(options);
    for (;;) {
      const early = attempt();
      if (early !== null) return early;
      const seen = announce(this.#words, FLAGS, ASLEEP, EVENTS);
      const result = attempt();
      if (result !== null) return result;
      if (!(await sleepAsync(this.#words, EVENTS, seen, deadline, what, options.signal, options.abort)))
        throw timedOut(what, options);
    }
  }

  #countWord(row: number, slot: number): number {
    return rowWord(this.slots, row) + 1 + slot;
  }
}

class HeldPin implements Pin {
  readonly slot: number;
  readonly version: number;
  #release: ((slot: number) => void) | null;

  constructor(slot: number, version: number, release: (slot: number) => void) {
    this.slot = slot;
    this.version = version;
    this.#release = release;
  }

  unpin(): void {
    if (this.#release === null) throw new LockstepError("CONFLICT", "a pin was let go twice", { slot: this.slot });
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    const release = this.#release;
    this.#release = null;
    release?.(this.slot);
  }
}

function writerWord(slot: number): number {
  return SLOT_TABLE + 2 * slot;
}

function versionWord(slot: number): number {
  return SLOT_TABLE + 2 * slot + 1;
}

/** The first word of a row; of the row after the last, the number of words in all. */
function rowWord(slots: number, row: number): number {
  return LINE * (Math.ceil((SLOT_TABLE + 2 * slots) / LINE) + row * Math.ceil((1 + slots) / LINE));
}
