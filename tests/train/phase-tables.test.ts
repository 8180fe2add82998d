/** A phase on a table of its own: what becomes of the head. Threads and interruptions: phase-tables.long.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runTraining, type PhaseInput } from "../../src/work/train/index.ts";
import { madeInput } from "./prepared.ts";
import { COMMON, labelled } from "./two-tables.ts";

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
