/**
 * How long the main thread's event loop is held up while this process trains on two workers and answers questions on a
 * third: the main thread tokenizes, schedules and reports, and never computes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { loadModel, train, type Model } from "../src/edge/api/index.ts";
import { readTable } from "../src/language/data/index.ts";
import { bankingTask, openTraining } from "./banking.ts";
import type { Benchmark } from "./report.ts";

const SECONDS = 10;
const EVERY_MS = 20;
const STEPS = 10;
/** The delay that an idle loop shows at a resolution of one millisecond. */
const RESOLUTION_MS = 1;

export const eventLoop: Benchmark = async ({ progress }) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
  try {
    progress("event loop: a version to serve");
    const data = join(import.meta.dirname, "../examples/banking77/test.csv");
    await train(
      {
        data,
        pretrain: { epochs: 0 },
        finetune: { epochs: 1 },
        model: { hidden_size: 64, num_attention_heads: 2, intermediate_size: 128 },
      },
      { out: folder, threads: 2 },
    );
    const { texts } = await readTable(data);
    await using model = await loadModel(folder, { threads: 1 });
    const training = await openTraining(await bankingTask(), 2);
    try {
      progress(`event loop: training and serving for ${SECONDS} s`);
      return await observe(model, texts, training);
    } finally {
      await training.phase.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
};

async function observe(
  model: Model,
  texts: readonly string[],
  { phase, trained }: Awaited<ReturnType<typeof openTraining>>,
) {
  await phase.train(0, STEPS); // warms up
  trained();
  const end = performance.now() + SECONDS * 1000;
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  const answers: Promise<unknown>[] = [];
  const ask = async () => {
    for (let i = 0; performance.now() < end; i++) {
      answers.push(model.classify(texts[i % texts.length]!));
      await sleep(EVERY_MS);
    }
  };
  const learn = async () => {
    for (let step = STEPS; performance.now() < end && step + STEPS <= phase.steps; step += STEPS)
      await phase.train(step, step + STEPS);
  };
  delay.enable();
  await Promise.all([ask(), learn()]);
  delay.disable();
  await Promise.all(answers);
  const ms = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  return {
    name: "event-loop",
    note:
      `main thread while two workers train the small model and a replica answers a question every ${EVERY_MS} ` +
      `ms; less the ${RESOLUTION_MS} ms of the monitor's resolution`,
    figures: [
      { what: "event-loop delay, p99", value: ms(delay.percentile(99)), unit: "ms", bar: { max: 10 } },
      { what: "  p50", value: ms(delay.percentile(50)), unit: "ms" },
      { what: "  largest", value: ms(delay.max), unit: "ms" },
      { what: "  tokens trained meanwhile", value: trained().tokens / SECONDS, unit: "tokens/s" },
      { what: "  questions answered meanwhile", value: answers.length / SECONDS, unit: "/s" },
    ],
  };
}
