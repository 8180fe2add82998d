/** Parts of objectives. What they learn, and P3 for each of them, is in objectives.long.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { initializeParameters, modelGraph, modelParameters, newModelConfig } from "../../src/language/models/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { entitiesOf } from "../../src/language/data/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";
import { objectiveOf } from "../../src/work/train/objectives/index.ts";
import { packed, packedWhole } from "../../src/work/train/packing.ts";
import { resolveRecipe } from "../../src/work/train/index.ts";

const TEXTS = [
  [5, 6, 7, 8, 9],
  [10, 11, 12],
  [13, 14, 15, 16, 17, 18, 19],
  [20, 21],
];

test("packing whole texts: each in the row before it where there is room, with the labels of its tokens", () => {
  const data = dataset(TEXTS);
  const labels = data.ids.map((id) => (id % 2 === 0 ? id : -100));
  const { ids, offsets, documents, labels: own, train } = packedWhole({ ...data, labels }, 9);
  assert.deepEqual([Array.from(ids), Array.from(own)], [TEXTS.flat(), Array.from(labels)]);
  assert.deepEqual(
    [Array.from(offsets), Array.from(train)],
    [
      [0, 8, 17],
      [0, 1],
    ],
  );
  assert.deepEqual(Array.from(documents!), [0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
});

const SIZES = {
  vocab_size: 24,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 32,
  max_position_embeddings: 32,
  initializer_range: 0.3,
  pad_token_id: 0,
};

/** Texts of tokens as a data set. */
function dataset(texts: readonly (readonly number[])[]) {
  let end = 0;
  return {
    ids: Int32Array.from(texts.flat()),
    offsets: Int32Array.of(0, ...texts.map(({ length }) => (end += length))),
    labels: new Int32Array(0),
    train: Int32Array.from(texts.keys()),
    validation: new Int32Array(0),
  };
}

test("packing: rows of one length, every token once, and each knows its text", () => {
  const { ids, offsets, documents, train } = packed(dataset(TEXTS), 6, { eos: -1 });
  assert.deepEqual(Array.from(ids), TEXTS.flat());
  assert.deepEqual(
    [Array.from(offsets), Array.from(train)],
    [
      [0, 6, 12, 17],
      [0, 1, 2],
    ],
  );
  assert.deepEqual(Array.from(documents!), [0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1]);
  assert.deepEqual(
    Array.from(packed(dataset(TEXTS), 9, { eos: 3 }).ids).slice(0, 10),
    [5, 6, 7, 8, 9, 3, 10, 11, 12, 3],
  );
});

test("packed texts are kept apart: their losses are those of the texts alone", async () => {
  const config = newModelConfig("gpt2", SIZES);
  const weights = Object.fromEntries(initializeParameters(modelParameters(config, { kind: "causal-lm" }), 0.3, [1, 2]));
  const lossesOf = async (texts: readonly (readonly number[])[], length: number, keep_apart: boolean) => {
    const { train: examples, ...data } = packed(dataset(texts), length, { eos: -1 });
    const phase = resolveRecipe({ phases: [{ objective: "causal-lm", keep_apart }] }).phases[0]!;
    const context = {
      phase,
      config,
      special: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: -1, eos: -1 },
      pooling: "mean",
      labels: 0,
      names: [],
      data: { ...data, examples },
      plan: { batchSize: 4, shards: 1, epochs: 1, seed: [1, 1] },
    } as const;
    const validation = objectiveOf(phase).validation!;
    const session = await executor.load(validation.program(context), { form: "shared", weights });
    const { inputs, outputs } = validation.batch(context, Array.from(examples));
    await session.run(inputs, outputs);
    await session.dispose();
    return Array.from(outputs["losses"]!.data);
  };
  const executor = await createExecutor("native");
  const together = await lossesOf(TEXTS, 20, true);
  const wanted: number[] = [];
  // two positions are computed at least
  for (const text of TEXTS) wanted.push(...(await lossesOf([text], 20, true)).slice(0, text.length - 1));
  const furthest = (losses: readonly number[]) => Math.max(...wanted.map((loss, i) => Math.abs(loss - losses[i]!)));
  assert.equal(together.length, 13);
  assert.ok(furthest(together) < 1e-5, together.join(" "));
  assert.ok(furthest(await lossesOf(TEXTS, 20, false)) > 1e-3, "where they see each other, they are others");
});

