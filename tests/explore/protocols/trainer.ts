/**
 * A training as small as it can be, of the trainer's own parts: plan, memory, kernels, row tables, collective, steps.
 * Only the session is not the runtime's: it makes up gradients out of the weights, the inputs and the shard, and writes
 * them where a session would.
 */
import { modelParameters } from "../../../src/language/models/index.ts";
import type { Bindings, RandomKey, RunOptions, Session } from "../../../src/numeric/runtime/index.ts";
import { ThreadCollective, type Collective } from "../../../src/threads/collective/index.ts";
import { planSegments } from "../../../src/work/train/layout.ts";
import { TrainingMemory } from "../../../src/work/train/memory.ts";
import type { PhaseSetup, StepReport } from "../../../src/work/train/messages.ts";
import { objectiveOf } from "../../../src/work/train/objectives/index.ts";
import { resolveRecipe, type PhaseInput } from "../../../src/work/train/recipe.ts";
import type { RowTable } from "../../../src/work/train/row-tables.ts";
import { createSetup } from "../../../src/work/train/setup.ts";
import { StepRunner } from "../../../src/work/train/step.ts";
import type { StepFigures } from "../../../src/work/train/weight-function.ts";
import { sharedInts } from "./shared.ts";
import { bertConfig } from "../../models/bert-config.ts";

const CONFIG = bertConfig({
  vocab_size: 6,
  hidden_size: 4,
  num_hidden_layers: 1,
  num_attention_heads: 1,
  intermediate_size: 4,
  max_position_embeddings: 4,
  type_vocab_size: 1,
});
/** [PAD] 0, [CLS] 1, [SEP] 2; two tokens between them, that neighbours share. */
const TEXTS = [
  [1, 3, 2],
  [1, 4, 2],
  [1, 3, 4, 2],
  [1, 5, 2],
];

export interface TrainingSize {
  readonly workers: number;
  readonly shards: number;
  readonly epochs: number;
  /** @default "classify" */
  readonly kind?: Kind;
}

/** What is special about a step: nothing; shards that know of each other's rows; weights that are asked for. */
type Kind = "classify" | "contrastive" | "asked";

const PHASES: { readonly [K in Kind]: PhaseInput } = {
  classify: { objective: "classify", label_smoothing: 0 },
  contrastive: { objective: "contrastive" },
  asked: { objective: "classify", label_smoothing: 0, shard_weights: { function: "later-more" } },
};

/** Weights that depend on the step, on what the shards hold and on what came of the steps before. */
export function laterMore({ step, shards, earlier }: StepFigures): number[] {
  const learned = earlier.reduce((sum, { losses }) => sum + losses.reduce((total, loss) => total + loss, 0), 1);
  return shards.map(({ shard, tokens, losses }) => 1 + shard * (step + 1) + tokens / losses + learned / 8);
}

/**
 * A batch is all four texts, or two pairs of them, so an epoch is one step. Segments of about 64 elements, so that
 * every worker has blocks.
 */
export function smallSetup({ workers, shards, epochs, kind = "classify" }: TrainingSize): PhaseSetup {
  const rowsEach = kind === "contrastive" ? 2 : 1;
  const examples = TEXTS.length / rowsEach;
  const recipe = resolveRecipe({
    phases: [
      {
        epochs,
        batch_size: examples,
        learning_rate: 0.01,
        weight_decay: 0.1,
        max_grad_norm: 1,
        ...PHASES[kind],
      },
    ],
  });
  const phase = recipe.phases[0]!;
  const model = { phase, config: CONFIG, labels: 2, pooling: "mean" } as const;
  const parameters = modelParameters(CONFIG, objectiveOf(phase).head(model));
  const { setup, memory } = createSetup({
    ...model,
    names: ["a", "b"],
    executor: "portable",
    workers,
    special: { pad: 0, unk: 0, cls: 1, sep: 2, mask: 5, bos: -1, eos: -1 },
    data: {
      ids: sharedInts(TEXTS.flat()),
      offsets: sharedInts(TEXTS.reduce<number[]>((ends, text) => [...ends, ends.at(-1)! + text.length], [0])),
      labels: sharedInts([0, 1, 1, 0]),
      rowsEach,
      examples: sharedInts(Array.from({ length: examples }, (_, example) => example)),
    },
    plan: { batchSize: examples, shards, epochs, seed: [1, 2] },
    segments: planSegments(parameters, 64),
  });
  for (const { data } of Object.values(memory.weights()))
    data.forEach((_, i) => {
      data[i] = ((i * 7 + data.length) % 11) / 16 - 0.25;
    });
  return setup;
}

