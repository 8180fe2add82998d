/**
 * Which workers are inside native code. Through the binding of the native runtime, a process that exits, or terminates
 * a worker, while that worker is inside a native run aborts (exit code 134), whatever code it meant to return. So
 * workers say when they are, and the pool's `exit` hook waits. Through its C interface runs are ended instead, and
 * nobody waits.
 *
 * State: STOP     an abort word: live → aborted once, by the hook; no native run may begin any more
 *        RUNS[i]  a counter: how many native runs worker i is in (nested or interleaved ones count)
 *
 * The worker adds 1 to its counter, then reads STOP; the hook aborts STOP, then waits for the counters. All of it is
 * sequentially consistent, so at least one of them sees the other: a run either is refused (its count taken back,
 * SHUTTING_DOWN) or is waited for. A worker that dies while counted is cleared by itself (its own exit event) or by the
 * pool once it sees the death.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { AbortWord, Counter, type AbortHandle, type CounterHandle } from "../sync/index.ts";

export interface BusyHandle {
  readonly stop: AbortHandle;
  /** One for each worker. */
  readonly runs: readonly CounterHandle[];
}

export class BusyRuns {
  readonly handle: BusyHandle;
  readonly #stop: AbortWord;
  readonly #runs: readonly Counter[];

  private constructor(handle: BusyHandle) {
    this.handle = handle;
    this.#stop = AbortWord.attach(handle.stop);
    this.#runs = handle.runs.map((run) => Counter.attach(run));
  }

  static create(workers: number): BusyRuns {
    return new BusyRuns({
      stop: AbortWord.create().handle,
      runs: Array.from({ length: workers }, () => Counter.create().handle),
    });
  }

  static attach(handle: BusyHandle): BusyRuns {
    return new BusyRuns(handle);
  }

  /** Runs `fn` as a native run of this worker. Throws SHUTTING_DOWN without running it once `stopAndWait` has begun. */
  async mark<T>(worker: number, fn: () => T | Promise<T>): Promise<T> {
    const runs = this.#of(worker);
    runs.add(1);
    try {
      if (this.#stop.reason !== null)
        throw new LockstepError("SHUTTING_DOWN", "the process is exiting: no further native run begins");
      return await fn();
    } finally {
      runs.add(-1);
    }
  }

  /** How many native runs the worker is in. */
  count(worker: number): number {
    return this.#of(worker).value;
  }

  /** The worker has ended, or is about to with nothing more to run: whatever it was in is over. */
  clear(worker: number): void {
    const runs = this.#of(worker);
    runs.add(-runs.value);
  }

  /** Forbids new native runs. */
  stop(): void {
    this.#stop.abort("CANCELLED");
  }

  /**
   * Forbids new native runs and blocks until none is left, or until the limit, in milliseconds. Returns how many
   * workers are still inside.
   */
  stopAndWait(limitMs: number): number {
    this.stop();
    const deadline = performance.now() + limitMs;
    return this.#runs.filter((runs) => !ended(runs, deadline)).length;
  }

  #of(worker: number): Counter {
    const runs = this.#runs[worker];
    if (runs === undefined)
      throw new LockstepError("INTERNAL", `there are ${this.#runs.length} workers, so none has the number ${worker}`, {
        worker,
        workers: this.#runs.length,
      });
    return runs;
  }
}

function ended(runs: Counter, deadline: number): boolean {
  try {
    runs.waitZero({ timeoutMs: Math.max(0, deadline - performance.now()) });
    return true;
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "TIMEOUT") return false;
    throw thrown;
  }
}
