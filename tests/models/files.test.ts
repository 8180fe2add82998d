/** The files that a training writes: read back as they were meant, and complete for other readers of the layout. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import { versionFiles } from "../../src/edge/api/version-files.ts";
import { modelParameters, initializeParameters } from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { readVersion, sequenceHead } from "../../src/work/infer/index.ts";
import { resolveRecipe } from "../../src/work/train/index.ts";
import { bertConfig } from "./bert-config.ts";

const tokenizer = trainWordPiece(["my card has not arrived", "cash was not given"], {
  vocabSize: 64,
  minFrequency: 1,
  maxLength: 40,
});
const config = bertConfig({
  vocab_size: 64,
  hidden_size: 16,
  num_hidden_layers: 1,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 40,
  type_vocab_size: 2,
});
const labels = ["card", "cash"];

for (const pooling of ["first", "mean"] as const)
  test(`a version pooled by ${pooling}`, () => {
    const weights = initializeParameters(
      modelParameters(config, { kind: "sequence", labels: 2, pooling }),
      0.1,
      seedFrom(1),
    );
    const make = (max_tokens: number) =>
      versionFiles({
        recipe: resolveRecipe({ pooling, max_tokens }),
        config,
        head: { kind: "sequence", labels: 2, pooling },
        labels,
        tokenizer,
        weights,
        calibration: { temperature: 1.5, threshold: 0.2 },
        metrics: {},
      });
    const json = (files: ReadonlyMap<string, Uint8Array>, name: string) =>
      JSON.parse(new TextDecoder().decode(files.get(name)!.slice())) as Record<string, unknown>;

    const files = make(24);
    assert.deepEqual([...files.keys()].sort(), [
      "config.json",
      "lockstep.json",
      "model.safetensors",
      "special_tokens_map.json",
      "tokenizer.json",
      "tokenizer_config.json",
      "vocab.txt",
    ]);
    const version = readVersion(files);
    assert.deepEqual(
      [version.config, version.labels, sequenceHead(version).pooling, version.maxTokens, version.calibration],
      [config, labels, pooling, 24, { temperature: 1.5, threshold: 0.2 }],
    );
    for (const [name, { data }] of weights) assert.deepEqual(version.weights[name]?.data, data, name);
    assert.deepEqual(json(files, "config.json")["architectures"], [
      pooling === "first" ? "BertForSequenceClassification" : "BertModel",
    ]);

    assert.equal(
      json(files, "tokenizer_config.json")["model_max_length"],
      24,
      "texts are cut elsewhere where they are cut here",
    );
    assert.equal(json(make(64), "tokenizer_config.json")["model_max_length"], 40, "the tokenizer allows no more");
    assert.equal(
      new TextDecoder().decode(make(40).get("tokenizer_config.json")!.slice()),
      tokenizer.files["tokenizer_config.json"],
    );
    for (const bytes of files.values()) assert.ok(bytes.buffer instanceof SharedArrayBuffer);
  });
