/**
 * A model's parameters: names as in the Hugging Face layout, first values that are the same bits everywhere, and
 * matching a folder's tensors.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError, seedFrom } from "../../src/base/index.ts";
import {
  modelGraph,
  modelParameters,
  initializeParameters,
  matchWeights,
  parameterCount,
  type Head,
} from "../../src/language/models/index.ts";
import { digestTensors, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { DECODER_CASES, ENCODER_CASES, goldenCase } from "../golden/cases.ts";
import { bertConfig } from "./bert-config.ts";

const CONFIG = bertConfig({
  vocab_size: 50,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 12,
  type_vocab_size: 2,
});
const HEADS: readonly Head[] = [
  { kind: "masked-lm" },
  { kind: "sequence", labels: 3, pooling: "first" },
  { kind: "sequence", labels: 3, pooling: "mean" },
  { kind: "token", labels: 5 },
  { kind: "encoder", pooling: "mean" },
  { kind: "encoder", pooling: "first" },
];

describe("parameters", () => {
  for (const name of [...ENCODER_CASES, ...DECODER_CASES]) {
    if (name === "bert-sentence-pairs") continue; // of the bare class, whose names have no prefix
    test(`${name}: names and shapes are those of the reference file`, () => {
      const { parameters, stored } = goldenCase(name);
      const listed = (entries: Iterable<readonly [string, readonly number[]]>) =>
        [...entries].map(([key, shape]) => `${key} ${shape.join("×")}`).sort();
      assert.deepEqual(
        listed(parameters.map(({ name: key, shape }) => [key, shape] as const)),
        listed([...stored].map(([key, { shape }]) => [key, shape] as const)),
      );
    });
  }

  test("a graph asks for exactly the parameters of its list", () => {
    for (const head of HEADS) {
      const declared = modelGraph(CONFIG, head).nodes.flatMap((node) =>
        node.op === "parameter" ? [node.attributes.name] : [],
      );
      assert.deepEqual(
        declared.sort(),
        modelParameters(CONFIG, head)
          .map(({ name }) => name)
          .sort(),
        JSON.stringify(head),
      );
    }
  });

  test("weight decay is for matrices only, and heads are a group of their own", () => {
    for (const { name, shape, decay, group, init } of HEADS.flatMap((head) => modelParameters(CONFIG, head))) {
      assert.equal(decay, shape.length === 2, name);
      assert.equal(group, /^(?:bert\.pooler|classifier|cls)\./.test(name) ? "head" : "encoder", name);
      assert.equal(init, name.endsWith("bias") ? "zeros" : name.endsWith("LayerNorm.weight") ? "ones" : "normal", name);
    }
  });

  test("a count by hand", () => {
    const perLayer = 4 * (16 * 16 + 16) + (16 * 24 + 24) + (24 * 16 + 16) + 4 * 16;
    assert.equal(
      parameterCount(modelParameters(CONFIG, { kind: "token", labels: 5 })),
      (50 + 12 + 2) * 16 + 2 * 16 + perLayer + 16 * 5 + 5,
    );
  });
});

describe("first values", () => {
  const head: Head = { kind: "sequence", labels: 3, pooling: "mean" };
  const make = (seed: number) => initializeParameters(modelParameters(CONFIG, head), 0.02, seedFrom(seed));

  test("the same bits on every machine", () => {
    assert.equal(digestTensors(make(7)), "0ff8272690d0cacdd46883e9faccedb6c7876c48c12b3deb45fc4d834d8dc8d8");
    assert.notEqual(digestTensors(make(8)), digestTensors(make(7)));
  });

  test("normal ones have the deviation asked for, and no two streams are alike", () => {
    const wide = bertConfig({ ...CONFIG, vocab_size: 4000 });
    const all = initializeParameters(modelParameters(wide, head), 0.02, seedFrom(1));
    const words = all.get("bert.embeddings.word_embeddings.weight")!.data; // 64,000 values
    const mean = words.reduce((sum, x) => sum + x, 0) / words.length;
    const deviation = Math.sqrt(words.reduce((sum, x) => sum + (x - mean) ** 2, 0) / words.length);
    assert.ok(Math.abs(mean) < (4 * 0.02) / Math.sqrt(words.length), `mean ${mean}`);
    assert.ok(Math.abs(deviation / 0.02 - 1) < 4 / Math.sqrt(2 * words.length), `deviation ${deviation}`);
    const beyond = words.filter((x) => Math.abs(x) > 2 * 0.02).length / words.length;
    assert.ok(Math.abs(beyond - 0.0455) < 0.004, `${beyond} beyond two deviations`);
    const starts = [...all]
      .filter(([name, { shape }]) => shape.length === 2 && name !== "")
      .map(([, { data }]) => data.slice(0, 8).join());
    assert.equal(new Set(starts).size, starts.length);
  });

  test("biases are zeros, layer norms ones", () => {
    for (const [name, { data, shape }] of make(1))
      if (shape.length === 1)
        assert.ok(
          data.every((x) => x === (name.endsWith("LayerNorm.weight") ? 1 : 0)),
          name,
        );
  });

  test("a parameter's values do not depend on the head that follows", () => {
    const other = initializeParameters(modelParameters(CONFIG, { kind: "masked-lm" }), 0.02, seedFrom(7));
    for (const [name, { data }] of make(7))
      if (!name.startsWith("classifier")) assert.deepEqual(other.get(name)?.data, data, name);
  });
});

describe("matching a folder's tensors", () => {
  const parameters = modelParameters(CONFIG, { kind: "encoder", pooling: "mean" });
  const whole = (rename: (name: string) => string = (name) => name): Map<string, HostTensor> =>
    new Map(
      parameters.map(({ name, shape }, i) => [
        rename(name),
        tensor("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(i)),
      ]),
    );

  test("by name, without the prefix, and with the old names of layer norms", () => {
    const renames: ((name: string) => string)[] = [
      (name) => name,
      (name) => name.replace("bert.", ""),
      (name) => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
    ];
    for (const rename of [...renames, (name: string) => renames[2]!(renames[1]!(name))]) {
      const { weights, missing } = matchWeights(CONFIG, parameters, whole(rename));
      assert.deepEqual(missing, []);
      parameters.forEach(({ name }, i) => {
        assert.equal(weights.get(name)?.data[0], i, name);
      });
    }
  });

  test("what is missing is listed, what is left over is passed over", () => {
    const tensors = whole();
    tensors.delete("bert.encoder.layer.0.output.dense.bias");
    tensors.set("bert.pooler.dense.weight", tensor("float32", [16, 16], new Float32Array(256)));
    tensors.set("bert.embeddings.position_ids", tensor("int32", [1, 12], new Int32Array(12)));
    const { weights, missing } = matchWeights(CONFIG, parameters, tensors);
    assert.deepEqual(
      [missing.map(({ name }) => name), weights.size],
      [["bert.encoder.layer.0.output.dense.bias"], parameters.length - 1],
    );
  });

  test("another shape is refused with both, and a type without fractions with its name", () => {
    const name = "bert.embeddings.word_embeddings.weight";
    const refused = (wrong: HostTensor, ...parts: string[]) => {
      assert.throws(
        () => matchWeights(CONFIG, parameters, whole().set(name, wrong)),
        (error: unknown) =>
          isLockstepError(error) &&
          error.code === "WEIGHTS_INVALID" &&
          error.details["tensor"] === name &&
          parts.every((part) => error.message.includes(part)),
      );
    };
    refused(tensor("float32", [16, 50], new Float32Array(800)), "float32 [16, 50]", "float32 [50, 16]");
    refused(tensor("float32", [800], new Float32Array(800)), "float32 [800]");
    refused(tensor("float64", [51, 16], new Float64Array(816)), "float64 [51, 16]");
    refused(tensor("int64", [50, 16], new BigInt64Array(800)), "int64", "convert");
  });

  test("double precision is rounded to the nearest float32, and what has no float32 is refused", () => {
    const name = "bert.embeddings.LayerNorm.weight";
    const double = (value: number) => tensor("float64", [16], new Float64Array(16).fill(value));
    const { weights } = matchWeights(CONFIG, parameters, whole().set(name, double(0.1)));
    assert.deepEqual(weights.get(name)?.data, new Float32Array(16).fill(Math.fround(0.1)));
    assert.throws(() => matchWeights(CONFIG, parameters, whole().set(name, double(1e300))), {
      code: "WEIGHTS_INVALID",
      message: /LayerNorm\.weight.*element 0.*too large/,
    });
  });

  test("of a tensor that nobody needs, neither type nor values matter; one that is needed has to be readable", () => {
    const place = { stored: "BOOL", shape: [4], begin: 0, end: 4 } as const;
    const spare = whole().set("cls.seq_relationship.bias", tensor("float32", [2], Float32Array.of(NaN, -Infinity)));
    assert.deepEqual(matchWeights(CONFIG, parameters, spare, new Map([["mask", place]])).missing, []);
    const tensors = whole();
    tensors.delete("bert.embeddings.LayerNorm.bias");
    assert.throws(() => matchWeights(CONFIG, parameters, tensors, new Map([["embeddings.LayerNorm.beta", place]])), {
      code: "WEIGHTS_INVALID",
      message: /"embeddings\.LayerNorm\.beta" is stored as BOOL/,
    });
  });
});
