/** Starts worker threads on scenarios and collects what they say. */
import { Worker } from "node:worker_threads";
import type { Scenario } from "./thread.ts";

export interface Outcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

export interface Started {
  readonly worker: Worker;
  readonly outcome: Promise<Outcome>;
}

/** `file` is beside this one. */
export function startIn(file: string, workerData: unknown): Started {
  const worker = new Worker(new URL(file, import.meta.url), { workerData });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, outcome };
}

export function start(scenario: Scenario): Started {
  return startIn("./thread.ts", scenario);
}

export function runAll(scenarios: readonly Scenario[]): Promise<Outcome[]> {
  return Promise.all(scenarios.map((scenario) => start(scenario).outcome));
}

export function shared(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}
