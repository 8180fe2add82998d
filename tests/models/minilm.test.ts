/** A pre-trained encoder from its own folder: token ids exactly, and 24 pooled, normalised embeddings against PyTorch's in float64. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { paddedLength } from "../../src/base/index.ts";
import { batchInputs, bertGraph, bertParameters, matchWeights, parseBertConfig, type Head } from "../../src/language/models/index.ts";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { readSafetensors, tensor } from "../../src/numeric/tensor/index.ts";

const FOLDER = join(import.meta.dirname, "../../../shared/models/all-MiniLM-L6-v2");
const MOST = 1e-5;

interface Reference { readonly items: readonly { readonly text: string; readonly input_ids: readonly number[]; readonly embedding: readonly number[] }[] }

test("MiniLM: token ids exactly, embeddings within 1e-5", { skip: existsSync(FOLDER) ? false : "the model is not on this machine (../shared/models)" }, async (t) => {
  const json = (file: string): unknown => JSON.parse(readFileSync(join(FOLDER, file), "utf8"));
  const { items } = json("reference.json") as Reference;
  const tokenizer = loadTokenizer({ tokenizerJson: readFileSync(join(FOLDER, "tokenizer.json"), "utf8"), tokenizerConfig: json("tokenizer_config.json") as object }, { maxLength: 256 });
  const rows = items.map(({ text }) => tokenizer.encode(text));
  rows.forEach((row, index) => { assert.deepEqual(Array.from(row.ids), items[index]!.input_ids, items[index]!.text.slice(0, 60)); });

  const { config } = parseBertConfig(json("config.json"));
  const head: Head = { kind: "encoder", pooling: "mean" };
  const { tensors } = readSafetensors(join(FOLDER, "model.safetensors"));
  const { weights, missing } = matchWeights(bertParameters(config, head), tensors);
  assert.deepEqual(missing, []);
  const session = await (await createExecutor("native")).load(bertGraph(config, head), { form: "packed", weights: Object.fromEntries(weights) });
  let largest = 0;
  for (const [index, row] of rows.entries()) {
    const pooled = new Float32Array(config.hidden_size);
    const inputs = batchInputs([row], head, { tokens: Math.max(2, paddedLength(row.ids.length)), minimumRows: 1, padId: tokenizer.special.pad, real: "float32" });
    await session.run(inputs, { pooled: tensor("float32", [1, config.hidden_size], pooled) });
    const norm = Math.sqrt(pooled.reduce((sum, value) => sum + value * value, 0));
    const { embedding } = items[index]!;
    assert.equal(embedding.length, pooled.length);
    embedding.forEach((value, at) => { largest = Math.max(largest, Math.abs(value - pooled[at]! / norm)); });
  }
  await session.dispose();
  t.diagnostic(`${items.length} texts, largest difference ${largest.toExponential(2)}`);
  assert.equal(items.length, 24);
  assert.ok(largest <= MOST, `${largest}`);
});
