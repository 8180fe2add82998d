/**
 * `train`: from a table of texts to a published version. Reads, splits, trains a tokenizer and a model, calibrates and
 * measures the result in the form it will be served in, and publishes it. Everything that decides the version is in the
 * recipe.
 */
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { plainTexts } from "../../language/data/index.ts";
import { loadLatestCheckpoint, openStore, type FileSystem, type Store } from "../../work/store/index.ts";
import {
  changedTable,
  recipeHash,
  recipeHashBefore,
  requireTask,
  runTraining,
  type ObjectiveTask,
  trainedPhases,
  type Dataset,
  type Recipe,
  type TrainedModel,
} from "../../work/train/index.ts";
import { assess, readTest, uncalibrated } from "./assess.ts";
import { defaultThreads } from "./options.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { taught, type AskOptions } from "./teacher.ts";
import {
  requireTrainInput,
  resolveTrainOptions,
  type Stage,
  type TrainInput,
  type TrainOptions,
} from "./train-options.ts";
import type { TrainingTable } from "./training-tables.ts";
import { versionFiles, weightsHash, type Metrics } from "./version-files.ts";

export interface TrainResult {
  /** 64 hexadecimal characters: the SHA-256 of the version's manifest. */
  readonly version: string;
  /** Where its files lie. */
  readonly folder: string;
  readonly store: string;
  readonly alias: string;
  readonly weightsSha256: string;
  /** Of weights and optimizer state after the last step. */
  readonly stateSha256: string;
  readonly recipe: Recipe;
  readonly recipeSha256: string;
  readonly steps: number;
  readonly threads: number;
  readonly seconds: number;
  readonly metrics: Metrics;
  /**
   * The last phase's figure on the texts held out, in the form that was trained: a look at it, which is not kept in the
   * version.
   */
  readonly figure: TrainedModel["validation"];
}

/**
 * For `start`, and for proofs that kill a training, look into a long one, or give it a disk that fails: no part of the
 * public door.
 */
export interface TrainSeams {
  /** The disk that checkpoints and versions are written to. @default the real one */
  readonly fs?: FileSystem;
  /** In place of the option, which is a second at least. */
  readonly checkpointSeconds?: number;
  /** In place of the option: a digest at the end of each epoch. */
  readonly digests?: "epochs";
  /** Whether a run on data that have changed is begun anew, also where one is to be resumed. @default false */
  readonly anew?: boolean;
  /** Told the texts of the test table, or of the one that is trained on where there is none: rows are read but once. */
  readonly onTexts?: (texts: readonly string[]) => void;
  /** With a test table: the linear baseline wherever there is one, in place of the option, which insists on it. */
  readonly baseline?: "where-known";
}

/**
 * @throws OPTION_INVALID, DATA_INVALID, NOT_FOUND before any work; CANCELLED and CALLBACK_FAILED after saving a
 * checkpoint; NON_FINITE, WORKER_DIED, DISK_FAILED when the work failed. A failed or interrupted training publishes
 * nothing.
 */
export async function train<T extends ObjectiveTask = "classify">(
  input: TrainInput<T>,
  options: TrainOptions = {},
): Promise<TrainResult> {
  return await trainOn({}, input, options);
}

