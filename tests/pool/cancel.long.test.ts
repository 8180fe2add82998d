/**
 * Native runs ended at random instants, and workers terminated inside them: the process lives, its memory is flat, and
 * every answer has its bits.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { abortAtRandom, openChain } from "./cancel.ts";
import { terminateInside } from "./terminated.ts";

test("200 runs aborted at random instants", async (t) => {
  const pool = await openChain(300);
  const started = performance.now();
  await pool.request(0, { kind: "run", seed: 2 });
  const whole = performance.now() - started;
  const ended = (await abortAtRandom(pool, 200, whole)).sort((a, b) => a - b);
  await pool.close();
  assert.ok(ended.length > 50, `${ended.length} of 200`);
  const at = (share: number): string => (ended[Math.floor(share * (ended.length - 1))] as number).toFixed(1);
  t.diagnostic(`a run of ${whole.toFixed(0)} ms; let go after ms: median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`);
});

test("200 workers terminated inside a run", async (t) => {
  const resident = await terminateInside(200);
  t.diagnostic(`resident MiB after 20, 110, 200: ${[19, 109, 199].map((i) => resident[i]!.toFixed(0)).join(", ")}`);
  // Each had a session, its arena and the weights of the chain: far more than this, had it been left behind.
  assert.ok(resident[199]! - resident[19]! < 180 * 0.5, resident.map((mib) => mib.toFixed(0)).join(" "));
});
