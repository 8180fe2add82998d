/**
 * A whole training: the phases of a recipe one after another, with progress, checkpoints and resuming. What it returns
 * depends on the recipe, the data and the executor; threads, interruptions and crashes decide only how long it takes.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { initializeParameters, modelParameters, type Head, type ModelConfig } from "../../language/models/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import { loadLatestCheckpoint, saveCheckpoint, type FileSystem, type LoadedCheckpoint } from "../store/index.ts";
import { objectiveOf, type Figure, type Teacher } from "./objectives/index.ts";
import { Phase } from "./phase.ts";
import { defaultShards, TrainingPlan } from "./plan.ts";
import type { Dataset } from "./training-data.ts";
import { phaseSeed, type Context } from "./program.ts";
import { phaseNames, StepClock, type TrainingEvent } from "./progress.ts";
import { recipeHashBefore } from "./recipe-before.ts";
import { recipeHash, trainedPhases, type Recipe } from "./recipe.ts";
import { runData } from "./run-data.ts";
import { requireWeightFunctions, type ShardWeightFunctions } from "./weight-function.ts";

export interface TrainingInput {
  readonly recipe: Recipe;
  readonly config: ModelConfig;
  readonly special: SpecialIds;
  /** Of classes, by id, of each phase. */
  readonly names: readonly (readonly string[])[];
  /** What each phase of the recipe is trained on; phases may share one. */
  readonly datasets: readonly Dataset[];
  /** Of each phase of the recipe that learns from one, by its place. */
  readonly teachers?: Readonly<Record<number, Teacher>>;
  /** Weights to start from, by parameter name; whatever is missing is drawn. */
  readonly from?: ReadonlyMap<string, HostTensor<"float32">>;
}

export interface TrainingRun {
  /** Worker threads. */
  readonly threads: number;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainingEvent) => void;
  /** Where checkpoints go. Absent: none are written. */
  readonly checkpoints?: {
    readonly folder: string;
    readonly everySeconds: number;
    readonly resume: boolean;
    readonly fs?: FileSystem;
  };
  /**
   * SHA-256 of weights and optimizer state as an event, after every step (slow: for proofs) or every epoch. @default
   * false
   */
  readonly digests?: boolean | "epochs";
  /** Functions of weights of shards, by the names that phases have for them. @default none */
  readonly shardWeights?: ShardWeightFunctions | undefined;
}

export interface TrainedModel {
  readonly head: Head;
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  readonly steps: number;
  /** Of weights and optimizer state at the end of the last phase. */
  readonly stateDigest: string;
  /** The objective's figure on the examples held out, at the end; undefined where there are none, or it has none. */
  readonly validation: (Figure & { readonly examples: number }) | undefined;
}

interface PhasePlan {
  /** "1/2 masked-lm" */
  readonly name: string;
  readonly context: Context;
  readonly steps: number;
  /** Examples held out. */
  readonly validation: Int32Array;
}

/**
 * How long a request to the workers should last: where runs cannot be ended, the longest time before an interruption is
 * noticed.
 */
const REQUEST_MS = 250;

/**
 * @throws CANCELLED and CALLBACK_FAILED after saving a checkpoint; NON_FINITE; WORKER_DIED; CHECKPOINT_INVALID or
 * OPTION_INVALID when resuming does not fit
 */
export async function runTraining(input: TrainingInput, run: TrainingRun): Promise<TrainedModel> {
  const { recipe } = input;
  requireWeightFunctions(recipe, run.shardWeights);
  const phases = phasesOf(input);
  const saved = await resumePoint(recipe, phases, run);
  let weights = input.from ?? new Map<string, HostTensor<"float32">>();
  let stepsBefore = 0;
  let stateDigest = "";
  let validation: Figure | undefined;
  const clock = new StepClock(phases.reduce((sum, { steps }) => sum + steps, 0));
  for (const [index, phase] of phases.entries()) {
    if (saved === undefined || saved.phase <= index) {
      const before = phases[index - 1];
      const opened = await openPhase({ executor: recipe.executor, run, phase, before, weights, clock, stepsBefore });
      try {
        const from = saved?.phase === index ? saved.step : 0;
        if (saved?.phase === index) opened.restore(saved.content.buffers);
        clock.startAt(stepsBefore + from);
        const isLast = index === phases.length - 1;
        const held = phase.validation;
        const figure = await trainPhase(opened, from, { input, run, index, held, stepsBefore, isLast });
        weights = opened.weights();
        stateDigest = opened.stateDigest();
        if (isLast) validation = figure ?? (await opened.validate(held, run.signal));
      } finally {
        await opened.close();
      }
    }
    stepsBefore += phase.steps;
  }
  const { context } = phases.at(-1)!;
  const head = objectiveOf(context.phase).head(context);
  return {
    head,
    weights: new Map(modelParameters(context.config, head).map(({ name }) => [name, weights.get(name)!])),
    steps: stepsBefore,
    stateDigest,
    validation: validation === undefined ? undefined : { ...validation, examples: phases.at(-1)!.validation.length },
  };
}

