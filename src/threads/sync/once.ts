/**
 * Once: one thread does something, all others wait until it is done, and nobody does it again. What it makes lies
 * elsewhere, in memory of the caller's; this object knows only whether it is done.
 *
 * Words: 0 STATE  0: nobody runs it · OWNER: threadId + 1 of the thread that runs it, at most 2^23 − 1, written by the
 *                 compare-and-set that takes it
 *                 DONE · DIED: whoever ran it last died inside
 *        1 ENDS   sequence word: changes whenever a run has ended in any way; waiters sleep here
 *
 * Transitions:
 *   0 → OWNER                 take: nobody runs it
 *   OWNER → DONE              it returned; final
 *   OWNER → 0                 it threw: the caller gets the error, and the next caller, a waiting one included, runs
 *                             its own function
 *   OWNER → DIED              `threadDied`
 *   DIED → OWNER              take by a caller that said `onOwnerDied: "retry"`; others get OWNER_DIED. If it throws:
 *                             back to DIED
 * Each end is followed by ENDS += 1 and a notification of all. Waiters read ENDS, then STATE, then sleep while ENDS is
 * the same: none is lost, and none has anything to pass on. An exception is no death: what a function has half done
 * when it throws is its own to clean up.
 *
 * Memory order: the change to DONE is sequentially consistent, and whoever returns has read it: all that the function
 * wrote is visible. Fairness: all waiters go on together after DONE; after a throw, whoever comes first takes it (a
 * failing run may be overtaken by any number). Death: between the function's end and DONE it counts as died inside.
 * Dead waiters leave nothing. As in Go's sync.Once and Rust's std::sync::Once (whose `call_once_force` is the retry
 * here), except that a throw leaves it new.
 */
import { threadId } from "node:worker_threads";
import { invariant, LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { callable, checkedThreadId, oneOf } from "./arguments.ts";
import { OwnerDiedError, type Supervised } from "./owner-died.ts";
import { tellAll } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const STATE = 0;
const ENDS = 1;
const MOST_OWNERS = 0x7f_ffff;
const DONE = 1 << 23;
const DIED = 1 << 24;
const WHAT = "waiting for what is done once";

export type OnceHandle = SyncHandle<"once">;

export interface OnceRun {
  /** A thread has died inside before this run: begin by cleaning up. Only with `onOwnerDied: "retry"`. */
  readonly ownerDied: boolean;
}

export interface OnceOptions extends WaitOptions {
  /**
   * What to do if the thread that ran it last died inside: throw OWNER_DIED, or run it again (`run.ownerDied` says so).
   * @default "throw"
   */
  readonly onOwnerDied?: "throw" | "retry";
}

export interface AsyncOnceOptions extends OnceOptions, AsyncWaitOptions {}

export class Once implements Supervised, Wakeable {
  readonly handle: OnceHandle;
  readonly #words: Words;
  readonly #self: number;

  private constructor(handle: OnceHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "once", 2);
    this.#self = threadId + 1;
    invariant(this.#self <= MOST_OWNERS, "thread ids are exhausted");
  }

  static create(): Once {
    return new Once({ kind: "once", words: allocateWords(2) });
  }

  static attach(handle: OnceHandle): Once {
    return new Once(handle);
  }

  get done(): boolean {
    return load(this.#words, STATE) === DONE;
  }

  /**
   * Returns when it is done; true if this call did it. Blocks while another thread does it. Throws what `work` throws,
   * if this call ran it; OWNER_DIED; TIMEOUT and the abort's reason, for waiting only; DEADLOCK if this thread is
   * running it already.
   */
  run(work: (run: OnceRun) => void, options: OnceOptions = {}): boolean {
    callable("what is done once", work);
    const deadline = deadlineOf(options);
    if (options.onOwnerDied !== undefined) oneOf("onOwnerDied", options.onOwnerDied, ["throw", "retry"]);
    for (;;) {
      const ends = load(this.#words, ENDS);
      const state = this.#take(options);
      if (state === "done") return false;
      if (state !== "wait") return this.#perform(state, work);
      if (load(this.#words, STATE) === this.#self) {
        throw new LockstepError(
          "DEADLOCK",
          "this thread is doing it already, so to wait here for its end would never end; do not call it from " +
            "inside, and wait for an async run with runAsync",
          { thread: threadId },
        );
      }
      if (!sleep(this.#words, ENDS, ends, deadline, WHAT, options.abort)) throw timedOut(WHAT, options);
    }
  }

  /**
   * The same for a thread that must not block; `work` may be async. Called from inside `work` and awaited there, it
   * never settles.
   */
  async runAsync(work: (run: OnceRun) => void | Promise<void>, options: AsyncOnceOptions = {}): Promise<boolean> {
    callable("what is done once", work);
    const deadline = deadlineOf(options);
    if (options.onOwnerDied !== undefined) oneOf("onOwnerDied", options.onOwnerDied, ["throw", "retry"]);
    for (;;) {
      const ends = load(this.#words, ENDS);
      const state = this.#take(options);
      if (state === "done") return false;
      if (state !== "wait") return await this.#performAsync(state, work);
      if (!(await sleepAsync(this.#words, ENDS, ends, deadline, WHAT, options.signal, options.abort)))
        throw timedOut(WHAT, options);
    }
  }

  wakeAll(): void {
    tellAll(this.#words, ENDS);
  }

  /** For the supervisor. True: the dead thread was doing it; the next caller gets OWNER_DIED or does it again. */
  threadDied(deadThreadId: number): boolean {
    const owned = cas(this.#words, STATE, checkedThreadId(deadThreadId) + 1, DIED);
    this.wakeAll();
    return owned;
  }

  /** The run, if it is this caller's. */
  #take(options: OnceOptions): "done" | "wait" | OnceRun {
    for (;;) {
      const state = load(this.#words, STATE);
      if (state === DONE) return "done";
      if (state !== 0 && state !== DIED) return "wait";
      if (state === DIED && options.onOwnerDied !== "retry")
        throw new OwnerDiedError("what is done once", `do it again (onOwnerDied: "retry")`);
      if (cas(this.#words, STATE, state, this.#self)) return { ownerDied: state === DIED };
    }
  }

  #perform(run: OnceRun, work: (run: OnceRun) => void): true {
    try {
      work(run);
    } catch (thrown) {
      this.#end(run.ownerDied ? DIED : 0);
      throw thrown;
    }
    this.#end(DONE);
    return true;
  }

  async #performAsync(run: OnceRun, work: (run: OnceRun) => void | Promise<void>): Promise<true> {
    try {
      await work(run);
    } catch (thrown) {
      this.#end(run.ownerDied ? DIED : 0);
      throw thrown;
    }
    this.#end(DONE);
    return true;
  }

  #end(state: number): void {
    Atomics.store(this.#words, STATE, state);
    this.wakeAll();
  }
}
