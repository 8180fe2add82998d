/** Starts worker threads on the scenarios of holders-thread.ts. */
import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import type { HolderScenario } from "./holders-thread.ts";

export interface Outcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

export interface Running {
  readonly worker: Worker;
  readonly threadId: number;
  readonly outcome: Promise<Outcome>;
}

export function start(scenario: HolderScenario): Running {
  const worker = new Worker(new URL("./holders-thread.ts", import.meta.url), { workerData: scenario });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, threadId: worker.threadId, outcome };
}

export function cellsOf(length = 4): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

/**
 * Resolves once `count` threads have said that they have arrived, and some more time has passed: they sleep by then.
 */
export async function arrivals(cells: Int32Array<SharedArrayBuffer>, count: number, settleMs = 60): Promise<void> {
  while (Atomics.load(cells, 0) < count) await delay(1);
  await delay(settleMs);
}

/** Ends a thread wherever it is. Returns the threadId that it had. */
export async function kill(running: Running): Promise<number> {
  const { threadId } = running;
  await running.worker.terminate();
  return threadId;
}

export const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;

export async function value(running: Running): Promise<unknown> {
  const outcome = await running.outcome;
  assert.equal(outcome.code, undefined, JSON.stringify(outcome));
  return outcome.value;
}
