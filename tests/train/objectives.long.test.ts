/**
 * Each objective learns what it is told, and comes to the same states with any number of threads: one; more than there
 * are shards; two, and after an interruption three. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { withDropout } from "../../src/language/models/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { CASES, CONTRASTIVE } from "./cases.ts";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf, threadCounts } from "./small.ts";

for (const [name, { input, epochs, better, from }] of CASES)
  test(`${name}: learns`, async (t) => {
    const { losses, model } = await digestsOf(await input(epochs), { threads: 2 });
    const third = Math.floor(losses.length / 3);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [first, last] = [mean(losses.slice(0, third)), mean(losses.slice(-third))];
    const { name: said = "no figure", value = NaN } = model.validation ?? {};
    t.diagnostic(`loss ${first.toFixed(3)} to ${last.toFixed(3)}, ${said} ${value.toFixed(3)}`);
    assert.ok(last < 0.8 * first);
    assert.equal(model.validation === undefined, better === undefined);
    if (better !== undefined) assert.ok(better === "more" ? value > from : value < from);
  });

for (const [name, { input }] of CASES)
  test(`${name}: any number of threads and an interruption come to the same states`, async () => {
    const made = await input(1);
    const { digests } = await digestsOf(made, { threads: 1 });
    assert.equal(new Set(digests).size, digests.length, "every step changes the state");
    for (const threads of threadCounts([5]))
      assert.deepEqual((await digestsOf(made, { threads })).digests, digests, `${threads} threads`);
    assert.equal((await interruptedOnce(made, digests.length >> 1)).stateDigest, digests.at(-1));
  });

test("contrastive: a batch in four shards has the loss and the gradient of the batch in one", async () => {
  const made = await CONTRASTIVE.input(1);
  const alone = async (shards: number) => {
    const phases = made.recipe.phases.map((phase) => ({ ...phase, shards }));
    const dropless = withDropout(made.config, { hidden: 0, attention: 0, classifier: 0 });
    const recipe = { ...made.recipe, phases };
    const reports: { loss: number; gradientNorm: number }[] = [];
    await runTraining(
      { ...made, recipe, config: dropless },
      {
        threads: 1,
        onEvent: (event) => {
          if (event.kind === "step") reports.push(event);
        },
      },
    );
    return reports[0]!;
  };
  const [one, four] = [await alone(1), await alone(4)];
  assert.ok(one.loss > 1 && Math.abs(one.loss - four.loss) < 1e-4 * one.loss, `${one.loss} ${four.loss}`);
  assert.ok(Math.abs(one.gradientNorm - four.gradientNorm) < 1e-3 * one.gradientNorm);
});
