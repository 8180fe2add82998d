/**
 * The portable profile: plain WebAssembly, no relaxed SIMD, so its weights are the same on every machine, and here is their hash. And one
 * version served in both profiles answers alike.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadModel, train } from "../../src/edge/api/index.ts";
import { readTable } from "../../src/language/data/index.ts";
import { TABLE, TINY, tinyStore } from "../stress/tiny-store.ts";

/** Holds for this release of the library and its .wasm; another one may round otherwise, and then gets a hash of its own. */
const STORED = { build: "onnxruntime-web 1.30.0, wasm 3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2, lowering 1", weights: "9ab35c4f357daae1bb41463015c0ff2d955da50cc174849fcb596155d8bd90e9" };

test("training in the portable profile gives the stored weights", async (t) => {
  await using tiny = await tinyStore([]);
  const { weightsSha256, steps } = await train({ ...TINY, executor: "portable", seed: 5, pretrain: { epochs: 1, batch_size: 16, shards: 2, learning_rate: 5e-3 } }, { out: tiny.store, threads: 1 });
  await using model = await loadModel(tiny.store, { threads: 1 });
  t.diagnostic(`${steps} steps, weights ${weightsSha256}, ${model.profile.build}`);
  assert.equal(model.profile.cpu, "any");
  assert.equal(model.profile.build, STORED.build, "train with this release and store its hash");
  assert.equal(weightsSha256, STORED.weights);
});

test("one version, native and portable: the same labels, probabilities within 1e-4", async (t) => {
  await using tiny = await tinyStore([4]);
  const { texts } = await readTable(TABLE);
  await using native = await loadModel(tiny.store, { executor: "native", threads: 1 });
  await using portable = await loadModel(tiny.store, { executor: "portable", threads: 1 });
  assert.notEqual(native.profile.id, portable.profile.id);
  const [first, second] = await Promise.all([native.classify(texts), portable.classify(texts)]);
  let largest = 0;
  first.forEach(({ label, top }, row) => {
    const other = second[row]!;
    assert.equal(other.label, label);
    for (const { label: name, probability } of top) largest = Math.max(largest, Math.abs(probability - (other.top.find((one) => one.label === name)?.probability ?? NaN)));
  });
  t.diagnostic(`${texts.length} texts, largest difference of a probability ${largest.toExponential(2)}`);
  assert.ok(largest <= 1e-4);
});
