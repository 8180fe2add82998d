/**
 * P3: the recipe decides the weights, threads decide only how long it takes. Every thread count, weights and optimizer
 * state compared after every step. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestsOf, SMALL, smallInput } from "./small.ts";

for (const executor of ["native", "portable"] as const) {
  test(`${executor}: weights and optimizer state after each step are the same for 1, 2, 3, 4, 8 threads`, async (t) => {
    const input = await smallInput({ ...SMALL, executor }, executor === "native" ? 96 : 64);
    const alone = await digestsOf(input, { threads: 1 });
    assert.ok(alone.digests.length >= 4);
    assert.equal(new Set(alone.digests).size, alone.digests.length, "every step changes the state");
    for (const threads of [2, 3, 4, 8])
      assert.deepEqual((await digestsOf(input, { threads })).digests, alone.digests, `${threads} threads`);
    t.diagnostic(`${alone.digests.length} steps, last state ${alone.digests.at(-1)}`);
  });
}
