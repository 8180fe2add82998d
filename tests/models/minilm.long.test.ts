/** MiniLM's reference embeddings in the portable profile, which is slower. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compareMiniLm, minilmMissing } from "./minilm.ts";

test("MiniLM in portable: embeddings within 1e-5", { skip: minilmMissing }, async (t) => {
  const { largestDifference } = await compareMiniLm("portable");
  t.diagnostic(`largest difference ${largestDifference.toExponential(2)}`);
  assert.ok(largestDifference <= 1e-5, `${largestDifference}`);
});
