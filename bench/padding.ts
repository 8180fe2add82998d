/** Padded tokens as a share of all tokens computed, over whole epochs of the default recipes, from the plan that training follows. */
import { existsSync } from "node:fs";
import { bankingTask, type Task } from "./banking.ts";
import type { Benchmark, Figure } from "./report.ts";
import { tokenCount, TrainingPlan } from "../src/work/train/plan.ts";

export const padding: Benchmark = async ({ minilm, progress }) => {
  progress("padding: planning epochs");
  const figures: Figure[] = [{ what: "small model, own tokenizer", value: share(await bankingTask()), unit: "%", bar: { max: 5 } }];
  if (existsSync(minilm)) figures.push({ what: "MiniLM's tokenizer", value: share(await bankingTask(minilm)), unit: "%", bar: { max: 5 } });
  return { name: "padding", note: "BANKING77, two epochs of the default recipes", figures, ...(existsSync(minilm) ? {} : { skipped: `MiniLM: no folder ${minilm}` }) };
};

function share({ data, plan }: Task): number {
  const schedule = new TrainingPlan(data, plan);
  let real = 0;
  let computed = 0;
  for (let step = 0; step < 2 * schedule.stepsPerEpoch; step++) {
    for (const shard of schedule.step(step).shards) {
      if (shard.length === 0) continue;
      const lengths = Array.from(shard, (example) => tokenCount(data, example));
      real += lengths.reduce((sum, length) => sum + length, 0);
      computed += lengths.length * Math.max(...lengths);
    }
  }
  return 100 * (1 - real / computed);
}
