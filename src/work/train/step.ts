/**
 * One training step, as one worker sees it. Three parts with barriers between them: gradients of its own shards,
 * folded into the tree's partial sums; the sum completed over its own slice of blocks; the update of that slice.
 * Nothing here depends on how many workers there are, on which is fastest, or on a clock.
 *
 * Before these, an objective whose shards have to know of each other has each worker write the shared rows of its own
 * shards, and a barrier follows. Where the main thread is asked for the weights of shards, each worker writes what its
 * own hold (counts, tokens), and consults: the main thread reads that, and writes the weights of all.
 *
 * Who may touch what in shared memory, all of it plain (`│` is a barrier, after which everything before it is seen by
 * all):
 *                       1. gradients            │ 2. reduce slice         │ 3. update slice         │
 *   weights             read by all             │                         │ own blocks written      │
 *   shared rows         read by all             │                         │                         │
 *   gradient slots      own slots written       │ own blocks of all slots │ own blocks of all slots │
 *   row flags           own slots' written      │ read by all             │                         │
 *   counts, losses, …   own shards' written     │ read by all             │ read by all             │
 *   remembered losses   read by all             │                         │ written by the first    │
 *   block sums                                  │ own blocks' written     │ read by all             │
 *   moments                                     │                         │ own blocks written      │
 */
import { invariant, isLockstepError, LockstepError } from "../../base/index.ts";
import type { Executor, Session } from "../../numeric/runtime/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import {
  assignShards,
  FoldStack,
  normTree,
  type Collective,
  type CompletionAdd,
  type ShardRange,
  type SlotRef,
} from "../../threads/collective/index.ts";
import type { Exchange } from "./exchange.ts";
import type { TrainingMemory } from "./memory.ts";
import type { PhaseSetup, StepReport } from "./messages.ts";
import { objectiveOf, type ShardInputs, type SharedBatch } from "./objectives/index.ts";
import type { StepPlan, TrainingPlan } from "./plan.ts";
import { gradientProgram, phasePlan } from "./program.ts";
import { denseSpans, rowSpans, type Span } from "./row-tables.ts";
import { biasCorrection, learningRate } from "./schedule.ts";
import { policyOf } from "./shard-weights.ts";
import { at, Slice, type SlotPair } from "./slice.ts";
import { TeacherRunner } from "./teacher-runner.ts";
import { TouchedRows } from "./touched-rows.ts";

/** Marks the thread as one that must not be stopped now. */
export type Busy = <T>(work: () => Promise<T>) => Promise<T>;

interface Sessions {
  /** Of the gradient program. */
  readonly session: Session;
  /** Of what shards know of each other, where the objective has that. */
  readonly shared: Session | undefined;
  readonly teacher: TeacherRunner | undefined;
}

export class StepRunner {
  readonly #setup: PhaseSetup;
  readonly #memory: TrainingMemory;
  readonly #exchange: Exchange;
  readonly #collective: Collective;
  readonly #session: Session;
  /** Of the rows that shards know of each other. */
  readonly #shared: Session | undefined;
  readonly #teacher: TeacherRunner | undefined;
  readonly #busy: Busy;
  readonly #weight: ReturnType<typeof policyOf>["weight"];
  readonly #plan: TrainingPlan;
  readonly #ranges: readonly ShardRange[];
  readonly #slice: Slice;
  readonly #rows: TouchedRows;
  /** All of each segment but its row tables. */
  readonly #spans: readonly (readonly Span[])[];
  /** The first slot of each worker among all gradient slots. */
  readonly #slotBase: readonly number[];
  readonly #gradients = new Map<number, Record<string, HostTensor<"float32">>>();

  private constructor(
    setup: PhaseSetup,
    memory: TrainingMemory,
    collective: Collective,
    { session, shared, teacher }: Sessions,
    busy: Busy,
  ) {
    this.#setup = setup;
    this.#shared = shared;
    this.#teacher = teacher;
    this.#memory = memory;
    this.#exchange = setup.exchange;
    this.#collective = collective;
    this.#session = session;
    this.#busy = busy;
    this.#weight = policyOf(setup.phase.shard_weights).weight;
    this.#plan = phasePlan(setup);
    this.#ranges = assignShards(setup.plan.shards, setup.workers);
    this.#slotBase = setup.slotBase;
    this.#rows = TouchedRows.attach(setup.rows);
    this.#slice = new Slice(memory, this.#rows, { rank: collective.rank, workers: setup.workers });
    this.#spans = setup.segments.map(({ index, length }) =>
      denseSpans({ segment: index, offset: 0, length }, this.#rows.tables),
    );
  }

