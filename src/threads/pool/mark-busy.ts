/**
 * Native runs where the code that runs does not know its pool: a worker's place in it is found in what the thread was
 * started with, and the request that runs is told by the worker's loop.
 */
import { workerData } from "node:worker_threads";
import { isLockstepError, LockstepError } from "../../base/index.ts";
import type { AbortWord } from "../sync/index.ts";
import { BusyRuns } from "./busy.ts";
import { isPoolWorkerData } from "./protocol.ts";

/** This thread's place in its pool, if it is a pool's worker. */
const here = isPoolWorkerData(workerData)
  ? { busy: BusyRuns.attach(workerData.lockstepPool.busy), worker: workerData.lockstepPool.index }
  : null;

let request: AbortWord | null = null;

/** The request that native runs are for from now on; null: one that cannot be cancelled. */
export function runsBelongTo(abort: AbortWord | null): void {
  request = abort;
}

/**
 * Runs `fn`, which enters native code (a session's run, creation or release), so that the process does not exit under
 * it. Outside of a pool's worker it just runs it. A run that was interrupted for the sake of another request is run
 * again, so `fn` must give the same when it is run twice.
 * @throws SHUTTING_DOWN without running it when the process is already exiting; CANCELLED where its request was
 */
export async function markBusy<T>(fn: () => T | Promise<T>): Promise<T> {
  if (here === null) return await fn();
  for (;;) {
    if (request !== null && request.reason !== null)
      throw new LockstepError("CANCELLED", "the request was cancelled while it ran");
    try {
      return await here.busy.mark(here.worker, fn);
    } catch (thrown) {
      if (!isInterrupted(thrown)) throw thrown;
    }
  }
}

function isInterrupted(thrown: unknown): boolean {
  return isLockstepError(thrown) && thrown.code === "CANCELLED" && thrown.details["interrupted"] === true;
}
