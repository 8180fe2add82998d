/**
 * `train`: from a table of texts to a published version. Reads, splits, trains a tokenizer and a model, calibrates and
 * measures the result in the form it will be served in, and publishes it. Everything that decides the version is in the
 * recipe.
 */
import { LockstepError, seedFrom } from "../../base/index.ts";
import { labelIds, readTable } from "../../language/data/index.ts";
import {
  accuracy,
  chooseThreshold,
  confidences,
  expectedCalibrationError,
  fitTemperature,
  macroF1,
  negativeLogLikelihood,
  predictedClasses,
  runLinearBaseline,
  type Accuracy,
  type Scores,
} from "../../work/evaluate/index.ts";
import type { Calibration } from "../../work/infer/index.ts";
import { openStore, type FileSystem } from "../../work/store/index.ts";
import { recipeHash, runTraining, type Recipe, type TrainedModel } from "../../work/train/index.ts";
import { Model } from "../../work/model/index.ts";
import { defaultThreads } from "./options.ts";
import { prepare, type Prepared } from "./prepare.ts";
import { resolveTrainOptions, type Stage, type TrainInput, type TrainOptions } from "./train-options.ts";
import { versionFiles, weightsHash, type Metrics, type Share } from "./version-files.ts";

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
}

/** For proofs that kill a training, look into a long one, or give it a disk that fails: no part of the public door. */
export interface TrainSeams {
  /** The disk that checkpoints and versions are written to. @default the real one */
  readonly fs?: FileSystem;
  /** In place of the option, which is a second at least. */
  readonly checkpointSeconds?: number;
  /** In place of the option: a digest at the end of each epoch. */
  readonly digests?: "epochs";
}

const NO_CALIBRATION: Calibration = { temperature: 1, threshold: 0 };

/**
 * @throws OPTION_INVALID, DATA_INVALID, NOT_FOUND before any work; CANCELLED after saving a checkpoint; NON_FINITE,
 * WORKER_DIED, DISK_FAILED when the work failed. A failed or interrupted training publishes nothing.
 */
export async function train(input: TrainInput, options: TrainOptions = {}): Promise<TrainResult> {
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
    signal,
    onProgress,
    threads = defaultThreads(),
  } = resolveTrainOptions(options);
  const started = performance.now();
  const onStage = (stage: Stage) => {
    stopIfAborted(signal);
    onProgress?.({ kind: "stage", stage });
  };
  const test = input.test === undefined ? undefined : await readTable(input.test, columnsOf(input));
  const prepared = await prepare(input, onStage, signal);
  const testLabels = test?.labels === undefined ? undefined : labelIds(test.labels, prepared.labels, test.lines);
  if (test !== undefined && testLabels === undefined)
    throw new LockstepError(
      "DATA_INVALID",
      `${test.path} has no column of labels; the test table needs the same columns as the training table`,
      { path: test.path },
    );
  const store = await openStore(out, { create: true, ...(fs === undefined ? {} : { fs }) });
  const folder = await store.runFolder(recipeHash(prepared.recipe).slice(0, 16));
  const trained = await runTraining(trainingInput(prepared), {
    threads,
    digests: seams.digests ?? digests,
    checkpoints: {
      folder,
      everySeconds: seams.checkpointSeconds ?? checkpointSeconds,
      resume,
      ...(fs === undefined ? {} : { fs }),
    },
    ...(signal === undefined ? {} : { signal }),
    ...(onProgress === undefined ? {} : { onEvent: onProgress }),
  });

  onStage("calibrate");
  const uncalibrated = versionFiles({ ...versionContent(prepared, trained), calibration: NO_CALIBRATION, metrics: {} });
  await using model = await Model.open(
    { name: "0".repeat(64), files: uncalibrated },
    { threads, executor: prepared.recipe.executor },
  );
  const { calibration, validation } = await calibrate(model, prepared);
  if (test !== undefined) onStage("test");
  const testMetrics =
    test === undefined || testLabels === undefined
      ? undefined
      : await measure(model, test.texts, testLabels, calibration, test.sha256);
  if (test !== undefined && baseline) onStage("baseline");
  const linear =
    test === undefined || testLabels === undefined || !baseline
      ? undefined
      : await measureBaseline(prepared, test.texts, testLabels, signal);

  onStage("publish");
  const metrics: Metrics = {
    ...(validation === undefined ? {} : { validation }),
    ...(testMetrics === undefined ? {} : { test: testMetrics }),
    ...(linear === undefined ? {} : { baseline: linear }),
  };
  const version = await store.publish(versionFiles({ ...versionContent(prepared, trained), calibration, metrics }), {
    alias,
  });
  await store.removeRun(recipeHash(prepared.recipe).slice(0, 16));
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
    metrics,
  };
}

