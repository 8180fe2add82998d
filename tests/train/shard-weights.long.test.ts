/**
 * Weights of shards: every policy gives the same states for any number of threads and over an interruption. And
 * checkpoints of before recipes had phases.
 */
import assert from "node:assert/strict";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { loadLatestCheckpoint, saveCheckpoint } from "../../src/work/store/index.ts";
import { recipeHashBefore, runTraining, type RecipeInput } from "../../src/work/train/index.ts";
import { SHARD_WEIGHTS, type ShardWeights } from "../../src/work/train/shard-weights.ts";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf, SMALL, smallInput } from "./small.ts";

function recipeWith(shard_weights: ShardWeights): RecipeInput {
  const { finetune } = SMALL;
  return { ...SMALL, phases: [{ objective: "classify", ...finetune, shard_weights }], pretrain: undefined };
}

test("every policy: the same states for 1, 2, 3, 4, 8 threads and over an interruption", async () => {
  const last = new Map<ShardWeights, string>();
  for (const policy of SHARD_WEIGHTS) {
    const input = await smallInput(recipeWith(policy), 80);
    const alone = await digestsOf(input, { threads: 1 });
    assert.equal(new Set(alone.digests).size, alone.digests.length);
    for (const threads of [2, 3, 4, 8])
      assert.deepEqual((await digestsOf(input, { threads })).digests, alone.digests, `${policy}, ${threads} threads`);
    assert.equal((await interruptedOnce(input, 2)).stateDigest, alone.digests.at(-1), policy);
    last.set(policy, alone.digests.at(-1)!);
  }
  // A class a text: as many losses as examples.
  assert.equal(last.get("examples"), last.get("size"));
  assert.equal(new Set(last.values()).size, SHARD_WEIGHTS.length - 1);
});

test("a checkpoint of before recipes had phases is gone on with", async () => {
  const input = await smallInput(SMALL, 48);
  const whole = await runTraining(input, { threads: 1 });
  const before = recipeHashBefore(input.recipe);
  assert.ok(before);
  const resumed = await interruptedOnce(input, 1, async (folder) => {
    const { meta, step, buffers } = (await loadLatestCheckpoint(folder))!;
    for (const name of await readdir(folder)) await rename(join(folder, name), join(folder, `${name}.old`));
    await saveCheckpoint(folder, { step, buffers, meta: { ...(meta as object), recipe: before } });
  });
  assert.equal(resumed.stateDigest, whole.stateDigest);
});
