/** What the quick and the long test of terminated workers share. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { nativeScopes } from "../../src/numeric/runtime/index.ts";

/** Starts workers that run for ever, ends each inside a run, and releases what it leaves. Resident MiB after each. */
export async function terminateInside(times: number): Promise<number[]> {
  const scopes = await nativeScopes("native");
  if (scopes === undefined) throw new Error("a worker is terminated inside a run through the C interface only");
  const resident: number[] = [];
  for (let i = 0; i < times; i++) {
    const scope = scopes();
    const worker = new Worker(new URL("./chain-worker.ts", import.meta.url), {
      workerData: { plain: { scope: scope.handle, links: 400 } },
    });
    await once(worker, "message");
    await sleep((i % 7) * 5);
    const ended = worker.terminate();
    scope.interrupt();
    await ended;
    scope.release();
    resident.push(process.memoryUsage.rss() / 2 ** 20);
  }
  return resident;
}
