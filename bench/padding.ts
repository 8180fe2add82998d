/**
 * Padded tokens as a share of all tokens computed, over whole epochs of the default recipes, from the inputs that
 * training computes, word dropout included.
 */
import { existsSync } from "node:fs";
import { bankingTask, type Task } from "./banking.ts";
import type { Benchmark, Figure } from "./report.ts";
import { objectiveOf } from "../src/work/train/objectives/index.ts";
import { phasePlan } from "../src/work/train/program.ts";

export const padding: Benchmark = async ({ minilm, progress }) => {
  progress("padding: planning epochs");
  const figures: Figure[] = [
    { what: "small model, own tokenizer", value: share(await bankingTask()), unit: "%", bar: { max: 5 } },
  ];
  if (existsSync(minilm))
    figures.push({ what: "MiniLM's tokenizer", value: share(await bankingTask(minilm)), unit: "%", bar: { max: 5 } });
  return {
    name: "padding",
    note: "BANKING77, two epochs of the default recipes",
    figures,
    ...(existsSync(minilm) ? {} : { skipped: `MiniLM: no folder ${minilm}` }),
  };
};

function share(task: Task): number {
  const schedule = phasePlan(task);
  let real = 0;
  let computed = 0;
  for (let step = 0; step < 2 * schedule.stepsPerEpoch; step++) {
    const { epoch, shards } = schedule.step(step);
    shards.forEach((examples, shard) => {
      if (examples.length === 0) return;
      const { tokens, paddedTokens } = objectiveOf(task.phase).inputs(task, examples, {
        epoch,
        seed: task.plan.seed,
        step,
        shard,
      });
      real += tokens;
      computed += paddedTokens;
    });
  }
  return 100 * (1 - real / computed);
}