interface Place {
  readonly input: TrainingInput;
  readonly run: TrainingRun;
  readonly index: number;
  readonly held: Int32Array;
  readonly stepsBefore: number;
  readonly isLast: boolean;
}

/** The figure at the end of its last epoch; undefined where no step was left, or there is none. */
async function trainPhase(phase: Phase, from: number, at: Place): Promise<Figure | undefined> {
  const { run, input, index, held, stepsBefore } = at;
  const { checkpoints, signal, onEvent, digests = false } = run;
  let step = from;
  let size = 1;
  let savedAt = performance.now();
  let figure: Figure | undefined;
  const save = async (): Promise<Saved> => {
    if (checkpoints === undefined) return {};
    const meta = { recipe: recipeHash(input.recipe), ...runData(input.recipe), phase: index, step };
    savedAt = performance.now();
    try {
      const content = { step: stepsBefore + step, meta, buffers: phase.state() };
      const path = await saveCheckpoint(checkpoints.folder, content, checkpoints.fs);
      onEvent?.({ kind: "checkpoint", phase: phase.name, step, path });
      return { path };
    } catch (error) {
      if (!isLockstepError(error) || error.code !== "DISK_FAILED") throw error;
      return { failed: error };
    }
  };
  /** A training is not lost for want of room for a checkpoint: its version may fit, or there may be room again. */
  const saveOrWarn = async (next: string): Promise<void> => {
    const { failed } = await save();
    if (failed === undefined) return;
    const message = `no checkpoint was written at step ${step} of ${phase.name}: ${failed.message}; ${next}`;
    onEvent?.({ kind: "warning", message });
  };
  while (step < phase.steps) {
    if (signal?.aborted === true) throw interrupted(phase, step, await save());
    const epochEnd = (Math.floor(step / phase.stepsPerEpoch) + 1) * phase.stepsPerEpoch;
    const to = Math.min(step + (digests === true ? 1 : size), epochEnd);
    const started = performance.now();
    const reached = await phase.train(step, to, signal).catch(async (thrown: unknown) => {
      if (!isLockstepError(thrown) || thrown.code !== "CALLBACK_FAILED") throw thrown;
      step = Number(thrown.details["step"]);
      throw stopped(thrown, await save());
    });
    const perStep = (performance.now() - started) / (to - step);
    size = Math.max(1, Math.min(2 * size, Math.floor(REQUEST_MS / perStep)));
    step = reached;
    if (reached < to) throw interrupted(phase, step, await save());
    if (digests === true || (digests === "epochs" && step === epochEnd))
      onEvent?.({ kind: "digest", phase: phase.name, step, sha256: phase.stateDigest() });
    if (step === epochEnd) {
      try {
        figure = await endEpoch(phase, step, held, run);
      } catch (thrown) {
        if (!isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
        throw interrupted(phase, step, await save());
      }
    }
    if (
      checkpoints !== undefined &&
      performance.now() - savedAt >= checkpoints.everySeconds * 1000 &&
      step < phase.steps
    )
      await saveOrWarn(`training goes on, and tries again in ${checkpoints.everySeconds} s`);
  }
  // What comes after the last step (calibration, tests, publishing) can be interrupted and can fail as well.
  if (at.isLast && from < phase.steps) await saveOrWarn("should publishing fail, these steps have to be done again");
  return figure;
}

/** Where a checkpoint went; nowhere when none were asked for, or why it is not there. */
interface Saved {
  readonly path?: string;
  readonly failed?: LockstepError;
}

/** What became of the state, as the end of a sentence. */
function savedAs({ path, failed }: Saved): string {
  if (failed !== undefined) return `, and could not be saved: ${failed.message}`;
  return path === undefined ? "" : " and saved; go on with --resume";
}

/** By a function of the user's: the steps before are done. */
function stopped({ code, message, details, cause }: LockstepError, saved: Saved): LockstepError {
  return new LockstepError(
    code,
    `${message}; the training was stopped before that step${savedAs(saved)}`,
    { ...details, checkpoint: saved.path ?? null },
    { cause },
  );
}

function interrupted(phase: Phase, step: number, saved: Saved): LockstepError {
  return new LockstepError(
    "CANCELLED",
    `training was interrupted at step ${step} of ${phase.name}${savedAs(saved)}`,
    { phase: phase.name, step, checkpoint: saved.path ?? null },
    saved.failed === undefined ? {} : { cause: saved.failed },
  );
}

async function endEpoch(
  phase: Phase,
  step: number,
  held: Int32Array,
  { onEvent, signal }: TrainingRun,
): Promise<Figure | undefined> {
  const validation = await phase.validate(held, signal);
  onEvent?.({
    kind: "epoch",
    phase: phase.name,
    epoch: step / phase.stepsPerEpoch,
    epochs: phase.steps / phase.stepsPerEpoch,
    ...(validation === undefined ? {} : { validation }),
  });
  return validation;
}

interface PhaseStart {
  readonly executor: Recipe["executor"];
  readonly run: TrainingRun;
  readonly phase: PhasePlan;
  /** The one whose weights are gone on with. */
  readonly before: PhasePlan | undefined;
  /** By parameter name; what is missing is drawn. */
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  readonly clock: StepClock;
  /** Of the phases before this one. */
  readonly stepsBefore: number;
}

async function openPhase({ executor, run, phase, before, weights, clock, stepsBefore }: PhaseStart): Promise<Phase> {
  const { name, context, steps } = phase;
  const { plan, config, pooling } = context;
  const parameters = Phase.parametersOf(context);
  // A head of other classes goes by the same name: it begins anew, also where there are as many of them.
  const [old, own] = [before?.context.names ?? [], context.names];
  const isOther = old.length > 0 && own.length > 0 && JSON.stringify(old) !== JSON.stringify(own);
  const encoder = new Set(modelParameters(config, { kind: "encoder", pooling }).map((one) => one.name));
  const kept = new Map(
    parameters.flatMap(({ name: parameter, shape }) => {
      const weight = weights.get(parameter);
      return weight !== undefined && shape.join() === weight.shape.join() && (!isOther || encoder.has(parameter))
        ? [[parameter, weight] as const]
        : [];
    }),
  );
  const drawn = initializeParameters(
    parameters.filter((parameter) => !kept.has(parameter.name)),
    context.config.initializer_range,
    plan.seed,
  );
  const first = new Map(parameters.map((one) => [one.name, kept.get(one.name) ?? drawn.get(one.name)!]));
  run.onEvent?.({
    kind: "phase",
    phase: name,
    steps,
    epochs: plan.epochs,
    shards: plan.shards,
    threads: run.threads,
    parameters: parameters.reduce((sum, { shape }) => sum + shape.reduce((product, dim) => product * dim, 1), 0),
  });
  return await Phase.open({
    ...context,
    name,
    executor,
    threads: run.threads,
    weights: first,
    shardWeights: run.shardWeights,
    onStep: (report) =>
      run.onEvent?.({
        ...report,
        phase: name,
        steps,
        ...clock.tick(stepsBefore + report.step + 1, report.tokens),
      }),
  });
}

/** The phases that have epochs, in order. */
function phasesOf(input: TrainingInput): readonly PhasePlan[] {
  const { recipe, config, special, names } = input;
  const called = phaseNames(recipe);
  return trainedPhases(recipe).map(({ phase, place }, index) => {
    const { train, validation, ...dataset } = input.datasets[place]!;
    const own = names[place]!;
    const data = { ...dataset, examples: train };
    const plan = {
      batchSize: phase.batch_size,
      shards: phase.shards ?? defaultShards(data, phase.batch_size),
      epochs: phase.epochs,
      seed: phaseSeed(recipe.phases, place, recipe.seed),
    };
    return {
      name: called[index]!,
      context: {
        phase,
        config,
        special,
        pooling: recipe.pooling,
        labels: own.length,
        names: own,
        data,
        plan,
        ...(input.teachers?.[place] === undefined ? {} : { teacher: input.teachers[place] }),
      },
      validation,
      steps: new TrainingPlan(data, plan).steps,
    };
  });
}

interface ResumePoint {
  readonly phase: number;
  readonly step: number;
  readonly content: LoadedCheckpoint;
}

async function resumePoint(
  recipe: Recipe,
  phases: readonly PhasePlan[],
  { checkpoints, onEvent }: TrainingRun,
): Promise<ResumePoint | undefined> {
  if (checkpoints?.resume !== true) return undefined;
  const content = await loadLatestCheckpoint(checkpoints.folder, checkpoints.fs);
  if (content === undefined) return undefined;
  const { recipe: hash, phase, step } = content.meta as { recipe?: unknown; phase?: unknown; step?: unknown };
  // A checkpoint of before recipes had phases lies under the hash of then; its states are those of now.
  if (hash !== recipeHash(recipe) && hash !== recipeHashBefore(recipe))
    throw new LockstepError(
      "OPTION_INVALID",
      `the checkpoint in ${checkpoints.folder} is of another recipe or other data; give the same settings and ` +
        "file as then, or leave --resume out to start again",
      { checkpoint: content.path },
    );
  if (typeof phase !== "number" || typeof step !== "number" || phases[phase] === undefined)
    throw new LockstepError(
      "CHECKPOINT_INVALID",
      `${content.path} does not say where training stood; start again without --resume`,
      { checkpoint: content.path },
    );
  onEvent?.({
    kind: "resumed",
    phase: phases[phase].name,
    step,
    path: content.path,
    skipped: content.skipped.map(({ path }) => path),
  });
  return { phase, step, content };
}
