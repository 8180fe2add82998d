/** The native library's reports to its maker are off before any thread can load it, or it is not loaded. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import "../../src/numeric/runtime/index.ts";

async function answer(env: NodeJS.ProcessEnv): Promise<unknown> {
  const worker = new Worker(new URL("./telemetry-worker.ts", import.meta.url), { env });
  const [said] = (await once(worker, "message")) as [unknown];
  await worker.terminate();
  return said;
}

test("importing the runtime on the main thread turns them off, also for its workers", async () => {
  assert.equal(process.env["ORT_DISABLE_TELEMETRY"], "1");
  assert.equal(process.env["ORT_GQA_DISABLE_FLASH_ATTENTION"], "1");
  assert.equal(await answer(process.env), "loaded");
});

test("through the C interface a worker turns them off itself, whatever its environment says", async () => {
  const { ORT_DISABLE_TELEMETRY: _, LOCKSTEP_NATIVE: __, ...without } = process.env;
  assert.equal(await answer({ ...without, LOCKSTEP_NATIVE: "c-api" }), "loaded");
});

test("through the binding a worker of a process that has not turned them off is refused, and told how", async () => {
  const { ORT_DISABLE_TELEMETRY: _, ...without } = process.env;
  assert.match(
    String(await answer({ ...without, LOCKSTEP_NATIVE: "binding" })),
    /^RUNTIME_FAILED .*ORT_DISABLE_TELEMETRY=1/,
  );
});

test("so is attention that depends on neighbours: a worker that cannot turn it off is refused", async () => {
  const { ORT_GQA_DISABLE_FLASH_ATTENTION: _, ...without } = process.env;
  assert.match(
    String(await answer({ ...without, LOCKSTEP_NATIVE: "binding" })),
    /^RUNTIME_FAILED .*ORT_GQA_DISABLE_FLASH_ATTENTION=1/,
  );
});
