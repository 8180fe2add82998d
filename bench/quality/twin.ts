/**
 * The twin: the same recipe in PyTorch (`peers/quality.py`). It is given what both should have in common — first
 * weights, token ids, which examples a step has, rates — and does all the rest by itself: model, losses, gradients,
 * dropout, clipping, AdamW, and the figure on the test data.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { READINGS, readTable } from "../../src/language/data/index.ts";
import { formatModelConfig, initializeParameters } from "../../src/language/models/index.ts";
import { encodeSafetensors } from "../../src/numeric/tensor/index.ts";
// Rooms' private parts: a plan cannot be had through the door.
import { prepare, type Prepared } from "../../src/edge/api/prepare.ts";
import { columnsFor } from "../../src/edge/api/training-tables.ts";
import { objectiveOf } from "../../src/work/train/objectives/index.ts";
import { phasePlan, phaseSeed, type Context } from "../../src/work/train/program.ts";
import { learningRate } from "../../src/work/train/schedule.ts";
import { modelParameters } from "../../src/language/models/index.ts";
import type { Outcome, Run } from "./ours.ts";

export const TWIN_SCRIPT = join(import.meta.dirname, "../peers/quality.py");

export async function twin({ input, files, threads, wanted, progress }: Run, python: string): Promise<Outcome> {
  const scratch = await mkdtemp(join(tmpdir(), "lockstep-twin-"));
  try {
    progress("preparing the twin");
    const prepared = await prepare(input, {
      onPhases: () => {},
      onStage: () => {},
      onTable: () => {},
      warn: () => {},
      signal: undefined,
    });
    const context = contextOf(prepared);
    const { seed } = prepared.recipe;
    const weights = join(scratch, "model.safetensors");
    await writeFile(weights, encodeSafetensors(firstWeights(prepared, context), {}));
    const job = join(scratch, "job.json");
    const { names, phase, pooling } = context;
    const head = objectiveOf(phase).head(context);
    await writeFile(
      job,
      JSON.stringify({
        weights,
        config: JSON.parse(formatModelConfig(context.config, head, undefined)) as unknown,
        seed,
        threads,
        names,
        phase,
        pooling,
        data: rowsOf(prepared.datasets.at(-1)!),
        steps: stepsOf(context, "steps" in wanted ? wanted.steps : Infinity),
        ...("steps" in wanted || files.test === undefined
          ? {}
          : { test: { ...(await testRows(prepared, input, files.test)), gold: files.gold } }),
      }),
    );
    return await runPython(python, job, progress);
  } finally {
    await rm(scratch, { recursive: true });
  }
}

/** Of the recipe's only phase. */
function contextOf({ recipe, config, tokenizer, labels, datasets }: Prepared): Context {
  const place = recipe.phases.length - 1;
  const phase = recipe.phases[place]!;
  const { train, validation: _, ...dataset } = datasets[place]!;
  return {
    phase,
    config,
    special: tokenizer.special,
    pooling: recipe.pooling,
    labels: labels.length,
    names: labels,
    data: { ...dataset, examples: train },
    plan: {
      batchSize: phase.batch_size,
      shards: phase.shards!,
      epochs: phase.epochs,
      seed: phaseSeed(recipe.phases, place, recipe.seed),
    },
  };
}

function firstWeights({ from }: Prepared, context: Context) {
  const parameters = modelParameters(context.config, objectiveOf(context.phase).head(context));
  const drawn = initializeParameters(
    parameters.filter(({ name }) => from?.has(name) !== true),
    context.config.initializer_range,
    context.plan.seed,
  );
  return new Map(parameters.map(({ name }) => [name, from?.get(name) ?? drawn.get(name)!]));
}

function stepsOf(context: Context, most: number) {
  const plan = phasePlan(context);
  const { learning_rate: peak, warmup_ratio: warmup } = context.phase;
  return Array.from({ length: Math.min(most, plan.steps) }, (_, step) => ({
    rate: learningRate(peak, step, plan.steps, warmup),
    examples: plan.step(step).shards.flatMap((shard) => Array.from(shard)),
  }));
}

interface Rows {
  readonly ids: Int32Array;
  readonly offsets: Int32Array;
  readonly labels: Int32Array;
  readonly rowsEach?: number;
}

/** Labels: one an example, or one a token. */
function rowsOf({ ids, offsets, labels, rowsEach = 1 }: Rows) {
  return { ids: Array.from(ids), offsets: Array.from(offsets), labels: Array.from(labels), rows_each: rowsEach };
}

async function testRows({ recipe, tokenizer, labels }: Prepared, input: Run["input"], path: string) {
  const reading = READINGS[objectiveOf(recipe.phases.at(-1)!).reading];
  const table = await readTable(path, columnsFor([reading], input));
  const encoded = await reading.encode(table, tokenizer, labels, {
    maxLength: Math.min(recipe.max_tokens, tokenizer.maxLength),
  });
  return rowsOf({ ...encoded, rowsEach: reading.rowsEach(table) });
}

async function runPython(python: string, job: string, progress: (text: string) => void): Promise<Outcome> {
  const child = spawn(python, [TWIN_SCRIPT, job], {
    stdio: ["ignore", "pipe", "pipe"],
    // on a busy machine threads that spin while they wait are ruinous, and nobody times the twin
    env: { ...process.env, OMP_WAIT_POLICY: "PASSIVE" },
  });
  const exited = once(child, "exit");
  const errors: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    errors.push(chunk);
    progress(`twin ${chunk.trim().split("\n").at(-1) ?? ""}`);
  });
  const out = await text(child.stdout);
  const [code] = (await exited) as [number | null];
  if (code !== 0) throw new Error(`the twin failed (${code ?? "a signal"}):\n${errors.join("").slice(-2000)}`);
  return JSON.parse(out) as Outcome;
}

/** What decides the twin's outcome beside the recipe. */
export async function twinSource(): Promise<string> {
  return await readFile(TWIN_SCRIPT, "utf8");
}