export type MakeCollective = (setup: PhaseSetup, rank: number) => Collective;
const threads: MakeCollective = ({ collective }, rank) => ThreadCollective.attach(collective, rank);

/** One worker's part in the steps before `steps`. `fails`: the shard whose run fails. */
export async function train(
  setup: PhaseSetup,
  rank: number,
  steps: number,
  { collective = threads, fails = null }: { readonly collective?: MakeCollective; readonly fails?: number | null } = {},
): Promise<readonly StepReport[]> {
  const memory = TrainingMemory.attach(setup.segments, setup.memory);
  const session = new MadeUpSession(memory.weights(), setup.rows.tables, fails);
  const shared = objectiveOf(setup.phase).shared === undefined ? undefined : session;
  const sessions = { session, shared, teacher: undefined };
  const runner = StepRunner.over(sessions, setup, memory, collective(setup, rank), (work) => work());
  const reports: StepReport[] = [];
  await runner.steps(0, steps, (report) => {
    reports.push(report);
  });
  await runner.dispose();
  return reports;
}

/** Weights and moments as bits, and what the weights of shards remember. */
export function stateBits(setup: PhaseSetup): string {
  const memory = TrainingMemory.attach(setup.segments, setup.memory);
  return [...memory.state().values(), setup.exchange.remembered]
    .map((values) => Buffer.from(values.slice().buffer).toString("hex"))
    .join(" ");
}

/**
 * Stands for a session: reads all weights, then writes every gradient. Of tables whose gradients are rows it adds rows,
 * as a session does.
 */
class MadeUpSession implements Session {
  readonly profile = { executor: "reference", form: "shared", build: "made up", cpu: "any", id: "" } as const;
  readonly #weights: Bindings;
  readonly #tables: ReadonlyMap<string, RowTable>;
  readonly #fails: number | null;

  constructor(weights: Bindings, tables: readonly RowTable[], fails: number | null) {
    this.#weights = weights;
    this.#tables = new Map(tables.map((table) => [`grad.${table.parameter}`, table]));
    this.#fails = fails;
  }

  async run(inputs: Bindings, outputs: Bindings, random?: RandomKey, { zeroed }: RunOptions = {}): Promise<void> {
    const shard = random?.shard ?? 0;
    if (shard === this.#fails) throw new RangeError("this run was to fail");
    let seen = shard + 1;
    for (const { data } of Object.values(this.#weights))
      for (const value of (data as Float32Array).slice()) seen = (seen * 31 + value * 1024) % 997;
    for (const { data } of Object.values(inputs))
      for (const value of data.slice() as Float32Array)
        if (Number.isFinite(value)) seen = (seen * 31 + value * 16) % 997;
    for (const [name, { data, shape }] of Object.entries(outputs)) {
      const target = data as Float32Array;
      const table = this.#tables.get(name);
      if (table === undefined) target.set(Float32Array.from(target, (_, i) => ((seen + i * 13) % 101) / 64 - 0.75));
      else
        this.#addRows(
          target,
          shape[1] ?? 0,
          table.ids.flatMap((ids) => [...(inputs[ids]?.data as Int32Array)]),
          seen,
          zeroed?.has(name) === true,
        );
    }
  }

  async dispose(): Promise<void> {}

  #addRows(target: Float32Array, width: number, ids: readonly number[], seen: number, isZero: boolean): void {
    if (!isZero) target.fill(0);
    ids.forEach((id, position) => {
      const row = target.subarray(id * width, (id + 1) * width);
      row.set(row.slice().map((value, i) => value + ((seen + position * 5 + i) % 89) / 128));
    });
  }
}
