/**
 * The portable profile: plain WebAssembly, no relaxed SIMD, so its weights are the same on every machine, and here is
 * their hash. And one version served in both profiles answers alike. @concurrent
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { loadModel, train, type Model, type TrainInput, type TrainResult } from "../../src/edge/api/index.ts";
import { readTable } from "../../src/language/data/index.ts";
import { TABLE, tinyStore, type TinyStore } from "../stress/tiny-store.ts";

/**
 * Holds for this release of the library and its .wasm, with this lowering; another one may round otherwise, and then
 * gets hashes of its own.
 */
const STORED = {
  build: "onnxruntime-web 1.30.0, wasm 3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2, lowering 1",
  weights: "6eebaf2bef4cc9a5a3e2975024884769b5705346f6f6018852479912897d3518",
  /** Of the logits for `QUESTION`. */
  answer: "dd94302445ad8e0429779cd72827d01e7c7b1bf36a710ff31054119843d6ff4d",
};
const QUESTION = "Has the courier left my café order at the wrong door?";

const RATES = {
  batch_size: 16,
  shards: 4,
  head_multiplier: 2,
  warmup_ratio: 0.1,
  weight_decay: 0.01,
  adam_beta1: 0.9,
  adam_beta2: 0.98,
  adam_epsilon: 1e-8,
  max_grad_norm: 1,
  shard_weights: "size",
} as const;
/** Every field is given, so that no change of a default changes the hash. */
const PINNED: TrainInput = {
  data: TABLE,
  task: "classify",
  seed: 5,
  executor: "portable",
  max_tokens: 32,
  validation_fraction: 0.1,
  pooling: "mean",
  target_accuracy: null,
  model: {
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 96,
    initializer_range: 0.04,
  },
  tokenizer: { vocab_size: 256, min_frequency: 2, lowercase: true },
  hidden_dropout: 0.1,
  attention_dropout: 0.1,
  classifier_dropout: 0.1,
  pretrain: { ...RATES, epochs: 2, learning_rate: 3e-3, mask_rate: 0.15, mask_replacement: "any" },
  finetune: { ...RATES, epochs: 10, learning_rate: 5e-3, label_smoothing: 0.1, token_dropout: 0.1 },
};

let tiny: TinyStore;
let trained: TrainResult;
let portable: Model;

before(async () => {
  tiny = await tinyStore([]);
  trained = await train(PINNED, { out: tiny.store, threads: 2 }); // the hash was stored with one
  portable = await loadModel(tiny.store, { threads: 1 });
});
after(async () => {
  await portable.close();
  await tiny[Symbol.asyncDispose]();
});

test("training in the portable profile gives the stored weights, and they the stored answer", async (t) => {
  const { label, probability, digest } = await portable.classify(QUESTION);
  t.diagnostic(
    `${trained.steps} steps, weights ${trained.weightsSha256}, answer ${label} ${probability.toFixed(3)} ` +
      `${digest}, ${portable.profile.build}`,
  );
  assert.equal(portable.profile.cpu, "any");
  assert.equal(
    portable.profile.build,
    STORED.build,
    "another release of onnxruntime-web or another lowering: look at the other portable tests, then store the " +
      "hashes that this one prints",
  );
  const advice =
    "the same build gives other bits: something that decides them has changed (initial weights, sampling, " +
    "schedule, kernels …), or depends on the machine";
  assert.equal(trained.weightsSha256, STORED.weights, advice);
  assert.equal(digest, STORED.answer, advice);
});

test("one version, native and portable: the same labels, probabilities within 1e-4", async (t) => {
  const { texts } = await readTable(TABLE);
  await using native = await loadModel(tiny.store, { executor: "native", threads: 1 });
  assert.notEqual(native.profile.id, portable.profile.id);
  const [first, second] = await Promise.all([native.classify(texts), portable.classify(texts)]);
  let largest = 0;
  first.forEach(({ label, top }, row) => {
    const other = second[row]!;
    assert.equal(other.label, label);
    for (const { label: name, probability } of top)
      largest = Math.max(
        largest,
        Math.abs(probability - (other.top.find((one) => one.label === name)?.probability ?? NaN)),
      );
  });
  const sure = first.filter(({ probability }) => probability > 0.5).length;
  t.diagnostic(
    `${texts.length} texts, ${sure} answered with more than 0.5, largest difference of a probability ` +
      largest.toExponential(2),
  );
  assert.ok(largest <= 1e-4);
  assert.ok(sure > texts.length / 2, "a model that knows nothing would prove nothing");
});
