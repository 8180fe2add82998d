/**
 * Native runs ended at random instants, and workers terminated inside them: the process lives, its memory is flat, and
 * every answer has its bits. LOCKSTEP_ENDS says how many of each (80 if unset).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { abortAtRandom, openChain } from "./cancel.ts";
import { terminateInside } from "./terminated.ts";

const ENDS = Number(process.env["LOCKSTEP_ENDS"] ?? 80);

test(`${ENDS} runs aborted at random instants`, async (t) => {
  const pool = await openChain(300);
  const started = performance.now();
  await pool.request(0, { kind: "run", seed: 2 });
  const whole = performance.now() - started;
  const ended = (await abortAtRandom(pool, ENDS, whole)).sort((a, b) => a - b);
  await pool.close();
  assert.ok(ended.length > ENDS / 4, `${ended.length} of ${ENDS}`);
  const at = (share: number): string => (ended[Math.floor(share * (ended.length - 1))] as number).toFixed(1);
  t.diagnostic(`a run of ${whole.toFixed(0)} ms; let go after ms: median ${at(0.5)}, p99 ${at(0.99)}, most ${at(1)}`);
});

test(`${ENDS} workers terminated inside a run`, async (t) => {
  const resident = await terminateInside(ENDS);
  const [early, late] = [resident[19]!, resident.at(-1)!];
  t.diagnostic(`resident MiB after 20 of them ${early.toFixed(0)}, in the end ${late.toFixed(0)}`);
  // Each had a session, its arena and the weights of the chain: far more than this, had it been left behind.
  assert.ok(late - early < (ENDS - 20) * 0.5, resident.map((mib) => mib.toFixed(0)).join(" "));
});
