/** The rights to be inside a read-write lock, as objects that are let go once. */
import { LockstepError } from "../../base/index.ts";

/** The right to read. Released once, by `release` or at the end of a `using` block, in the thread that took it. */
export interface ReadGuard extends Disposable {
  /** Throws CONFLICT if it was released already. */
  release(): void;
}

/**
 * The right to write. Released once, by `release`, `poison`, `downgrade`, or at the end of a `using` block, in the
 * thread that took it.
 */
export interface WriteGuard extends Disposable {
  /**
   * It was broken when it was taken (only `writeForRepair` takes it then): make whole what it protects before you
   * release.
   */
  readonly broken: boolean;
  /** Throws CONFLICT if it was released already. */
  release(): void;
  /** Releases, but leaves the lock broken: `read` and `write` throw OWNER_DIED until `writeForRepair`. */
  poison(): void;
  /** Goes on as a reader, with no writer in between. Readers that wait come in too. */
  downgrade(): ReadGuard;
}

/** The ways out of one lock, by record; one object per lock, so that a guard costs one small allocation. */
export interface Exits {
  readonly read: (slot: number) => void;
  readonly write: (slot: number) => void;
  readonly poison: (slot: number) => void;
  /** From now on the record is a reader's. */
  readonly downgrade: (slot: number) => void;
}

class Held {
  readonly exits: Exits;
  #slot: number;

  constructor(exits: Exits, slot: number) {
    this.exits = exits;
    this.#slot = slot;
  }

  get held(): boolean {
    return this.#slot >= 0;
  }

  /** The record, which is the caller's to let go from now on. */
  take(): number {
    const slot = this.#slot;
    if (slot < 0)
      throw new LockstepError(
        "CONFLICT",
        "a guard of a read-write lock was released twice: `using` releases it already, and so do `poison` and " +
          "`downgrade`",
      );
    this.#slot = -1;
    return slot;
  }
}

export class HeldForReading extends Held implements ReadGuard {
  release(): void {
    this.exits.read(this.take());
  }

  [Symbol.dispose](): void {
    if (this.held) this.release();
  }
}

export class HeldForWriting extends Held implements WriteGuard {
  readonly broken: boolean;

  constructor(exits: Exits, slot: number, broken: boolean) {
    super(exits, slot);
    this.broken = broken;
  }

  release(): void {
    this.exits.write(this.take());
  }

  poison(): void {
    this.exits.poison(this.take());
  }

  downgrade(): ReadGuard {
    const slot = this.take();
    this.exits.downgrade(slot);
    return new HeldForReading(this.exits, slot);
  }

  [Symbol.dispose](): void {
    if (this.held) this.release();
  }
}
