/**
 * Two workers against one: the same steps of the same recipe, round by round, whole steps with reduction and update, by
 * the clock on the wall. Beside it what the machine gives at most: two trainings of one worker each, in two processes
 * that share nothing, at the same time, against one alone.
 *
 * Two workers gain busy(2) / busy(1) ÷ processor time(2) / processor time(1): what they lose by waiting for each other
 * shows in the first, what they lose by sharing caches, memory and clock rate in the second.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { bankingTask, openTraining } from "./banking.ts";
import type { Benchmark } from "./report.ts";
import { measured, type Measured, type Steps } from "./threads-side.ts";
import { median, medianRatio } from "./timing.ts";

const STEPS = 20;

export const threads: Benchmark = async ({ rounds, progress }) => {
  progress("two workers against one: preparing BANKING77");
  const task = await bankingTask();
  const children = [0, 1].map(() => fork(join(import.meta.dirname, "threads-child.ts")));
  const sides = await Promise.all([1, 2].map((count) => openTraining(task, count)));
  const [one, two]: [Measured[], Measured[]] = [[], []];
  const apart: { readonly rate: number; readonly processor: number }[] = [];
  try {
    await Promise.all(children.map(said));
    for (let round = 0; round <= rounds; round++) {
      progress(`two workers against one: round ${round} of ${rounds}`);
      const steps = { from: round * STEPS, to: (round + 1) * STEPS };
      const alone = await measured(sides[0]!, steps);
      const together = await measured(sides[1]!, steps);
      const both = await Promise.all(children.map((child) => inChild(child, steps)));
      if (round === 0) continue;
      one.push(alone);
      two.push(together);
      apart.push({
        rate: both.reduce((sum, { tokensPerSecond }) => sum + tokensPerSecond, 0),
        processor: both.reduce((sum, { processor }) => sum + processor, 0) / 2,
      });
    }
  } finally {
    for (const { phase } of sides) await phase.close();
    for (const child of children) child.disconnect();
  }
  const rates = (of: readonly Measured[]) => of.map(({ tokensPerSecond }) => tokensPerSecond);
  const processor = (of: readonly { readonly processor: number }[]) => of.map((each) => each.processor);
  const ceiling = apart.map(({ rate }) => rate);
  return {
    name: "threads",
    note:
      `fine-tuning the small model on BANKING77, ${task.plan.batchSize} texts and ${task.plan.shards} shards a ` +
      `step, ${STEPS} steps a round; needs two idle cores`,
    figures: [
      { what: "two workers against one", value: medianRatio(rates(two), rates(one)), unit: "x", bar: { min: 1.8 } },
      { what: "  one worker", value: median(rates(one)), unit: "tokens/s" },
      { what: "  two workers", value: median(rates(two)), unit: "tokens/s" },
      { what: "  two processes of one worker, against one alone", value: medianRatio(ceiling, rates(one)), unit: "x" },
      { what: "  two workers against two processes", value: medianRatio(rates(two), ceiling), unit: "x" },
      { what: "  processor time of two against one", value: medianRatio(processor(two), processor(one)), unit: "x" },
      { what: "  that of two processes", value: medianRatio(processor(apart), processor(one)), unit: "x" },
      { what: "  threads that compute at a time, of two", value: median(two.map(({ busy }) => busy)), unit: "" },
      { what: "  the main thread's share of that", value: median(two.map(({ main }) => main)), unit: "" },
    ],
  };
};

async function inChild(child: ChildProcess, steps: Steps): Promise<Measured> {
  child.send(steps);
  return (await said(child)) as Measured;
}

/** What a child says next. */
async function said(child: ChildProcess): Promise<unknown> {
  const ended = new AbortController();
  const end = once(child, "exit", { signal: ended.signal }).then(([code]) => {
    throw new Error(`${child.spawnfile} ended with ${code}`);
  });
  try {
    return ((await Promise.race([once(child, "message"), end])) as unknown[])[0];
  } finally {
    end.catch(() => {});
    ended.abort();
  }
}