export async function trainOn(
  { fs, ...seams }: TrainSeams,
  input: TrainInput,
  options: TrainOptions,
): Promise<TrainResult> {
  const {
    out,
    alias,
    resume,
    checkpointSeconds,
    digests,
    baseline,
    shardWeights,
    signal,
    onProgress,
    threads = defaultThreads(),
  } = resolveTrainOptions(options);
  requireTrainInput(input, "train");
  const started = performance.now();
  let isTrained = false;
  const onStage = (stage: Stage) => {
    if (signal?.aborted === true) throw interrupted(isTrained, signal.reason);
    onProgress?.({ kind: "stage", stage });
  };
  const warn = (message: string): void => onProgress?.({ kind: "warning", message });
  const onPhases = (phases: readonly string[]): void => onProgress?.({ kind: "plan", phases });
  const onTable = ({ phases, table, split }: TrainingTable): void =>
    onProgress?.({
      kind: "table",
      phases,
      path: table.path,
      texts: split.train.length,
      validation: split.validation.length,
    });
  const prepared = await prepare(input, { onPhases, onStage, onTable, warn, signal, shardWeights });
  const task = requireTask(prepared.recipe);
  if (baseline && task !== "classify")
    throw new LockstepError(
      "OPTION_INVALID",
      `there is no linear baseline for ${task}, only for classify; leave baseline out`,
      { task },
    );
  const isCompared = baseline || (seams.baseline === "where-known" && task === "classify");
  const test = input.test === undefined ? undefined : await readTest(input.test, input, prepared, signal);
  seams.onTexts?.(plainTexts(test ?? prepared.table));
  const store = await openStore(out, { create: true, ...(fs === undefined ? {} : { fs }) });
  if (resume && seams.anew !== true) await requireSameData(store, prepared.recipe, fs);
  await using run = await store.openRun(await runName(store, prepared.recipe, resume));
  const datasets = await taughtDatasets(prepared, {
    folder: run.folder,
    resume,
    threads,
    fs,
    signal,
    onStage,
    onProgress: (done, total) => onProgress?.({ kind: "teacher", done, total }),
  });
  const trained = await runTraining(trainingInput({ ...prepared, datasets }), {
    threads,
    digests: seams.digests ?? digests,
    shardWeights,
    checkpoints: {
      folder: run.folder,
      everySeconds: seams.checkpointSeconds ?? checkpointSeconds,
      resume,
      ...(fs === undefined ? {} : { fs }),
    },
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onEvent: onProgress }),
  });
  isTrained = true;
  const content = versionContent(prepared, trained);
  const bare = versionFiles({ ...content, calibration: uncalibrated(prepared.recipe), metrics: {} });
  const assessed = await assess(prepared, bare, { threads, test, baseline: isCompared, signal, onStage, warn }).catch(
    (thrown: unknown) => {
      throw isLockstepError(thrown) && thrown.code === "CANCELLED" ? interrupted(isTrained, thrown) : thrown;
    },
  );
  onStage("publish");
  const version = await store.publish(versionFiles({ ...content, ...assessed }), { alias });
  await run.remove();
  return {
    version: version.name,
    folder: version.folder,
    store: store.root,
    alias,
    weightsSha256: weightsHash(trained.weights),
    stateSha256: trained.stateDigest,
    recipe: prepared.recipe,
    recipeSha256: recipeHash(prepared.recipe),
    steps: trained.steps,
    threads,
    seconds: (performance.now() - started) / 1000,
    metrics: assessed.metrics,
    figure: trained.validation,
  };
}

/** By the recipe's hash; a run of before recipes had phases, which is to be gone on with, by the hash of then. */
async function runName(store: Store, recipe: Recipe, resume: boolean): Promise<string> {
  const name = recipeHash(recipe).slice(0, 16);
  const before = recipeHashBefore(recipe)?.slice(0, 16);
  return resume && before !== undefined && !(await store.hasRun(name)) && (await store.hasRun(before)) ? before : name;
}

/**
 * Where there is a run of this recipe, that is gone on with; one of the same settings on other data is not left for a
 * new one in silence. @throws OPTION_INVALID naming what is another
 */
async function requireSameData(store: Store, recipe: Recipe, fs: FileSystem | undefined): Promise<void> {
  if (await store.hasRun(await runName(store, recipe, true))) return;
  for (const folder of await store.runFolders()) {
    // a damaged one is no run to go on with
    const saved = await loadLatestCheckpoint(folder, fs).catch(() => undefined);
    const changed = changedTable(recipe, saved?.meta);
    if (changed === undefined) continue;
    const { name, then = "none", now = "none" } = changed;
    throw new LockstepError(
      "OPTION_INVALID",
      `${name} is not what the run that is to be gone on with was trained on: its SHA-256 is ${now} and was ${then}; ` +
        "give the same file, or the same rows in the same order, or leave resume out to start anew",
      { data: name, then, now, checkpoint: saved?.path ?? null },
    );
  }
}

function interrupted(isTrained: boolean, cause: unknown): LockstepError {
  const when = isTrained ? " after its last step, which is saved; go on with --resume" : " before its first step";
  return new LockstepError("CANCELLED", `the training was interrupted${when}`, {}, { cause });
}

/** What each phase is trained on, with what a teacher says of it before the first step. */
async function taughtDatasets(
  prepared: Prepared,
  { onStage, ...options }: AskOptions & { readonly onStage: (stage: Stage) => void },
): Promise<readonly Dataset[]> {
  const { teacher, recipe, datasets } = prepared;
  if (teacher === undefined) return datasets;
  const all = [...datasets];
  for (const { phase, place } of trainedPhases(recipe)) {
    if (place in prepared.teachers) onStage("teacher");
    const [dataset, labels] = [datasets[place]!, prepared.names[place]!];
    const { texts, cells } = prepared.tables[place]!.table;
    const questions = texts.map((text, row) =>
      cells.second === undefined ? text : { text, pair: cells.second[row]! },
    );
    all[place] = await taught(recipe, teacher, { phase, place, dataset, labels, questions }, options);
  }
  return all;
}

function trainingInput({ recipe, config, tokenizer, names, datasets, teachers, from }: Prepared) {
  return {
    recipe,
    config,
    special: tokenizer.special,
    names,
    datasets,
    teachers,
    ...(from === undefined ? {} : { from }),
  };
}

function versionContent({ recipe, config, labels, tokenizer }: Prepared, { head, weights }: TrainedModel) {
  return { recipe, config, head, labels, tokenizer, weights };
}