  static async open(
    setup: PhaseSetup,
    memory: TrainingMemory,
    collective: Collective,
    executor: Executor,
    busy: Busy,
  ): Promise<StepRunner> {
    const session = await executor.load(gradientProgram(setup), { form: "shared", weights: memory.weights() });
    const before = objectiveOf(setup.phase).shared;
    const shared =
      before === undefined
        ? undefined
        : await executor.load(before.program(setup), { form: "shared", weights: memory.weights() });
    const teacher = await TeacherRunner.open(setup, executor);
    return StepRunner.over({ session, shared, teacher }, setup, memory, collective, busy);
  }

  /** Over sessions that are loaded: of the programs of this setup, with the memory's weights in shared form. */
  static over(
    sessions: Sessions,
    setup: PhaseSetup,
    memory: TrainingMemory,
    collective: Collective,
    busy: Busy,
  ): StepRunner {
    return new StepRunner(setup, memory, collective, sessions, busy);
  }

  /**
   * Steps from..to-1. When it fails, it gives up for all: the others wait for this worker. CANCELLED has the step that
   * was not begun or not finished as `details.step`: a worker that is in it has seen the end of the one before, so the
   * largest of all workers' is where the training stands.
   */
  async steps(from: number, to: number, onStep: (report: StepReport) => void): Promise<void> {
    let step = from;
    try {
      for (; step < to; step++) onStep(await this.step(step));
    } catch (thrown) {
      this.#collective.abort("INTERNAL");
      if (!isLockstepError(thrown)) throw thrown;
      throw new LockstepError(thrown.code, thrown.message, { ...thrown.details, step }, { cause: thrown });
    }
  }

  async step(step: number): Promise<StepReport> {
    const plan = this.#plan.step(step);
    if (this.#shared !== undefined) {
      await this.#shareRows(this.#shared, plan, step);
      await this.#collective.arrive();
    }
    const asking = this.#weight === undefined ? await this.#ask(plan, step) : undefined;
    await this.#computeShards(plan, step, asking);
    await this.#collective.arrive();
    const { root, adds } = await this.#completeTree();
    this.#reduceSlice(root, adds);
    await this.#collective.arrive();
    const report = this.#report(plan, step);
    this.#updateSlice(root, report);
    this.#remember();
    await this.#collective.arrive();
    return report;
  }

