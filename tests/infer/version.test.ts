/** What a version's files say, and each way in which they can be wrong. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONFIG_BYTES, isLockstepError, seedFrom, type ErrorCode } from "../../src/base/index.ts";
import { labelSpace } from "../../src/language/data/index.ts";
import {
  formatModelConfig,
  initializeParameters,
  modelParameters,
  newModelConfig,
} from "../../src/language/models/index.ts";
import { trainBytePairs } from "../../src/language/text/index.ts";
import { encodeSafetensors, readSafetensors, tensor } from "../../src/numeric/tensor/index.ts";
import { readEncoder, readVersion, readVersionInfo } from "../../src/work/infer/index.ts";
import { LABELS, TEXT, tinyFiles } from "./tiny.ts";

function refused(files: ReadonlyMap<string, Uint8Array>, code: ErrorCode, ...parts: string[]): void {
  assert.throws(
    () => readVersion(files),
    (error: unknown) => {
      assert.ok(isLockstepError(error), String(error));
      assert.equal(error.code, code, error.message);
      for (const part of parts) assert.ok(error.message.includes(part), `"${part}" in: ${error.message}`);
      return true;
    },
  );
}
const without = (name: string) => {
  const files = tinyFiles();
  files.delete(name);
  return files;
};
const replaced = (name: string, content: string | Uint8Array) =>
  tinyFiles().set(name, typeof content === "string" ? TEXT.encode(content) : content);
const config = (fields: object) =>
  replaced(
    "config.json",
    JSON.stringify({ ...(JSON.parse(new TextDecoder().decode(tinyFiles().get("config.json"))) as object), ...fields }),
  );

describe("a version's files", () => {
  test("with lockstep.json: its pooling, labels, limit and calibration", () => {
    const { head, labels, maxTokens, calibration, weights } = readVersion(tinyFiles({ own: { max_tokens: 40 } }));
    assert.deepEqual(
      [head, labels, maxTokens, calibration],
      [{ kind: "sequence", labels: 3, pooling: "mean" }, LABELS, 40, { temperature: 2, threshold: 0.4 }],
    );
    assert.equal(weights["classifier.weight"]?.shape.join(), "3,32");
  });

  test("without: a classifier from the first token, uncalibrated, with the labels of config.json", () => {
    const { head, labels, maxTokens, calibration } = readVersion(tinyFiles({ pooling: "first", own: null }));
    assert.deepEqual(
      [head, labels, maxTokens, calibration],
      [{ kind: "sequence", labels: 3, pooling: "first" }, LABELS, 96, { temperature: 1, threshold: 0 }],
    );
  });

  test("a tokenizer in older files: vocab.json and merges.txt; a chat template in a file of its own", async () => {
    const tokenizer = trainBytePairs(["my card has not arrived", "cash was not given"], { vocabSize: 300 });
    const { vocab, merges } = (
      JSON.parse(tokenizer.files["tokenizer.json"]) as { model: { vocab: object; merges: (string | string[])[] } }
    ).model;
    const config = newModelConfig("gpt2", {
      vocab_size: Object.keys(vocab).length,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 24,
      max_position_embeddings: 40,
      pad_token_id: 0,
      initializer_range: 0.1,
    });
    const head = { kind: "causal-lm" } as const;
    const weights = initializeParameters(modelParameters(config, head), 0.1, seedFrom(1));
    const lines = merges.map((merge) => (typeof merge === "string" ? merge : merge.join(" ")));
    const files = new Map([
      ["config.json", TEXT.encode(formatModelConfig(config, head, undefined))],
      ["model.safetensors", encodeSafetensors(weights)],
      ["vocab.json", TEXT.encode(JSON.stringify(vocab))],
      ["merges.txt", TEXT.encode(`#version: 0.2\n${lines.join("\n")}\n`)],
      ["chat_template.jinja", TEXT.encode("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")],
    ]);
    const read = readVersion(files);
    assert.equal(read.task, "causal-lm");
    assert.deepEqual(
      [...(await read.tokenizer.encode("my card", { addSpecialTokens: false })).ids],
      [...tokenizer.encode("my card", { addSpecialTokens: false }).ids],
    );
    const chat = [{ role: "user", content: "hi" }];
    assert.equal(await read.tokenizer.applyChatTemplate(chat), "user: hi\n");
    files.set("tokenizer_config.json", TEXT.encode(JSON.stringify({ model_max_length: 30, tokenizer_class: null })));
    assert.equal(readVersion(files).maxTokens, 30, "as GPT-2 is published: a class is nowhere named");
    files.delete("merges.txt");
    refused(files, "MODEL_INVALID", "merges.txt");
  });

  test("fields of a newer lockstep.json are passed over; the limit is never above the positions", () => {
    assert.equal(readVersionInfo(tinyFiles({ own: { max_tokens: 4000, later: true } })).maxTokens, 96);
  });

  test("an encoder gives vectors, and is where a fine-tuning starts", () => {
    const files = tinyFiles({ own: null });
    files.set(
      "config.json",
      TEXT.encode(
        JSON.stringify({
          ...(JSON.parse(new TextDecoder().decode(files.get("config.json"))) as object),
          id2label: undefined,
        }),
      ),
    );
    const { task, head, labels } = readVersion(files);
    assert.deepEqual([task, head, labels], ["embed", { kind: "encoder", pooling: "mean" }, []]);
    assert.equal(readEncoder(files, 20).pooling, "mean");
    assert.deepEqual(
      [readEncoder(files, 20).tokenizer.maxLength, readEncoder(files, 500).tokenizer.maxLength],
      [20, 96],
    );
  });

  test("a missing file is named, with what there is", () => {
    for (const name of ["config.json", "model.safetensors"])
      refused(without(name), "MODEL_INVALID", `no ${name}`, "lockstep.json");
    const bare = without("tokenizer.json");
    bare.delete("vocab.txt");
    refused(bare, "MODEL_INVALID", "no tokenizer.json", "lockstep.json");
    readVersion(without("tokenizer_config.json"));
    readVersion(without("tokenizer.json")); // vocab.txt is enough
    refused(new Map(), "MODEL_INVALID", "nothing");
  });

  test("what is not JSON, not UTF-8 or not what it should be is named", () => {
    refused(replaced("config.json", "{"), "MODEL_INVALID", "config.json is not JSON");
    refused(replaced("config.json", new Uint8Array([0x7b, 0xff, 0x7d])), "MODEL_INVALID", "config.json is not UTF-8");
    refused(replaced("lockstep.json", "[]"), "MODEL_INVALID", "lockstep.json");
    refused(replaced("tokenizer_config.json", "nonsense"), "MODEL_INVALID", "tokenizer_config.json");
    for (const own of [
      { format: 2 },
      { labels: ["one"] },
      { labels: ["a", ""] },
      { labels: ["a", "b", "a"] },
      { labels: ["a", "x".repeat(1001)] },
      { pooling: "max" },
      { max_tokens: 0 },
      { calibration: { temperature: 0, threshold: 0 } },
      { calibration: { temperature: 1, threshold: 2 } },
    ]) {
      refused(tinyFiles({ own }), "MODEL_INVALID", "lockstep.json", `"${Object.keys(own)[0]}`);
    }
  });

  test("files that are not of one model", () => {
    refused(config({ vocab_size: 32 }), "MODEL_INVALID", "tokenizer.json has", "32");
    refused(config({ num_hidden_layers: 3 }), "WEIGHTS_INVALID", "bert.encoder.layer.2", "16 missing");
    refused(config({ intermediate_size: 64 }), "WEIGHTS_INVALID", "[64, 32]", "[48, 32]");
    refused(
      tinyFiles({ own: { labels: [...LABELS, "more"] } }),
      "MODEL_INVALID",
      "id2label",
      "3 names",
      "lockstep.json 4",
    );
    refused(tinyFiles({ own: { labels: ["card", "loan", "cash"] } }), "MODEL_INVALID", "differ in class 1");
    const four = tinyFiles({ own: { labels: [...LABELS, "more"] } });
    four.set("config.json", config({ id2label: undefined }).get("config.json")!);
    refused(four, "WEIGHTS_INVALID", "classifier.weight", "[4, 32]");
  });

  test("weights that are damaged", () => {
    refused(
      tinyFiles({
        change: (weights) => {
          weights.get("classifier.bias")!.data[1] = NaN;
        },
      }),
      "WEIGHTS_INVALID",
      "classifier.bias",
      "element 1",
    );
    refused(
      tinyFiles({
        change: (weights) => {
          weights.get("bert.embeddings.LayerNorm.weight")!.data[31] = -Infinity;
        },
      }),
      "WEIGHTS_INVALID",
      "LayerNorm.weight",
    );
    refused(replaced("model.safetensors", tinyFiles().get("model.safetensors")!.subarray(0, 5000)), "WEIGHTS_INVALID");
  });

  test("a fine-tuning starts from the pooling that the folder names, unless the recipe names one", () => {
    const with_ = (pooling: object, transformer: object = {}, own: object | null = null) =>
      new Map(tinyFiles({ own }))
        .set("1_Pooling/config.json", TEXT.encode(JSON.stringify(pooling)))
        .set("sentence_bert_config.json", TEXT.encode(JSON.stringify(transformer)));
    const cls = {
      word_embedding_dimension: 32,
      pooling_mode_cls_token: true,
      pooling_mode_mean_tokens: false,
      pooling_mode_max_tokens: false,
      include_prompt: true,
    };
    const read = (files: ReadonlyMap<string, Uint8Array>, pooling?: "first" | "mean") =>
      readEncoder(files, 20, { pooling }).pooling;
    assert.equal(read(with_(cls)), "first");
    assert.equal(read(with_(cls, { max_seq_length: 128, do_lower_case: false })), "first");
    assert.equal(read(with_({ pooling_mode: "cls" })), "first");
    assert.equal(read(with_({ pooling_mode: "lasttoken" })), "last");
    assert.equal(read(with_({ ...cls, pooling_mode_cls_token: false, pooling_mode_mean_tokens: true })), "mean");
    assert.equal(read(with_(cls), "mean"), "mean", "the recipe's own");
    assert.equal(read(with_(cls, {}, {})), "mean", "lockstep.json says mean");
    assert.equal(read(tinyFiles({ own: null })), "mean");
    const odd: readonly (readonly [object, RegExp])[] = [
      [{ ...cls, pooling_mode_cls_token: false, pooling_mode_max_tokens: true }, /1_Pooling.*pooling_mode_max_tokens/],
      [{ ...cls, pooling_mode_mean_tokens: true }, /two ways/],
      [{ pooling_mode: "weightedmean" }, /"pooling_mode" "weightedmean"/],
      [{ ...cls, something: 1 }, /"something" 1/],
    ];
    for (const [pooling, message] of odd) {
      assert.throws(() => read(with_(pooling)), { code: "MODEL_INVALID", message });
      assert.equal(read(with_(pooling), "mean"), "mean");
    }
  });

  test("what is done to a text before the tokenizer is refused by name, whatever the pooling", () => {
    const with_ = (transformer: unknown) =>
      new Map(tinyFiles({ own: null })).set("sentence_bert_config.json", TEXT.encode(JSON.stringify(transformer)));
    readEncoder(with_({ max_seq_length: 128, do_lower_case: false, model_args: null }), 20);
    for (const pooling of [undefined, "mean", "first"] as const)
      for (const [transformer, message] of [
        [{ do_lower_case: true }, /sentence_bert_config\.json: "do_lower_case" true .*set the field to false/],
        [{ max_seq_length: 128, prompt: "query: " }, /"prompt" "query: " .*take the field out/],
        [[], /sentence_bert_config\.json is .*not an object/],
      ] as const)
        assert.throws(() => readEncoder(with_(transformer), 20, { pooling }), { code: "MODEL_INVALID", message });
  });

  test("a key that stands twice in a file is refused: one of the two was meant", () => {
    const twice = new TextDecoder().decode(tinyFiles().get("config.json")).replace("{", '{"hidden_size": 16,');
    refused(replaced("config.json", twice), "MODEL_INVALID", "config.json", '"hidden_size" stands twice');
  });

  test("the most labels that a table may have make a version that opens", () => {
    const labels = Array.from({ length: 4000 }, (_, i) => `${i} `.padEnd(1000, "long name "));
    assert.equal(labelSpace(labels).names.length, 4000);
    const files = tinyFiles({ own: { labels } });
    files.set("config.json", config({ id2label: Object.fromEntries(labels.entries()) }).get("config.json")!);
    assert.deepEqual(readVersionInfo(files).labels, labels);
    for (const name of ["config.json", "lockstep.json"]) assert.ok(files.get(name)!.length < CONFIG_BYTES, name);
  });

  test("without names there are two classes; a head of another size, or none, says what is missing", () => {
    const bare = (rows: number, fields: object = {}) => {
      const files = tinyFiles({ pooling: "first", own: null });
      const json = JSON.parse(new TextDecoder().decode(files.get("config.json"))) as object;
      files.set("config.json", TEXT.encode(JSON.stringify({ ...json, id2label: undefined, ...fields })));
      const { tensors } = readSafetensors(files.get("model.safetensors")!);
      for (const name of ["classifier.weight", "classifier.bias"]) {
        const { shape, data } = tensors.get(name)!;
        const width = shape[1] ?? 1;
        if (rows === 0) tensors.delete(name);
        else
          tensors.set(
            name,
            tensor("float32", [rows, ...shape.slice(1)], (data as Float32Array).slice(0, rows * width)),
          );
      }
      return files.set("model.safetensors", encodeSafetensors(tensors));
    };
    assert.deepEqual(readVersion(bare(2)).labels, ["LABEL_0", "LABEL_1"]);
    assert.deepEqual(readVersion(bare(3, { num_labels: 3 })).labels, ["LABEL_0", "LABEL_1", "LABEL_2"]);
    refused(bare(3), "MODEL_INVALID", "2 classes", "3 rows", "id2label");
    refused(bare(0, { architectures: null }), "MODEL_INVALID", "encoder", "--from");
    assert.equal(readVersion(bare(2, { problem_type: "multi_label_classification" })).task, "multi-label");
    refused(bare(2, { problem_type: "regression" }), "MODEL_INVALID", '"problem_type"', "a score is one number");
  });

  test("weights in double precision are read; of unused ones neither type nor values matter", () => {
    const files = tinyFiles();
    const { tensors } = readSafetensors(files.get("model.safetensors")!);
    const doubled = new Map(
      Array.from(tensors, ([name, { shape, data }]) => [
        name,
        tensor("float64", shape, Float64Array.from(data as Float32Array)),
      ]),
    );
    doubled.set("cls.seq_relationship.bias", tensor("float64", [1], Float64Array.of(-Infinity)));
    const { weights } = readVersion(new Map(files).set("model.safetensors", encodeSafetensors(doubled)));
    assert.deepEqual(weights, readVersion(files).weights);
    const spare = encodeSafetensors(new Map(tensors).set("mask", tensor("uint8", [3], new Uint8Array(3))));
    const text = Buffer.from(spare).toString("latin1").replace('"dtype":"U8"', '"dtype":"I8"');
    assert.deepEqual(
      readVersion(new Map(files).set("model.safetensors", Buffer.from(text, "latin1"))).weights,
      readVersion(files).weights,
    );
  });
});
