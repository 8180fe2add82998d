/** Word dropout: what is left of an example is known to the plan, keeps its frame, and is drawn anew every epoch. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import { objectiveOf } from "../../src/work/train/objectives/index.ts";
import { phasePlan } from "../../src/work/train/program.ts";
import { resolveRecipe } from "../../src/work/train/recipe.ts";
import { WordDropout } from "../../src/work/train/word-dropout.ts";
import { bertConfig } from "../models/bert-config.ts";

const CONFIG = bertConfig({});
const SPECIAL = { pad: 0, unk: 1, cls: 2, sep: 3, mask: 4, bos: -1, eos: -1 };
const ROWS = 400;
const LENGTH = 14;
const data = {
  ids: Int32Array.from({ length: ROWS * LENGTH }, (_, i) =>
    i % LENGTH === 0 ? SPECIAL.cls : i % LENGTH === LENGTH - 1 ? SPECIAL.sep : 5 + (i % 50),
  ),
  offsets: Int32Array.from({ length: ROWS + 1 }, (_, row) => row * LENGTH),
  labels: new Int32Array(ROWS),
  examples: Int32Array.from({ length: ROWS }, (_, row) => row),
};
const seed = seedFrom("word dropout");

test("a share of the ordinary tokens goes, [CLS] and [SEP] stay, another share each epoch", () => {
  const dropout = new WordDropout(data, SPECIAL, 0.25, seed);
  const kept = (epoch: number) => Array.from(data.examples, (example) => Array.from(dropout.tokens(epoch, example)));
  const rows = kept(0);
  assert.ok(rows.every((row) => row[0] === SPECIAL.cls && row.at(-1) === SPECIAL.sep));
  const share = 1 - rows.reduce((sum, row) => sum + row.length - 2, 0) / (ROWS * (LENGTH - 2));
  assert.ok(share > 0.2 && share < 0.3, `${share}`);
  assert.deepEqual(kept(0), rows);
  assert.notDeepEqual(kept(1), rows);
  assert.deepEqual(new WordDropout(data, SPECIAL, 0, seed).tokens(3, 7), data.ids.subarray(7 * LENGTH, 8 * LENGTH));
});

test("the plan sorts by what is left, so that little is padded", () => {
  const recipe = resolveRecipe({ phases: [{ objective: "classify", token_dropout: 0.25 }] });
  const phase = recipe.phases[0]!;
  const context = {
    phase,
    config: CONFIG,
    special: SPECIAL,
    pooling: "mean",
    labels: 2,
    names: ["a", "b"],
    data,
    plan: { batchSize: 20, shards: 2, epochs: 2, seed },
  } as const;
  const plan = phasePlan(context);
  let tokens = 0;
  let padded = 0;
  for (let step = 0; step < plan.steps; step++) {
    const { epoch, shards } = plan.step(step);
    shards.forEach((examples, shard) => {
      const inputs = objectiveOf(phase).inputs(context, examples, { epoch, seed, step, shard });
      tokens += inputs.tokens;
      padded += inputs.paddedTokens;
    });
  }
  assert.ok(1 - tokens / padded < 0.05, `${1 - tokens / padded}`);
});
