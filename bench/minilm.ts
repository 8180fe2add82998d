/**
 * The real thing: whole steps of fine-tuning MiniLM on BANKING77 with two workers — collation, masks, forward,
 * backward, reduction over all shards, clipping, AdamW — beside PyTorch's on two threads, on the very same texts step
 * by step, rounds interleaved. Real tokens count, not padded ones. Each side sleeps while the other works.
 */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TrainingPlan } from "../src/work/train/plan.ts";
import { learningRate } from "../src/work/train/schedule.ts";
import { bankingTask, openTraining, type Task } from "./banking.ts";
import { missingTorch, openFasterPeer, openPeer } from "./peer.ts";
import type { Benchmark, BenchOptions } from "./report.ts";
import { median, medianRatio, processSeconds } from "./timing.ts";

const STEPS = 4;
const NAME = "minilm";
const NOTE =
  `whole steps of fine-tuning MiniLM on BANKING77, ${STEPS} steps a round, same texts, interleaved; ` + "real tokens";

export const minilm: Benchmark = async (options) => {
  const { minilm: folder, python, progress } = options;
  if (!existsSync(folder))
    return { name: NAME, note: NOTE, figures: [], skipped: `no folder ${folder}; give one with --minilm FOLDER` };
  progress("MiniLM: preparing BANKING77");
  const task = await bankingTask(folder);
  const noPeer = missingTorch(python);
  const scratch = await mkdtemp(join(tmpdir(), "lockstep-bench-"));
  try {
    const job = join(scratch, "job.json");
    await writeFile(job, JSON.stringify(await peerJob(task, folder, options)));
    return await compare(task, noPeer, job, options);
  } finally {
    await rm(scratch, { recursive: true });
  }
};

async function compare(
  task: Task,
  noPeer: string | undefined,
  job: string,
  { rounds, threads, python, progress }: BenchOptions,
) {
  progress("MiniLM: starting both sides");
  const script = join(import.meta.dirname, "peers/minilm_finetune.py");
  const peer =
    noPeer === undefined
      ? await openFasterPeer((policy) => openPeer(python, script, job, policy), { from: 0, to: 1 })
      : undefined;
  const ours = await openTraining(task, threads);
  const rates = { ours: [] as number[], peer: [] as number[], oursCpu: [] as number[], peerCpu: [] as number[] };
  const losses = { ours: 0, peer: 0 };
  try {
    for (let round = 0; round <= rounds; round++) {
      progress(`MiniLM: round ${round} of ${rounds}`);
      const [from, to] = [round * STEPS, (round + 1) * STEPS];
      const start = performance.now();
      const used = processSeconds();
      await ours.phase.train(from, to);
      const seconds = (performance.now() - start) / 1000;
      const processor = processSeconds() - used;
      const { tokens, loss } = ours.trained();
      losses.ours = loss;
      const theirs = await peer?.round(from, to);
      losses.peer = theirs?.loss ?? Number.NaN;
      if (round === 0) continue;
      rates.ours.push(tokens / seconds);
      rates.oursCpu.push(tokens / processor);
      if (theirs === undefined) continue;
      rates.peer.push(tokens / theirs.seconds);
      rates.peerCpu.push(tokens / theirs.cpu_seconds);
    }
  } finally {
    await ours.phase.close();
    await peer?.close();
  }
  const figures = [
    { what: "Lockstep", value: median(rates.ours), unit: "tokens/s" },
    { what: "Lockstep, for each second of processor time", value: median(rates.oursCpu), unit: "tokens/s" },
  ];
  if (peer === undefined) return { name: NAME, note: NOTE, figures, skipped: `PyTorch: ${noPeer ?? ""}` };
  return {
    name: NAME,
    note:
      `${NOTE}; threads ${threads}; PyTorch ${String(peer.about["torch"])}, AdamW ${String(peer.about["adamw"])}` +
      `, OpenMP waits ${peer.policy.toLowerCase()}; last losses ${losses.ours.toFixed(3)} and ` +
      losses.peer.toFixed(3),
    figures: [
      { what: "Lockstep against PyTorch", value: medianRatio(rates.ours, rates.peer), unit: "x", bar: { min: 1 } },
      { what: "Lockstep against PyTorch, processor time", value: medianRatio(rates.oursCpu, rates.peerCpu), unit: "x" },
      ...figures,
      { what: "PyTorch", value: median(rates.peer), unit: "tokens/s" },
      { what: "PyTorch, for each second of processor time", value: median(rates.peerCpu), unit: "tokens/s" },
    ],
  };
}

/** What the peer needs: the first steps' texts as our plan has them, and the recipe's rates. */
async function peerJob(task: Task, folder: string, { rounds, threads }: BenchOptions): Promise<unknown> {
  const { data, plan, recipe, phase, labels } = task;
  const schedule = new TrainingPlan(data, plan);
  return {
    weights: join(folder, "model.safetensors"),
    config: JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as unknown,
    labels,
    label_smoothing: phase.label_smoothing,
    dropout: recipe.hidden_dropout,
    threads,
    head_multiplier: phase.head_multiplier,
    weight_decay: phase.weight_decay,
    max_grad_norm: phase.max_grad_norm,
    steps: Array.from({ length: (rounds + 1) * STEPS }, (_, step) => {
      const examples = schedule.step(step).shards.flatMap((shard) => Array.from(shard));
      const learning_rate = learningRate(phase.learning_rate, step, schedule.steps, phase.warmup_ratio);
      return {
        learning_rate,
        texts: examples.map((example) =>
          Array.from(data.ids.subarray(data.offsets[example], data.offsets[example + 1])),
        ),
        labels: examples.map((example) => data.labels[example]),
      };
    }),
  };
}