function columnsOf({ text, label }: TrainInput): { text?: string; label?: string } {
  return { ...(text === undefined ? {} : { text }), ...(label === undefined ? {} : { label }) };
}

function stopIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true)
    throw new LockstepError("CANCELLED", "the training was interrupted", {}, { cause: signal.reason });
}

function trainingInput({ recipe, config, tokenizer, labels, dataset, labelIds: ids, split, from }: Prepared) {
  return {
    recipe,
    config,
    special: tokenizer.special,
    vocabSize: config.vocab_size,
    classes: labels.length,
    ids: dataset.ids,
    offsets: dataset.offsets,
    labels: dataset.labels ?? ids,
    train: sharedInts(split.train),
    validation: sharedInts(split.validation),
    ...(from === undefined ? {} : { from }),
  };
}

function sharedInts(values: readonly number[]): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(values.length * 4));
  shared.set(values);
  return shared;
}

function versionContent({ recipe, config, labels, tokenizer }: Prepared, { weights }: TrainedModel) {
  return { recipe, config, labels, tokenizer, weights };
}

/** Temperature and threshold from the validation split; without one, none. */
async function calibrate(
  model: Model,
  { split, table, labelIds: ids, recipe }: Prepared,
): Promise<{ calibration: Calibration; validation: Metrics["validation"] }> {
  if (split.validation.length === 0) return { calibration: NO_CALIBRATION, validation: undefined };
  const expected = split.validation.map((row) => ids[row]!);
  const scores = await scoresOf(
    model,
    split.validation.map((row) => table.texts[row]!),
  );
  const temperature = fitTemperature(scores, expected);
  const confidence = confidences(scores, expected, temperature);
  const threshold =
    recipe.target_accuracy === null ? 0 : Math.min(1, chooseThreshold(confidence, recipe.target_accuracy).threshold);
  const validation = {
    accuracy: shareOf(accuracy(predictedClasses(scores), expected)),
    negative_log_likelihood: negativeLogLikelihood(scores, expected, temperature),
    expected_calibration_error: expectedCalibrationError(confidence),
  };
  return { calibration: { temperature, threshold }, validation };
}

async function measure(
  model: Model,
  texts: readonly string[],
  expected: Int32Array,
  { temperature }: Calibration,
  sha256: string,
): Promise<NonNullable<Metrics["test"]>> {
  const scores = await scoresOf(model, texts);
  const predicted = predictedClasses(scores);
  return {
    accuracy: shareOf(accuracy(predicted, expected)),
    macro_f1: macroF1(predicted, expected, scores.numClasses),
    expected_calibration_error: expectedCalibrationError(confidences(scores, expected, temperature)),
    data_sha256: sha256,
  };
}

async function measureBaseline(
  { table, split, labelIds: ids, labels, recipe }: Prepared,
  texts: readonly string[],
  expected: Int32Array,
  signal: AbortSignal | undefined,
): Promise<NonNullable<Metrics["baseline"]>> {
  const rows = [...split.train, ...split.validation]; // it has no use for a validation split
  const predicted = await runLinearBaseline(
    {
      texts: rows.map((row) => table.texts[row]!),
      labels: Int32Array.from(rows, (row) => ids[row]!),
      numClasses: labels.length,
      seed: seedFrom(recipe.seed),
      predict: texts,
    },
    signal === undefined ? {} : { signal },
  );
  return { name: "TF-IDF of words and word pairs, linear SVM", accuracy: shareOf(accuracy(predicted, expected)) };
}

/** Logits of every text, in order: [texts, classes] as one array. */
export async function scoresOf(model: Model, texts: readonly string[], signal?: AbortSignal): Promise<Scores> {
  const rows = await model.logits(texts, signal);
  const numClasses = model.labels.length;
  const logits = new Float32Array(texts.length * numClasses);
  rows.forEach((row, index) => {
    logits.set(row, index * numClasses);
  });
  return { logits, numClasses };
}

export function shareOf({ value, interval: [low, high], total }: Accuracy): Share {
  return { value, low, high, total };
}
