/** A cancelled request's native run is ended, not waited for; and no other run is hurt by it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseNative } from "../../src/numeric/runtime/index.ts";
import { abortAtRandom, openChain } from "./cancel.ts";

const { interface: reached } = await chooseNative();

test("runs that are aborted at random instants end, and the others give their bits", async () => {
  const pool = await openChain(150);
  const started = performance.now();
  await pool.request(0, { kind: "run", seed: 2 });
  const ended = await abortAtRandom(pool, 20, performance.now() - started);
  await pool.close();
  // through the binding a run is never ended: all of them come back whole
  assert.equal(ended.length > 5, reached === "c-api", `${ended.length} of 20`);
});