  /** What this worker's shards have the others know. */
  async #shareRows(session: Session, plan: StepPlan, step: number): Promise<void> {
    const { first, count } = this.#ranges[this.#collective.rank]!;
    const { phase, plan: own } = this.#setup;
    const objective = objectiveOf(phase);
    const { shared } = objective;
    invariant(shared !== undefined, `${phase.objective} has shards that know of each other`);
    for (let shard = first; shard < first + count; shard++) {
      const examples = plan.shards[shard]!;
      if (examples.length === 0) continue;
      const key = { seed: own.seed, step, shard };
      const { inputs } = objective.inputs(this.#setup, examples, { ...key, epoch: plan.epoch });
      const width = shared.width(this.#setup);
      const [rows, at] = [
        shared.rows(this.#setup, examples.length),
        shared.rows(this.#setup, firstOf(plan, shard)) * width,
      ];
      const target = this.#exchange.shared.subarray(at, at + rows * width);
      // a run writes what is padded too
      const output = tensor("float32", [Math.max(2, rows), width], new Float32Array(Math.max(2, rows) * width));
      await this.#busy(() => session.run(inputs, { shared: output }, key));
      target.set(output.data.subarray(0, target.length));
    }
  }

  /** Says what this worker's shards hold, and has their weights decided; their inputs. */
  async #ask(plan: StepPlan, step: number): Promise<ReadonlyMap<number, ShardInputs | undefined>> {
    const { first, count } = this.#ranges[this.#collective.rank]!;
    const shards = Array.from({ length: count }, (_, index) => first + index);
    const prepared = new Map(shards.map((shard) => [shard, this.#prepare(plan, step, shard)] as const));
    await this.#collective.consult();
    return prepared;
  }

  /** `prepared`: the inputs of shards whose weights are decided already. */
  async #computeShards(
    plan: StepPlan,
    step: number,
    prepared: ReadonlyMap<number, ShardInputs | undefined> | undefined,
  ): Promise<void> {
    const range = this.#ranges[this.#collective.rank];
    invariant(range !== undefined, `no range for worker ${this.#collective.rank}`);
    const fold = new FoldStack(range, this.#setup.plan.shards);
    for (let shard = fold.next; shard !== null; shard = fold.next) {
      const inputs = prepared === undefined ? this.#prepare(plan, step, shard) : prepared.get(shard);
      const weight = this.#weigh(plan, shard, inputs);
      if (inputs !== undefined && weight > 0) {
        const taught = await this.#taught(plan, step, shard);
        const all = { ...inputs.inputs, ...taught };
        await this.#computeShard(all, weight / inputs.count, { step, shard }, fold.begin());
      }
      for (const { dst, src } of weight > 0 ? fold.finish() : fold.skip())
        this.#addWhole(this.#base + dst, this.#base + src);
    }
  }

  /** The inputs of a shard, and what it holds written down; undefined where it holds no losses. */
  #prepare(plan: StepPlan, step: number, shard: number): ShardInputs | undefined {
    const {
      phase,
      plan: { seed },
    } = this.#setup;
    const examples = plan.shards[shard];
    invariant(examples !== undefined, `the plan has no shard ${shard}`);
    const prepared =
      examples.length === 0
        ? undefined
        : objectiveOf(phase).inputs(
            this.#setup,
            examples,
            { seed, step, shard, epoch: plan.epoch },
            this.#shared === undefined ? undefined : this.#batchOf(plan, shard),
          );
    const { counts, tokens, paddedTokens } = this.#exchange;
    counts[shard] = prepared?.count ?? 0;
    tokens[shard] = prepared?.tokens ?? 0;
    paddedTokens[shard] = prepared?.paddedTokens ?? 0;
    return counts[shard] === 0 ? undefined : prepared;
  }

  /** The weight of a shard, written down; 0: it takes no part in the step. */
  #weigh(plan: StepPlan, shard: number, inputs: ShardInputs | undefined): number {
    const { losses, weights, tokens, paddedTokens, remembered } = this.#exchange;
    losses[shard] = 0;
    if (this.#weight !== undefined)
      weights[shard] =
        inputs === undefined
          ? 0
          : this.#weight(
              { shard, count: inputs.count, tokens: inputs.tokens, examples: plan.shards[shard]!.length },
              remembered,
            );
    const weight = weights[shard]!;
    if (weight === 0) tokens[shard] = paddedTokens[shard] = 0;
    return weight;
  }

  /** What a teacher who is asked in every step says of a shard. */
  async #taught(plan: StepPlan, step: number, shard: number): Promise<ShardInputs["inputs"]> {
    const teacher = this.#teacher;
    const key = { seed: this.#setup.plan.seed, step, shard, epoch: plan.epoch };
    return teacher === undefined ? {} : await this.#busy(() => teacher.ask(plan.shards[shard]!, key));
  }

  async #computeShard(
    inputs: ShardInputs["inputs"],
    factor: number,
    at: { readonly step: number; readonly shard: number },
    slot: number,
  ): Promise<void> {
    this.#rows.clear(this.#base + slot);
    this.#rows.mark(this.#base + slot, inputs);
    const loss = tensor("float32", [], new Float32Array(1));
    const scale = tensor("float32", [], Float32Array.of(factor));
    await this.#busy(() =>
      this.#session.run(
        { ...inputs, loss_scale: scale },
        { loss, ...this.#slotTensors(this.#base + slot) },
        { seed: this.#setup.plan.seed, ...at },
        { zeroed: this.#rows.zeroed },
      ),
    );
    this.#exchange.losses[at.shard] = loss.data[0]!;
  }

  #batchOf(plan: StepPlan, shard: number): SharedBatch {
    const { shared } = objectiveOf(this.#setup.phase);
    const length = shared!.rows(this.#setup, firstOf(plan, plan.shards.length)) * shared!.width(this.#setup);
    return { shared: this.#exchange.shared.subarray(0, length), first: firstOf(plan, shard) };
  }

  async #completeTree(): Promise<{ root: number | null; adds: readonly SlotPair[] }> {
    const adds: SlotPair[] = [];
    const add = ({ dst, src }: CompletionAdd) => {
      adds.push({ dst: this.#slotOf(dst), src: this.#slotOf(src) });
    };
    const root = await this.#collective.reduce({
      ranges: this.#ranges,
      weights: Array.from(this.#exchange.weights),
      add,
    });
    return { root: root === null ? null : this.#slotOf(root), adds };
  }

  #reduceSlice(root: number | null, adds: readonly SlotPair[]): void {
    if (root !== null) this.#slice.reduce(root, adds, sum(this.#exchange.weights), this.#exchange.blockSums);
  }

  #updateSlice(root: number | null, report: StepReport): void {
    if (root === null) return;
    const { phase: rates } = this.#setup;
    const { step, gradientNorm, learningRate: rate } = report;
    const clip = gradientNorm > rates.max_grad_norm ? rates.max_grad_norm / gradientNorm : 1;
    const shared = {
      beta1: rates.adam_beta1,
      beta2: rates.adam_beta2,
      epsilon: rates.adam_epsilon,
      gradScale: clip,
      correction1: biasCorrection(rates.adam_beta1, step),
      correction2: biasCorrection(rates.adam_beta2, step),
    };
    this.#slice.update(root, ({ decay, group }) => ({
      ...shared,
      learningRate: group === "head" ? rate * rates.head_multiplier : rate,
      weightDecay: decay ? rates.weight_decay : 0,
    }));
  }

  /** Weights of shards that go by earlier losses learn of this step's. */
  #remember(): void {
    const { learn } = policyOf(this.#setup.phase.shard_weights);
    if (learn === undefined || this.#collective.rank !== 0) return;
    const { losses, weights, remembered } = this.#exchange;
    learn(
      remembered,
      losses.map((loss, shard) => (weights[shard] === 0 ? NaN : loss / weights[shard]!)),
    );
  }

  /** @throws NON_FINITE before any weight is touched, in every worker alike. */
  #report(plan: StepPlan, step: number): StepReport {
    const { phase: rates } = this.#setup;
    const { losses, weights, tokens, paddedTokens, blockSums } = this.#exchange;
    const total = sum(weights);
    const loss = total === 0 ? 0 : sum(losses) / total;
    const gradientNorm = total === 0 ? 0 : Math.sqrt(normTree(blockSums));
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      const shard = losses.findIndex((one) => !Number.isFinite(one));
      throw new LockstepError(
        "NON_FINITE",
        `the loss (${loss}) or the gradient's norm (${gradientNorm}) is not finite at step ${step}` +
          `${shard < 0 ? "" : `, first in shard ${shard}`}: training diverged; lower learning_rate or ` +
          "max_grad_norm, or look at the weights started from and at the targets of these rows",
        { step, shard: shard < 0 ? null : shard, loss: String(loss), gradient_norm: String(gradientNorm) },
      );
    }
    const rate = learningRate(rates.learning_rate, step, this.#plan.steps, rates.warmup_ratio);
    return {
      kind: "step",
      step,
      epoch: plan.epoch,
      loss,
      learningRate: rate,
      gradientNorm,
      tokens: sum(tokens),
      paddedTokens: sum(paddedTokens),
    };
  }

  get #base(): number {
    return this.#slotBase[this.#collective.rank] ?? 0;
  }

