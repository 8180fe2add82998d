/**
 * P3: the recipe decides the weights, threads decide only how long it takes. Weights and optimizer state are compared
 * after every step.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RecipeInput } from "../../src/work/train/index.ts";
import { digestsOf, SMALL, smallInput } from "./small.ts";

test("weights and optimizer state after every step are the same for 1 and 3 threads", async (t) => {
  // Few rows: some steps of each phase are enough to differ. More threads, and the portable profile, are in
  // threads.long.test.ts.
  const input = await smallInput(SMALL, 64);
  const alone = await digestsOf(input, { threads: 1 });
  assert.ok(alone.digests.length >= 4);
  assert.equal(new Set(alone.digests).size, alone.digests.length, "every step changes the state");
  assert.deepEqual((await digestsOf(input, { threads: 3 })).digests, alone.digests);
  t.diagnostic(`${alone.digests.length} steps, last state ${alone.digests.at(-1)}`);
});

test("another seed, or another number of shards, gives other weights: the comparison can fail", async () => {
  const last = async (change: RecipeInput) =>
    (
      await digestsOf(await smallInput({ ...SMALL, finetune: { ...SMALL.finetune, epochs: 0 }, ...change }, 48), {
        threads: 1,
      })
    ).digests.at(-1);
  const base = await last({});
  assert.ok(base);
  assert.equal(await last({}), base);
  assert.notEqual(await last({ seed: 8 }), base);
  assert.notEqual(await last({ pretrain: { ...SMALL.pretrain, shards: 4 } }), base);
});

test("training lowers the loss", async () => {
  const { losses } = await digestsOf(
    await smallInput({
      ...SMALL,
      pretrain: { ...SMALL.pretrain, epochs: 4 },
      finetune: { ...SMALL.finetune, epochs: 0 },
    }),
    { threads: 2 },
  );
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  assert.ok(
    mean(losses.slice(-4)) < 0.95 * mean(losses.slice(0, 4)),
    `${losses.slice(0, 4).join(", ")} … ${losses.slice(-4).join(", ")}`,
  );
});
