/** The right to be inside a lock, as an object that is let go once. */
import { LockstepError } from "../../base/index.ts";

/** Released once: by `release`, by `poison`, or at the end of a `using` block. Only in the thread that took it. */
export interface MutexGuard extends Disposable {
  /**
   * It was broken when it was taken (only `lockForRepair` takes it then): make whole what it protects before you
   * release.
   */
  readonly broken: boolean;
  /** Throws CONFLICT if it was released already. */
  release(): void;
  /** Releases, but leaves the lock broken: the next taker gets OWNER_DIED until somebody repairs. */
  poison(): void;
}

/** How a lock is left; one object per lock, so that a guard costs one small allocation. */
export interface Exit {
  readonly release: () => void;
  readonly poison: () => void;
}

export class Guard implements MutexGuard {
  readonly broken: boolean;
  #exit: Exit | null;

  constructor(exit: Exit, broken: boolean) {
    this.#exit = exit;
    this.broken = broken;
  }

  release(): void {
    this.#leave().release();
  }

  poison(): void {
    this.#leave().poison();
  }

  [Symbol.dispose](): void {
    if (this.#exit !== null) this.release();
  }

  #leave(): Exit {
    const exit = this.#exit;
    if (exit === null)
      throw new LockstepError(
        "CONFLICT",
        "a mutex guard was released twice: `using` releases it already, and so does `poison`",
      );
    this.#exit = null;
    return exit;
  }
}
