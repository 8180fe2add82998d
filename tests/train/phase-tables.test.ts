/** Phases on tables of their own: threads and an interruption in either of them change no bit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTraining, type PhaseInput } from "../../src/work/train/index.ts";
import { interruptedOnce } from "./interrupted-once.ts";
import { madeInput } from "./prepared.ts";
import { digestsOf } from "./small.ts";
import { COMMON, labelled, twoTables } from "./two-tables.ts";

test("1 and 3 threads, and an interruption within the second phase, come to the same states", async () => {
  const { input, steps } = await twoTables();
  const { digests } = await digestsOf(input, { threads: 1 });
  assert.equal(digests.length, steps[0] + steps[1]);
  assert.equal(new Set(digests).size, digests.length, "every step changes the state");
  assert.deepEqual((await digestsOf(input, { threads: 3 })).digests, digests);
  assert.equal((await interruptedOnce(input, steps[0] + 2)).stateDigest, digests.at(-1));
});

test("a head of as many other classes begins anew, and one of the same classes goes on", async () => {
  const still = { ...COMMON, learning_rate: 1e-30, head_multiplier: 1 };
  const phases: readonly PhaseInput[] = [
    { objective: "classify", ...COMMON },
    { objective: "classify", ...still },
  ];
  const head = async (own: readonly string[]) => {
    const made = await madeInput({ text: labelled(["left", "right"]) }, phases, { 0: { text: labelled(own) } });
    const { weights } = await runTraining(made, { threads: 1 });
    const alone = await runTraining(
      {
        ...made,
        recipe: { ...made.recipe, phases: [made.recipe.phases[0]!, { ...made.recipe.phases[1]!, epochs: 0 }] },
      },
      { threads: 1 },
    );
    const of = (all: typeof weights) => Array.from(all.get("classifier.weight")!.data);
    return { before: of(alone.weights), after: of(weights) };
  };
  const same = await head(["left", "right"]);
  assert.deepEqual(same.after, same.before);
  const other = await head(["down", "up"]);
  assert.notDeepEqual(other.after, other.before);
});
