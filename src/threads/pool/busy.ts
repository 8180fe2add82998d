/**
 * Which workers are inside native code. A process that exits, or terminates a worker, while that worker is inside a native run
 * aborts (exit code 134), whatever code it meant to return. So workers say when they are, and the pool's `exit` hook waits.
 *
 * Words: 0 STOP   0 → 1 once, by the hook: no native run may begin any more
 *        1 + i    how many native runs worker i is in (nested or interleaved ones count)
 *
 * The worker adds 1, then reads STOP; the hook stores STOP, then reads the counts. All four are sequentially consistent, so
 * at least one of them sees the other: a run either is refused (its count taken back, SHUTTING_DOWN) or is waited for.
 * A worker that dies while counted is cleared by itself (its own exit event) or by the pool once it sees the death.
 */
import { workerData } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";
import { isPoolWorkerData } from "./protocol.ts";

const STOP = 0;

export type BusyWords = Int32Array<SharedArrayBuffer>;

export function createBusyWords(size: number): BusyWords {
  return new Int32Array(new SharedArrayBuffer((1 + size) * Int32Array.BYTES_PER_ELEMENT));
}

/**
 * Runs `fn`, which enters native code (a session's run, creation or release), so that the process does not exit under it. Outside of a
 * pool's worker it just runs it. Throws SHUTTING_DOWN without running it when the process is already exiting.
 */
export async function markBusy<T>(fn: () => T | Promise<T>): Promise<T> {
  const data: unknown = workerData;
  if (!isPoolWorkerData(data)) return await fn();
  const { words, index } = data.lockstepPool;
  Atomics.add(words, 1 + index, 1);
  try {
    if (Atomics.load(words, STOP) !== 0) throw new LockstepError("SHUTTING_DOWN", "the process is exiting: no further native run begins");
    return await fn();
  } finally {
    Atomics.sub(words, 1 + index, 1);
    Atomics.notify(words, 1 + index);
  }
}

export function busyRuns(words: BusyWords, index: number): number {
  return Atomics.load(words, 1 + index);
}

/** The worker has ended: whatever it was in is over. */
export function clearBusy(words: BusyWords, index: number): void {
  Atomics.store(words, 1 + index, 0);
  Atomics.notify(words, 1 + index);
}

/** Forbids new native runs and blocks until none is left, or until the limit. Returns how many workers are still inside. */
export function stopAndWait(words: BusyWords, limitMs: number): number {
  Atomics.store(words, STOP, 1);
  const deadline = performance.now() + limitMs;
  let left = 0;
  for (let word = 1; word < words.length; word++) {
    for (let runs = Atomics.load(words, word); runs > 0; runs = Atomics.load(words, word)) {
      if (Atomics.wait(words, word, runs, Math.max(0, deadline - performance.now())) === "timed-out") {
        left++;
        break;
      }
    }
  }
  return left;
}
