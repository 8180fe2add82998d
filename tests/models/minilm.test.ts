/** A pre-trained encoder from its own folder: token ids exactly, and 24 embeddings against PyTorch's in float64. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareMiniLm, minilmMissing } from "./minilm.ts";

test("MiniLM in native: token ids exactly, embeddings within 1e-5", { skip: minilmMissing }, async (t) => {
  const { texts, ids, expectedIds, largestDifference } = await compareMiniLm("native");
  assert.equal(texts.length, 24);
  ids.forEach((row, index) => {
    assert.deepEqual(row, expectedIds[index], texts[index]!.slice(0, 60));
  });
  t.diagnostic(`largest difference ${largestDifference.toExponential(2)}`);
  assert.ok(largestDifference <= 1e-5, `${largestDifference}`);
});
