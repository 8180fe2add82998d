/**
 * A training that cannot go on: a typed error, no thread left waiting, and nothing half done. Dying threads are in
 * failures.long.test.ts.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import { initializeParameters } from "../../src/language/models/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { Phase } from "../../src/work/train/phase.ts";
import { SMALL, smallInput } from "./small.ts";

test("a loss that is not finite is NON_FINITE in every worker alike, before any weight is touched", async () => {
  const { recipe, config, special, names: all, datasets } = await smallInput(SMALL, 48);
  const names = all.at(-1)!;
  const { train: examples, ...dataset } = datasets[0]!;
  const phase = recipe.phases.at(-1)!;
  const model = { phase, config, labels: names.length, pooling: "mean" } as const;
  const weights = initializeParameters(Phase.parametersOf(model), 0.02, seedFrom(1));
  weights.get("classifier.weight")!.data.fill(3e38);
  const opened = await Phase.open({
    ...model,
    name: "1/1 classify",
    executor: "native",
    special,
    names,
    data: { ...dataset, examples },
    threads: 3,
    weights,
    plan: { batchSize: phase.batch_size, shards: 8, epochs: 1, seed: seedFrom(2) },
    onStep: () => assert.fail("no step is done"),
  });
  try {
    const before = opened.stateDigest();
    await assert.rejects(opened.train(0, 1), {
      code: "NON_FINITE",
      message: /at step 0, first in shard 0.*learning_rate/,
    });
    assert.equal(opened.stateDigest(), before);
  } finally {
    await opened.close();
  }
});

test("when one worker fails, its error is the one that is reported", async () => {
  const input = await smallInput({ ...SMALL, finetune: { ...SMALL.finetune, epochs: 0 } }, 48);
  const [dataset] = input.datasets;
  const ids = new Int32Array(new SharedArrayBuffer(dataset!.ids.byteLength));
  ids.set(dataset!.ids);
  // beyond the vocabulary: the shard that holds it cannot be computed
  ids[dataset!.offsets[dataset!.train[3]!]! + 1] = 100_000;
  const datasets = input.datasets.map((one) => ({ ...one, ids }));
  await assert.rejects(runTraining({ ...input, datasets }, { threads: 3 }), {
    code: "INPUT_INVALID",
    message: /100000/,
  });
});
