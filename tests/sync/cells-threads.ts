/** Starts worker threads on scenarios of cells-thread.ts and collects what they say. */
import type { Worker } from "node:worker_threads";
import type { CellScenario } from "./cells-thread.ts";
import { startIn, type Started } from "./threads.ts";

export function start(scenario: CellScenario): Started {
  return startIn("./cells-thread.ts", scenario);
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
