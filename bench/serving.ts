/**
 * Packed serving: the same texts answered one at a time and in batches, one thread, thread time. Bits are equal by
 * promise 2; this is about speed.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readTable } from "../src/language/data/index.ts";
import { createExecutor } from "../src/numeric/runtime/index.ts";
import { openPredictor, type Version } from "../src/work/infer/index.ts";
import { bankingTask, type Task } from "./banking.ts";
import type { Benchmark, Figure } from "./report.ts";
import { interleave, median, medianRatio } from "./timing.ts";

const TEXTS = 256;

export const serving: Benchmark = async ({ minilm, rounds, progress }) => {
  const { texts } = await readTable(join(import.meta.dirname, "../examples/banking77/test.csv"));
  const some = texts.filter((_, row) => row % Math.floor(texts.length / TEXTS) === 0).slice(0, TEXTS);
  progress("serving: the small model");
  const figures: Figure[] = await compare("small model", await bankingTask(), some, rounds);
  if (existsSync(minilm)) {
    progress("serving: MiniLM");
    figures.push(...(await compare("MiniLM", await bankingTask(minilm), some, rounds)));
  }
  return {
    name: "serving",
    note: `${TEXTS} test texts of BANKING77 as tokens, grouped by padded length, one thread`,
    figures,
    ...(existsSync(minilm) ? {} : { skipped: `MiniLM: no folder ${minilm}` }),
  };
};

async function compare(what: string, task: Task, texts: readonly string[], rounds: number): Promise<Figure[]> {
  const { config, labels, pooling, tokenizer, recipe, weights } = task;
  const version: Version = {
    task: "classify",
    config,
    head: { kind: "sequence", labels, pooling },
    labels: task.names,
    maxTokens: recipe.max_tokens,
    calibration: { temperature: 1, threshold: 0 },
    activation: "identity",
    normalize: false,
    tokenizer,
    weights: Object.fromEntries(weights),
  };
  const predictor = await openPredictor(version, await createExecutor("native"));
  const rows = await Promise.all(
    texts.map(async (text) => ({ ids: Int32Array.from((await tokenizer.encode(text)).ids) })),
  );
  const [alone, batches] = await interleave(rounds, [
    async () => {
      for (const row of rows) await predictor.run([row]);
    },
    async () => {
      await predictor.run(rows);
    },
  ]);
  await predictor.dispose();
  return [
    { what: `${what}: batches against one at a time`, value: medianRatio(alone!, batches!), unit: "x" },
    { what: "  one at a time", value: rows.length / median(alone!), unit: "texts/s" },
    { what: "  batches", value: rows.length / median(batches!), unit: "texts/s" },
  ];
}
