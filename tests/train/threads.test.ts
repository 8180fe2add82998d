/** P3: the recipe decides the weights, threads decide only how long it takes. Weights and optimizer state are compared after every step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { digestsOf, SMALL, smallInput } from "./small.ts";

for (const executor of ["native", "portable"] as const) {
  test(`${executor}: weights and optimizer state after every step are the same for 1, 2, 3, 4 and 8 threads`, async (t) => {
    const input = await smallInput({ ...SMALL, executor }, executor === "native" ? 160 : 64);
    const alone = await digestsOf(input, { threads: 1 });
    assert.ok(alone.digests.length >= 4);
    assert.equal(new Set(alone.digests).size, alone.digests.length, "every step changes the state");
    for (const threads of [2, 3, 4, 8]) assert.deepEqual((await digestsOf(input, { threads })).digests, alone.digests, `${threads} threads`);
    t.diagnostic(`${alone.digests.length} steps, last state ${alone.digests.at(-1)}`);
  });
}

test("another seed, or another number of shards, gives other weights: the comparison can fail", async () => {
  const base = await digestsOf(await smallInput(SMALL, 64), { threads: 2 });
  const seed = await digestsOf(await smallInput({ ...SMALL, seed: 8 }, 64), { threads: 2 });
  const shards = await digestsOf(await smallInput({ ...SMALL, pretrain: { ...SMALL.pretrain, shards: 4 } }, 64), { threads: 2 });
  assert.notEqual(seed.digests.at(-1), base.digests.at(-1));
  assert.notEqual(shards.digests.at(-1), base.digests.at(-1));
});

test("training lowers the loss", async () => {
  const { losses } = await digestsOf(await smallInput({ ...SMALL, pretrain: { ...SMALL.pretrain, epochs: 4 }, finetune: { ...SMALL.finetune, epochs: 0 } }), { threads: 2 });
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(mean(losses.slice(-4)) < 0.95 * mean(losses.slice(0, 4)), `${losses.slice(0, 4).join(", ")} … ${losses.slice(-4).join(", ")}`);
});
