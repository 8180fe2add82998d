/**
 * Weights of shards: every policy gives the same states for any number of threads and over an interruption. And
 * checkpoints of before recipes had phases. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { loadLatestCheckpoint, saveCheckpoint } from "../../src/work/store/index.ts";
import { train } from "../../src/edge/api/index.ts";
import { pause } from "../../src/threads/sync/index.ts";
import {
  recipeHashBefore,
  runTraining,
  type RecipeInput,
  type ShardWeightFunction,
} from "../../src/work/train/index.ts";
import { SHARD_WEIGHTS, type ShardWeights } from "../../src/work/train/shard-weights.ts";
import { curriculum, sparing } from "./asked-weights.ts";
import { asking, BRIEF } from "./brief.ts";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf, SMALL, smallInput, threadCounts } from "./small.ts";

const FUNCTIONS = { "curriculum/1": curriculum, "sparing/1": sparing };
const POLICIES: readonly ShardWeights[] = [
  ...SHARD_WEIGHTS,
  ...Object.keys(FUNCTIONS).map((name) => ({ function: name })),
];

function recipeWith(shard_weights: ShardWeights): RecipeInput {
  const { finetune } = SMALL;
  return { ...SMALL, phases: [{ objective: "classify", ...finetune, shard_weights }], pretrain: undefined };
}

/** The last state by policy. */
const last = new Map<string, string>();

for (const policy of POLICIES) {
  const name = JSON.stringify(policy);
  test(`${name}: the same states for any number of threads and over an interruption`, async () => {
    const named = Object.entries(FUNCTIONS).filter(([own]) => typeof policy !== "string" && policy.function === own);
    const run = { shardWeights: Object.fromEntries(named) };
    const input = await smallInput(recipeWith(policy), 80);
    const alone = await digestsOf(input, { threads: 1, ...run });
    assert.equal(new Set(alone.digests).size, alone.digests.length);
    for (const threads of threadCounts([5]))
      assert.deepEqual((await digestsOf(input, { threads, ...run })).digests, alone.digests, `${threads} threads`);
    assert.equal((await interruptedOnce(input, 2, run)).stateDigest, alone.digests.at(-1));
    last.set(name, alone.digests.at(-1)!);
  });
}

test("policies come to states of their own, but for examples and size, where an example has one loss", () => {
  assert.equal(last.size, POLICIES.length);
  assert.equal(last.get('"examples"'), last.get('"size"'));
  assert.equal(new Set(last.values()).size, POLICIES.length - 1);
});

test("a function's name is in the recipe and its hash, and nothing else goes by it", async (t) => {
  const out = await mkdtemp(join(tmpdir(), "lockstep-asked-"));
  t.after(() => rm(out, { recursive: true, force: true }));
  const trained = async (name: string) =>
    await train({ ...BRIEF, ...asking(name) }, { out, shardWeights: { [name]: curriculum } });
  const [one, two] = [await trained("one"), await trained("two")];
  assert.deepEqual(one.recipe.phases[1]!.shard_weights, { function: "one" });
  assert.notEqual(one.recipeSha256, two.recipeSha256);
  assert.equal(one.stateSha256, two.stateSha256);
});

test("a function that takes long only slows, whatever waits for it", async () => {
  const input = await smallInput(recipeWith({ function: "slow" }), 64);
  const slow =
    (ms: number): ShardWeightFunction =>
    (figures) => {
      if (figures.step < 2) pause(ms);
      return curriculum(figures);
    };
  const alone = await runTraining(input, { threads: 1, shardWeights: { slow: slow(0) } });
  const slowed = await runTraining(input, { threads: 3, shardWeights: { slow: slow(2000) } });
  assert.equal(slowed.stateDigest, alone.stateDigest);
});

test("a checkpoint of before recipes had phases is gone on with", async () => {
  const input = await smallInput(SMALL, 48);
  const whole = await runTraining(input, { threads: 1 });
  const before = recipeHashBefore(input.recipe);
  assert.ok(before);
  const resumed = await interruptedOnce(input, 1, {}, async (folder) => {
    const { meta, step, buffers } = (await loadLatestCheckpoint(folder))!;
    for (const name of await readdir(folder)) await rename(join(folder, name), join(folder, `${name}.old`));
    await saveCheckpoint(folder, { step, buffers, meta: { ...(meta as object), recipe: before } });
  });
  assert.equal(resumed.stateDigest, whole.stateDigest);
});
