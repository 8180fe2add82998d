/**
 * all-MiniLM-L6-v2, a published encoder of 87 MB that is not part of the repository: 24 embeddings beside PyTorch's in
 * float64. `embeddings.test.ts` makes the same comparison with a tiny encoder, everywhere. @concurrent
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { compareEmbeddings } from "./embeddings.ts";

const FOLDER = process.env["LOCKSTEP_MINILM"] ?? join(import.meta.dirname, "../../../shared/models/all-MiniLM-L6-v2");
const skip = existsSync(FOLDER)
  ? false
  : `the model is not at ${FOLDER}; name its folder, with a reference.json, in LOCKSTEP_MINILM`;

for (const executor of ["native", "portable"] as const)
  test(`MiniLM in ${executor}: token ids exactly, embeddings within 1e-5`, { skip }, async (t) => {
    const { texts, ids, expectedIds, largestDifference } = await compareEmbeddings(
      { folder: FOLDER, tokenizer: FOLDER, maxLength: 256 },
      executor,
    );
    assert.equal(texts.length, 24);
    ids.forEach((row, index) => {
      assert.deepEqual(row, expectedIds[index], texts[index]!.slice(0, 60));
    });
    t.diagnostic(`largest difference ${largestDifference.toExponential(2)}`);
    assert.ok(largestDifference <= 1e-5, `${largestDifference}`);
  });

test("MiniLM's tokenizer: its size, its special tokens, and its vocab.txt again", { skip }, () => {
  const read = (file: string): string => readFileSync(join(FOLDER, file), "utf8");
  const tokenizer = loadTokenizer({
    tokenizerJson: read("tokenizer.json"),
    tokenizerConfig: JSON.parse(read("tokenizer_config.json")) as object,
  });
  assert.equal(tokenizer.vocabSize, 30522);
  assert.deepEqual(tokenizer.special, { pad: 0, unk: 100, cls: 101, sep: 102, mask: 103, bos: -1, eos: -1 });
  assert.equal(tokenizer.files["vocab.txt"], read("vocab.txt"));
});
