/** A small training whose first phase has a table of its own. */
import type { TrainingInput } from "../../src/work/train/index.ts";
import { madeInput, sentences } from "./prepared.ts";

export const COMMON = { epochs: 1, batch_size: 8, shards: 4, learning_rate: 2e-3 } as const;
const TEXTS = sentences(32).map(({ words, n }) => `${words.join(" ")} ${n}`);
export const labelled = (classes: readonly string[]) =>
  ["text,label", ...sentences(24).map(({ words, n }) => `${words.join(" ")},${classes[n % classes.length]}`)].join(
    "\n",
  );

/** Texts without labels, then labels; `steps` of each phase. */
export async function twoTables(): Promise<{
  readonly input: TrainingInput;
  readonly steps: readonly [number, number];
}> {
  const input = await madeInput(
    { text: labelled(["left", "right"]) },
    [
      { objective: "masked-lm", ...COMMON },
      { objective: "classify", ...COMMON },
    ],
    { 0: { text: TEXTS.join("\n\n"), format: "text" } },
  );
  const [domain, labels] = input.datasets.map(({ train }) => Math.ceil(train.length / COMMON.batch_size));
  return { input, steps: [domain!, labels!] };
}
