/**
 * P3: the recipe decides the weights, threads decide only how long it takes. Every thread count, weights and optimizer
 * state compared after every step. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestsOf, SMALL, smallInput, threadCounts } from "./small.ts";

const COUNTS = { native: [2, 3, 4, 8], portable: threadCounts([5]) };

for (const executor of ["native", "portable"] as const) {
  const counts = COUNTS[executor];
  test(`${executor}: weights and state after each step are the same for 1, ${counts.join(", ")} threads`, async (t) => {
    const input = await smallInput({ ...SMALL, executor }, 64);
    const alone = await digestsOf(input, { threads: 1 });
    assert.ok(alone.digests.length >= 4);
    assert.equal(new Set(alone.digests).size, alone.digests.length, "every step changes the state");
    for (const threads of counts)
      assert.deepEqual((await digestsOf(input, { threads })).digests, alone.digests, `${threads} threads`);
    t.diagnostic(`${alone.digests.length} steps, last state ${alone.digests.at(-1)}`);
  });
}
