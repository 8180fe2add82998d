/** What the quick and the long test of cancelled native runs share. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isLockstepError } from "../../src/base/index.ts";
import { nativeScopes } from "../../src/numeric/runtime/index.ts";
import { createPool, type Pool } from "../../src/threads/pool/index.ts";
import type { ChainReply, ChainRun } from "./chain-worker.ts";

export async function openChain(links: number, onRunning: () => void = () => {}): Promise<Pool<ChainRun, ChainReply>> {
  const pool: Pool<ChainRun, ChainReply> = createPool({
    entry: new URL("./chain-worker.ts", import.meta.url),
    size: 1,
    name: "chain",
    workerData: { links },
    scope: await nativeScopes("native"),
    onEvent: onRunning,
  });
  await pool.ready();
  return pool;
}

/** Milliseconds from each abort until the worker had let go, for runs that were ended. */
export async function abortAtRandom(pool: Pool<ChainRun, ChainReply>, times: number, wholeMs: number) {
  const expected = (await pool.request(0, { kind: "run", seed: 1 })).sha256;
  const ended: number[] = [];
  for (let i = 0; i < times; i++) {
    const controller = new AbortController();
    const cancelled = pool.request(0, { kind: "run", seed: 2 }, { signal: controller.signal }).then(
      () => undefined,
      (thrown: unknown) => {
        assert.ok(isLockstepError(thrown) && thrown.code === "CANCELLED", String(thrown));
        return performance.now();
      },
    );
    // Comes after it in the same worker: whatever is interrupted, its answer is right.
    const next = i % 3 === 0 ? pool.request(0, { kind: "run", seed: 1 }) : undefined;
    await sleep((wholeMs * ((i * 0.618) % 1) * 11) / 10);
    const aborted = performance.now();
    controller.abort();
    const at = await cancelled;
    if (at !== undefined) ended.push(at - aborted);
    if (next !== undefined) assert.equal((await next).sha256, expected);
  }
  assert.equal((await pool.request(0, { kind: "run", seed: 1 })).sha256, expected);
  return ended;
}
