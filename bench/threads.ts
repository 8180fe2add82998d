/**
 * Two workers against one: the same steps of the same recipe, round by round, whole steps with reduction and update, by
 * the clock on the wall.
 */
import { bankingTask, openTraining } from "./banking.ts";
import type { Benchmark } from "./report.ts";
import { median, medianRatio, processSeconds } from "./timing.ts";

const STEPS = 20;

export const threads: Benchmark = async ({ rounds, progress }) => {
  progress("two workers against one: preparing BANKING77");
  const task = await bankingTask();
  const sides = await Promise.all(
    [1, 2].map(async (count) => ({
      ...(await openTraining(task, count)),
      rates: [] as number[],
      processor: [] as number[],
    })),
  );
  try {
    for (let round = 0; round <= rounds; round++) {
      progress(`two workers against one: round ${round} of ${rounds}`);
      for (const { phase, trained, rates, processor } of sides) {
        const start = performance.now();
        const used = processSeconds();
        await phase.train(round * STEPS, (round + 1) * STEPS);
        const seconds = (performance.now() - start) / 1000;
        const { tokens } = trained();
        if (round === 0) continue;
        rates.push(tokens / seconds);
        processor.push(processSeconds() - used);
      }
    }
  } finally {
    for (const { phase } of sides) await phase.close();
  }
  const [one, two] = sides;
  return {
    name: "threads",
    note:
      `fine-tuning the small model on BANKING77, ${task.plan.batchSize} texts and ${task.plan.shards} shards a ` +
      `step, ${STEPS} steps a round; needs two idle cores`,
    figures: [
      { what: "two workers against one", value: medianRatio(two!.rates, one!.rates), unit: "x", bar: { min: 1.8 } },
      { what: "  one worker", value: median(one!.rates), unit: "tokens/s" },
      { what: "  two workers", value: median(two!.rates), unit: "tokens/s" },
      { what: "  processor time of two against one", value: medianRatio(two!.processor, one!.processor), unit: "x" },
    ],
  };
};
