/** Locks and unlocks, with the explorer's module loaded or not: nanoseconds of this thread's processor time for one. */
import { parentPort, workerData } from "node:worker_threads";
import { threadSeconds } from "./timing.ts";

const { withExplorer, times } = workerData as { readonly withExplorer: boolean; readonly times: number };
if (withExplorer) await import("../src/threads/explore/index.ts");
const { Mutex } = await import("../src/threads/sync/index.ts");
const mutex = Mutex.create();
const loop = (count: number): void => {
  for (let i = 0; i < count; i++) mutex.lock().release();
};
loop(times / 4);
const start = threadSeconds();
loop(times);
parentPort!.postMessage(((threadSeconds() - start) / times) * 1e9);
