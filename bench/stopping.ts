/**
 * How soon a training that is asked to stop has stopped: from the abort of its signal, as Ctrl-C does it, until no
 * worker computes any more, at instants spread over the steps. Saving the checkpoint comes after that and is not in it.
 */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { bankingTask, openTraining, type Task } from "./banking.ts";
import type { Benchmark, Figure } from "./report.ts";
import { median } from "./timing.ts";

/** Each opens a training anew; after some twenty of MiniLM's the memory of those before slows the steps themselves. */
const TIMES = 12;
/** Steps that each training does first, and could still do after that. */
const WARM = 2;
const MANY = 300;
const SPREAD_MS = 120;

export const stopping: Benchmark = async ({ minilm, threads, progress }) => {
  progress("stopping: preparing BANKING77");
  const tasks: (readonly [string, Task])[] = [["the small model", await bankingTask()]];
  if (existsSync(minilm)) tasks.push(["MiniLM", await bankingTask(minilm)]);
  const figures: Figure[] = [];
  for (const [name, task] of tasks) {
    const taken: number[] = [];
    for (let i = 0; i < TIMES; i++) {
      progress(`stopping: ${name}, ${i + 1} of ${TIMES}`);
      taken.push(await stopOnce(task, threads, SPREAD_MS * ((i * 0.618) % 1)));
    }
    figures.push(
      { what: `${name}: longest of ${TIMES}`, value: Math.max(...taken), unit: "ms", bar: { max: 100 } },
      { what: "  median", value: median(taken), unit: "ms" },
    );
  }
  return { name: "stopping", note: `${threads} workers, stopped inside a step`, figures };
};

async function stopOnce(task: Task, threads: number, afterMs: number): Promise<number> {
  const { phase } = await openTraining(task, threads);
  try {
    await phase.train(0, WARM);
    const controller = new AbortController();
    const stopped = phase.train(WARM, WARM + MANY, controller.signal);
    await sleep(afterMs);
    const asked = performance.now();
    controller.abort();
    await stopped;
    return performance.now() - asked;
  } finally {
    await phase.close();
  }
}