  #slotOf({ worker, slot }: SlotRef): number {
    return (this.#slotBase[worker] ?? 0) + slot;
  }

  #addWhole(dst: number, src: number): void {
    this.#memory.views.forEach(({ kernels, slots }, segment) => {
      const spans = this.#spans[segment] ?? [];
      const touched = this.#rows.tables.flatMap((table) =>
        table.segment === segment
          ? rowSpans(table, { offset: table.offset, length: table.rows * table.width }, this.#rows.of(src))
          : [],
      );
      for (const { offset, length } of [...spans, ...touched])
        kernels.add(at(slots[dst], offset), at(slots[src], offset), length);
      for (const { offset, length } of touched) kernels.zero(at(slots[src], offset), length);
    });
    this.#rows.move(dst, src);
  }

  #slotTensors(slot: number): Record<string, HostTensor<"float32">> {
    const known = this.#gradients.get(slot) ?? this.#memory.gradients(slot);
    this.#gradients.set(slot, known);
    return known;
  }

  async dispose(): Promise<void> {
    await this.#session.dispose();
    await this.#shared?.dispose();
    await this.#teacher?.dispose();
  }
}

/** Examples of the shards before this one. */
function firstOf({ shards }: StepPlan, shard: number): number {
  return shards.slice(0, shard).reduce((count, examples) => count + examples.length, 0);
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
