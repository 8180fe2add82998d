/** Starts worker threads on scenarios and collects what they say. */
import { Worker } from "node:worker_threads";
import type { Scenario } from "./thread.ts";

export interface Outcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

export function start(scenario: Scenario): {
  readonly worker: Worker;
  readonly outcome: Promise<Outcome>;
} {
  const worker = new Worker(new URL("./thread.ts", import.meta.url), {
    workerData: scenario,
  });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, outcome };
}

export function runAll(scenarios: readonly Scenario[]): Promise<Outcome[]> {
  return Promise.all(scenarios.map((scenario) => start(scenario).outcome));
}

export function shared(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}
