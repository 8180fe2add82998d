/** Recipes of yesterday are read for ever, and mean what they meant. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { readRecipeFile } from "../../src/edge/api/recipe-file.ts";
import { defaultValidationFraction, resolveRecipe } from "../../src/work/train/index.ts";

test("whole recipes of before `mask_replacement` draw from the whole vocabulary; parts do as today", async () => {
  const { recipe } = await readRecipeFile(join(import.meta.dirname, "../fixtures/recipe-before-mask-replacement.json"));
  const resolved = resolveRecipe(recipe ?? {});
  assert.equal(resolved.pretrain.mask_replacement, "any");
  assert.equal(resolved.seed, 7);
  assert.equal(resolved.validation_fraction, 0.05);
  assert.equal(resolveRecipe({ pretrain: { mask_rate: 0.2 } }).pretrain.mask_replacement, "word");
});

test("what is held out where the recipe leaves it open: about sixty texts, between 5 and 20 %", () => {
  const rows = [8, 100, 300, 301, 1000, 1200, 10_003, 1e7];
  assert.deepEqual(rows.map(defaultValidationFraction), [0.2, 0.2, 0.2, 0.2, 0.06, 0.05, 0.05, 0.05]);
});