test("masked texts held out: loss, perplexity and share of right ones, whoever stands in the batch", async () => {
  const config = newModelConfig("bert", SIZES);
  const head = { kind: "masked-lm" } as const;
  const weights = Object.fromEntries(initializeParameters(modelParameters(config, head), 0.3, [1, 2]));
  const texts = Array.from({ length: 24 }, (_, i) =>
    Array.from({ length: 2 + (i % 7) }, (_, t) => 5 + ((7 * i + 3 * t) % 19)),
  );
  const { train: examples, ...data } = dataset(texts);
  const wordStarts = Uint8Array.from(data.ids, (_, at) => (at % 2 === 0 ? 1 : 0));
  const executor = await createExecutor("native");
  for (const whole_words of [undefined, true] as const) {
    const phase = resolveRecipe({ phases: [{ objective: "masked-lm", mask_rate: 0.6, whole_words }] }).phases[0]!;
    const context = {
      phase,
      config,
      special: { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: -1, eos: -1 },
      pooling: "mean",
      labels: 0,
      names: [],
      data: { ...data, wordStarts, examples },
      plan: { batchSize: 4, shards: 1, epochs: 1, seed: [1, 1] },
    } as const;
    const validation = objectiveOf(phase).validation!;
    const session = await executor.load(validation.program(context), { form: "shared", weights });
    const plain = await executor.load(modelGraph(config, head), { form: "shared", weights });
    const numbersOf = async (own: readonly number[]) => {
      const { inputs, outputs } = validation.batch(context, own);
      await session.run(inputs, outputs);
      return { inputs, numbers: Array.from(validation.read(context, own, outputs)) };
    };
    const { inputs, numbers } = await numbersOf([...examples]);
    const alone: number[] = [];
    for (const example of examples) alone.push(...(await numbersOf([example])).numbers);
    numbers.forEach((one, i) =>
      assert.ok(Math.abs(one - alone[i]!) < 1e-4, `${numbers.join(" ")}; ${alone.join(" ")}`),
    );

    const { labels, ...own } = inputs;
    const P = labels!.shape[0]!;
    const logits = tensor("float32", [P, 24], new Float32Array(P * 24));
    await plain.run(own, { logits });
    let [loss, right] = [0, 0];
    for (let p = 0; p < P; p++) {
      const row = Array.from(logits.data.subarray(p * 24, (p + 1) * 24));
      const own = row[Number(labels!.data[p])]!;
      loss += Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - own;
      if (Math.max(...row) === own) right++;
    }
    const { perplexity, accuracy } = validation.further!(Float64Array.from(numbers)) as Record<string, number>;
    assert.ok(P > 5 && right > 0, "something is asked for, and something of it is right");
    assert.ok(Math.abs(validation.figure(Float64Array.from(numbers), context) - loss / P) < 1e-5);
    assert.ok(Math.abs(perplexity! / Math.exp(loss / P) - 1) < 1e-5);
    assert.equal(accuracy, right / P);
    await session.dispose();
    await plain.dispose();
  }
});

test("entities of tagged words", () => {
  const of = (tags: string) => [...entitiesOf(tags.split(" "))];
  assert.deepEqual(of("B-x I-x O B-x B-x"), ["0 2 x", "3 4 x", "4 5 x"]);
  assert.deepEqual(of("I-x I-x I-y O I-y"), ["0 2 x", "2 3 y", "4 5 y"]);
  assert.deepEqual(of("O O"), []);
  assert.deepEqual(of("NOUN O VERB"), ["0 1 NOUN", "2 3 VERB"]);
});
