/** Recipes: what is left open, phases and their short names, and files of yesterday, which mean what they meant. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import { mergeRecipeFiles, readRecipeFile } from "../../src/edge/api/recipe-file.ts";
import { trainedColumns } from "../../src/edge/api/trained-columns.ts";
import { phaseSeed } from "../../src/work/train/program.ts";
import {
  defaultValidationFraction,
  recipeHash,
  recipeHashBefore,
  resolveRecipe,
  upgradeRecipe,
  type Recipe,
  type RecipeInput,
} from "../../src/work/train/index.ts";

const FIXTURES = join(import.meta.dirname, "../fixtures");

/** Of the phase that masks words. */
function maskReplacement({ phases }: Recipe): string | undefined {
  return phases.flatMap((phase) => ("mask_replacement" in phase ? [phase.mask_replacement] : []))[0];
}

test("whole recipes of before `mask_replacement` draw from the whole vocabulary; parts do as today", async () => {
  const warnings: string[] = [];
  const { recipe } = await readRecipeFile(join(FIXTURES, "recipe-before-mask-replacement.json"), (message) =>
    warnings.push(message),
  );
  const resolved = resolveRecipe(recipe ?? {});
  assert.equal(maskReplacement(resolved), "any");
  assert.equal(resolved.seed, 7);
  assert.equal(resolved.validation_fraction, 0.05);
  assert.equal(maskReplacement(resolveRecipe({ pretrain: { mask_rate: 0.2 } })), "word");
  assert.match(warnings.join("\n"), /before recipes had phases: its "pretrain" is read as the phase masked-lm, its/);
});

test("a version of before phases: its recipe is read, with the settings and the hash of then", () => {
  const own = JSON.parse(readFileSync(join(FIXTURES, "lockstep-before-phases.json"), "utf8")) as {
    recipe: Record<string, unknown>;
    recipe_sha256: string;
  };
  assert.deepEqual(trainedColumns(own), { text: "question", label: "intent" });
  const recipe = resolveRecipe(upgradeRecipe(own.recipe)?.recipe as RecipeInput);
  assert.deepEqual(
    recipe.phases.map(({ objective, epochs, learning_rate }) => [objective, epochs, learning_rate]),
    [
      ["masked-lm", 1, 0.001],
      ["classify", 4, 0.005],
    ],
  );
  assert.equal(recipeHashBefore(recipe), own.recipe_sha256);
  assert.notEqual(recipeHash(recipe), own.recipe_sha256);
  const [first, second] = recipe.phases;
  for (const phases of [
    [second!],
    [second!, first!],
    [first!, { ...second!, shard_weights: "adaptive" } as typeof second & {}],
  ])
    assert.notEqual(recipeHashBefore({ ...recipe, phases }), own.recipe_sha256);
});

test("an old file that is wrong is refused as what it is read as", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-recipe-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "recipe.json");
  const refused = async (recipe: object, message: RegExp): Promise<void> => {
    await writeFile(path, JSON.stringify({ recipe }));
    await assert.rejects(readRecipeFile(path), { code: "OPTION_INVALID", message });
  };
  await refused({ pretrain: { epoch: 3 } }, /recipe\.phases\[0\].*epoch/);
  await refused({ finetune: 3 }, /recipe\.phases\[0\]/);
  await refused({ finetune: { epochs: 3 }, phases: [] }, /finetune/);
  await refused({ phases: [{ objective: "clasify" }] }, /recipe\.phases\[0\]/);
});

