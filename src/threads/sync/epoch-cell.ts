/**
 * An epoch cell: readers pin the newest published slot and keep it; a writer reuses a slot once nobody holds it (the
 * idea of read-copy-update). The cell knows slot numbers and version numbers only; what lies in a slot is the caller's.
 *
 * Words: 0 CURRENT      number of the current slot + 1; 0: nothing published yet
 *        1 RELEASES     changes whenever a slot has become free; writers sleep here
 *        2 + 2s PINS    of slot s: how many hold it, the cell's own hold on the current slot included; WRITING is added while a
 *                       writer has it
 *        3 + 2s VERSION of slot s: written while WRITING, constant while anybody holds it
 *
 * reserve   PINS: 0 → WRITING by compare-and-set. So only a slot that nobody holds, and never the current one
 * publish   VERSION = v; PINS += 1 − WRITING (now held by the cell); old = exchange(CURRENT, s + 1); unpin(old)
 * pin       s = CURRENT; PINS += 1; if CURRENT is still s: held. Else PINS −= 1, again
 * unpin     PINS −= 1; on reaching 0: RELEASES += 1, wake writers
 *
 * Why pin is safe: once PINS of s is at least 1 no writer can reserve s; if s is current after that, it is a published slot and
 * stays so until unpinned. A pin that came while s was being rewritten (its count is added to WRITING) is either undone, or finds s current
 * again, and then it is counted and holds the new version. Pins never block; a retry means that somebody published meanwhile.
 * Memory order: the payload is written before `publish`; the reader's load of CURRENT reads what the exchange wrote, so the payload
 * is visible. The last reader's unpin is a read-modify-write that the writer's compare-and-set follows, so its reads are done.
 * A thread that dies holding a pin keeps its slot from reuse for good: whoever supervises makes the cell anew with its threads.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const CURRENT = 0;
const RELEASES = 1;
const WRITING = 1 << 30;

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
  publish(version: number): void;
  giveBack(): void;
}

export class EpochCell {
  readonly handle: EpochHandle;
  readonly slots: number;
  readonly #words: Words;

  private constructor(handle: EpochHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "epoch", 4);
    this.slots = (this.#words.length - 2) / 2;
  }

  /** Two slots let a writer work while readers read; each further one, while old readers linger. */
  static create(slots: number): EpochCell {
    invariant(Number.isSafeInteger(slots) && slots >= 2, `an epoch cell needs at least two slots, not ${slots}`);
    return new EpochCell({ kind: "epoch", words: allocateWords(2 + 2 * slots) });
  }

  static attach(handle: EpochHandle): EpochCell {
    return new EpochCell(handle);
  }

  /** The newest version, or null. Not held: it may be gone when the caller looks; use `pin`. */
  get version(): number | null {
    const current = load(this.#words, CURRENT);
    return current === 0 ? null : load(this.#words, versionWord(current - 1));
  }

  /** How many hold the slot, the cell itself included. For tests and metrics. */
  pins(slot: number): number {
    return load(this.#words, pinsWord(slot)) & (WRITING - 1);
  }

  pin(): Pin {
    for (;;) {
      const current = load(this.#words, CURRENT);
      if (current === 0) throw new LockstepError("NOT_FOUND", "nothing has been published in this epoch cell yet");
      const slot = current - 1;
      Atomics.add(this.#words, pinsWord(slot), 1);
      if (load(this.#words, CURRENT) !== current) {
        this.#release(slot);
        continue;
      }
      return this.#pin(slot);
    }
  }

  /** A free slot, or null when every one is held. */
  tryReserve(): Reservation | null {
    for (let slot = 0; slot < this.slots; slot++) {
      if (cas(this.#words, pinsWord(slot), 0, WRITING)) return this.#reservation(slot);
    }
    return null;
  }

  /** Blocks until a slot is free. */
  reserve(options: WaitOptions = {}): Reservation {
    const deadline = deadlineOf(options);
    for (;;) {
      const releases = load(this.#words, RELEASES); // read before the search: a release after it changes the word, and the sleep returns
      const reservation = this.tryReserve();
      if (reservation !== null) return reservation;
      if (!sleep(this.#words, RELEASES, releases, deadline)) throw timedOut("waiting for a free slot", options);
    }
  }

  async reserveAsync(options: AsyncWaitOptions = {}): Promise<Reservation> {
    const deadline = deadlineOf(options);
    for (;;) {
      const releases = load(this.#words, RELEASES);
      const reservation = this.tryReserve();
      if (reservation !== null) return reservation;
      if (!(await sleepAsync(this.#words, RELEASES, releases, deadline, "waiting for a free slot", options.signal))) throw timedOut("waiting for a free slot", options);
    }
  }

  #pin(slot: number): Pin {
    const unpin = once("a pin was let go twice", () => this.#release(slot));
    return { slot, version: load(this.#words, versionWord(slot)), unpin: unpin.run, [Symbol.dispose]: unpin.runIfNot };
  }

  #reservation(slot: number): Reservation {
    const publish = (version: number): void => {
      Atomics.store(this.#words, versionWord(slot), version);
      Atomics.add(this.#words, pinsWord(slot), 1 - WRITING);
      const old = Atomics.exchange(this.#words, CURRENT, slot + 1);
      if (old !== 0) this.#release(old - 1);
    };
    const used = { done: false };
    const finish = (action: () => void): void => {
      if (used.done) throw new LockstepError("INTERNAL", "a reserved slot was published or given back twice", { slot });
      used.done = true;
      action();
    };
    return {
      slot,
      publish: (version) => finish(() => publish(version)),
      giveBack: () => finish(() => this.#release(slot, WRITING)),
    };
  }

  #release(slot: number, amount = 1): void {
    if (Atomics.sub(this.#words, pinsWord(slot), amount) !== amount) return;
    Atomics.add(this.#words, RELEASES, 1);
    Atomics.notify(this.#words, RELEASES);
  }
}

function pinsWord(slot: number): number {
  return 2 + 2 * slot;
}

function versionWord(slot: number): number {
  return 3 + 2 * slot;
}

function once(message: string, action: () => void): { run: () => void; runIfNot: () => void } {
  let done = false;
  const runIfNot = (): void => {
    if (done) return;
    done = true;
    action();
  };
  const run = (): void => {
    if (done) throw new LockstepError("INTERNAL", message);
    runIfNot();
  };
  return { run, runIfNot };
}
