/** Starts worker threads on scenarios of cells-thread.ts and collects what they say. */
import { Worker } from "node:worker_threads";
import type { CellScenario } from "./cells-thread.ts";

export interface Outcome {
  readonly value?: unknown;
  readonly code?: string;
  readonly message?: string;
}

export function start(scenario: CellScenario): { readonly worker: Worker; readonly outcome: Promise<Outcome> } {
  const worker = new Worker(new URL("./cells-thread.ts", import.meta.url), { workerData: scenario });
  const outcome = new Promise<Outcome>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  return { worker, outcome };
}

/** The worker is gone, and was told of; resolves with its threadId as it was. */
export async function kill(worker: Worker): Promise<number> {
  const { threadId } = worker;
  await worker.terminate();
  return threadId;
}

export const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;
