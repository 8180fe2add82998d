/** An encoder with its tokenizer, from text to embedding, beside PyTorch in float64: token ids exactly. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { compareEmbeddings } from "./embeddings.ts";

const ENCODER = {
  folder: join(import.meta.dirname, "../fixtures/golden/bert-encoder"),
  tokenizer: join(import.meta.dirname, "../tiny/tokenizer-uncased"),
  maxLength: 64,
};

for (const executor of ["native", "portable"] as const)
  test(`a tiny encoder in ${executor}: token ids exactly, embeddings within 1e-6`, async (t) => {
    const { texts, ids, expectedIds, largestDifference } = await compareEmbeddings(ENCODER, executor);
    assert.equal(texts.length, 18);
    ids.forEach((row, index) => {
      assert.deepEqual(row, expectedIds[index], texts[index]!.slice(0, 60));
    });
    t.diagnostic(`largest difference ${largestDifference.toExponential(2)}`);
    assert.ok(largestDifference <= 1e-6, `${largestDifference}`);
  });