test("phases: a list replaces those that a recipe has by itself, places and short names change them", () => {
  const kinds = ({ phases }: Recipe) => phases.map(({ objective, epochs }) => `${objective} ${epochs}`);
  assert.deepEqual(kinds(resolveRecipe({})), ["masked-lm 5", "classify 8"]);
  assert.deepEqual(kinds(resolveRecipe({ from: "0".repeat(64) })), ["masked-lm 0", "classify 5"]);
  assert.deepEqual(kinds(resolveRecipe({ phases: { 1: { epochs: 2 } } })), ["masked-lm 5", "classify 2"]);
  assert.deepEqual(kinds(resolveRecipe({ pretrain: { epochs: 1 }, finetune: { epochs: 2 } })), [
    "masked-lm 1",
    "classify 2",
  ]);
  const three: RecipeInput = {
    phases: [{ objective: "classify", epochs: 1 }, { objective: "masked-lm" }, { objective: "classify", epochs: 3 }],
  };
  assert.deepEqual(kinds(resolveRecipe({ ...three, finetune: { epochs: 7 } })), [
    "classify 7",
    "masked-lm 5",
    "classify 3",
  ]);
  const { recipe } = mergeRecipeFiles({ recipe: { phases: { 2: { epochs: 9 } } } }, { recipe: three });
  assert.deepEqual(kinds(resolveRecipe(recipe ?? {})), ["classify 1", "masked-lm 5", "classify 9"]);

  const refused = (input: RecipeInput, message: RegExp): void => {
    assert.throws(() => resolveRecipe(input), { code: "OPTION_INVALID", message });
  };
  refused({ phases: { 2: { epochs: 1 } } }, /phases\.2: there are 2 phases/);
  refused({ phases: [{ objective: "classify" }], pretrain: { epochs: 1 } }, /pretrain is short for .*there is none/);
  refused(
    { task: "classify", phases: [{ objective: "masked-lm" }] },
    /last phase, masked-lm, .*for masked-lm, and classify/,
  );
  refused({ phases: [] }, /phases/);
  refused(
    { phases: [{ objective: "classify", mask_rate: 0.5 } as never] },
    /phases\[0\]: Unrecognized key: "mask_rate"$/,
  );
});

test("the first phase of an objective keeps its seed, others have one of their place", () => {
  const [maskedLm, classify] = resolveRecipe({}).phases;
  const phases = [classify!, maskedLm!, classify!, maskedLm!];
  assert.deepEqual(
    phases.map((_, place) => phaseSeed(phases, place, 5)),
    ["finetune 5", "pretrain 5", "finetune 2 5", "pretrain 3 5"].map((text) => seedFrom(text)),
  );
});

test("what is held out where the recipe leaves it open: about sixty texts, between 5 and 20 %", () => {
  const rows = [8, 100, 300, 301, 1000, 1200, 10_003, 1e7];
  assert.deepEqual(rows.map(defaultValidationFraction), [0.2, 0.2, 0.2, 0.2, 0.06, 0.05, 0.05, 0.05]);
});

test("the tokenizer of a model from nothing goes with its family; pieces of words stay unsaid", () => {
  const tokenizer = (input: RecipeInput) => resolveRecipe(input).tokenizer;
  const words = { vocab_size: 2048, min_frequency: 2, lowercase: true };
  assert.deepEqual(tokenizer({}), words);
  assert.deepEqual(tokenizer({ model: { model_type: "distilbert" } }), words);
  const pairs = { model: "byte-pairs", vocab_size: 2048, min_frequency: 2, lowercase: false };
  for (const model_type of ["roberta", "gpt2", "llama", "qwen3"] as const)
    assert.deepEqual(tokenizer({ model: { model_type } }), pairs);
  assert.deepEqual(tokenizer({ tokenizer: { model: "byte-pairs" } }), pairs);
  assert.deepEqual(tokenizer({ model: { model_type: "gpt2" }, tokenizer: { model: "wordpiece" } }), {
    ...words,
    model: "wordpiece",
  });
  // As whole recipes of before `model` say it, in which nothing is left out.
  for (const before of [words, { ...words, lowercase: false }])
    assert.deepEqual(tokenizer({ model: { model_type: "gpt2" }, tokenizer: before }), before);
  const refused = (settings: RecipeInput["tokenizer"], message: RegExp) =>
    assert.throws(() => tokenizer({ model: { model_type: "gpt2" }, tokenizer: settings }), {
      code: "OPTION_INVALID",
      message,
    });
  refused({ vocab_size: 299 }, /vocab_size is 299.*at least 300/s);
  refused({ model: "byte-pairs", lowercase: true }, /lowercase is true/);
});
