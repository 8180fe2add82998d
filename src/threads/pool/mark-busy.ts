/**
 * Marking native runs where the code that runs does not know its pool: a worker's place in it is found in what the
 * thread was started with.
 */
import { workerData } from "node:worker_threads";
import { BusyRuns } from "./busy.ts";
import { isPoolWorkerData } from "./protocol.ts";

/** This thread's place in its pool, if it is a pool's worker. */
const here = isPoolWorkerData(workerData)
  ? { busy: BusyRuns.attach(workerData.lockstepPool.busy), worker: workerData.lockstepPool.index }
  : null;

/**
 * Runs `fn`, which enters native code (a session's run, creation or release), so that the process does not exit under
 * it. Outside of a pool's worker it just runs it. Throws SHUTTING_DOWN without running it when the process is already
 * exiting.
 */
export async function markBusy<T>(fn: () => T | Promise<T>): Promise<T> {
  return here === null ? await fn() : await here.busy.mark(here.worker, fn);
}
