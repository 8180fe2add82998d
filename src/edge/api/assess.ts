/**
 * What is measured of a trained model before it is published, in the form it will be served in: temperature and
 * threshold on the validation split, accuracy on the test table, and a linear baseline beside it.
 */
import { seedFrom } from "../../base/index.ts";
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
  scoresOf,
  shareOf,
  type Confidence,
  type Scores,
} from "../../work/evaluate/index.ts";
import type { Calibration } from "../../work/infer/index.ts";
import { Model } from "../../work/model/index.ts";
import type { Prepared } from "./prepare.ts";
import type { Stage } from "./train-options.ts";
import type { Metrics } from "./version-files.ts";

export interface TestTable {
  readonly texts: readonly string[];
  /** Class ids. */
  readonly labels: Int32Array;
  readonly sha256: string;
}

export interface AssessOptions {
  readonly threads: number;
  readonly test: TestTable | undefined;
  readonly baseline: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onStage: (stage: Stage) => void;
  readonly warn: (message: string) => void;
}

export const NO_CALIBRATION: Calibration = { temperature: 1, threshold: 0 };

/**
 * Held-out texts that a temperature is fitted on at least. On fewer, the likeliest temperature is often at an end of
 * the range: with two texts, both right, every answer would be all but certain.
 */
export const CALIBRATION_TEXTS = 50;

/** `files` is the version with no calibration. */
export async function assess(
  prepared: Prepared,
  files: ReadonlyMap<string, Uint8Array>,
  { threads, test, baseline, signal, onStage, warn }: AssessOptions,
): Promise<{ calibration: Calibration; metrics: Metrics }> {
  const isHeldOut = prepared.split.validation.length > 0;
  if (isHeldOut) onStage("calibrate");
  await using model = await Model.open(
    { name: "0".repeat(64), files },
    { threads, executor: prepared.recipe.executor },
  );
  const { calibration, validation } = await calibrate(model, prepared, warn);
  if (test === undefined && !isHeldOut)
    warn("nothing was held out, so nothing says how good this version is; give a test table, or more texts");
  if (test !== undefined) onStage("test");
  const tested = test === undefined ? undefined : await measure(model, test, calibration);
  if (test !== undefined && baseline) onStage("baseline");
  const linear = test === undefined || !baseline ? undefined : await measureBaseline(prepared, test, signal);
  return {
    calibration,
    metrics: {
      ...(validation === undefined ? {} : { validation }),
      ...(tested === undefined ? {} : { test: tested }),
      ...(linear === undefined ? {} : { baseline: linear }),
    },
  };
}

/** Temperature and threshold from the validation split; without one, none. */
async function calibrate(
  model: Model,
  { split, table, labelIds: ids, recipe }: Prepared,
  warn: (message: string) => void,
): Promise<{ calibration: Calibration; validation: Metrics["validation"] }> {
  const held = split.validation.length;
  if (held < CALIBRATION_TEXTS)
    warn(
      `confidences are not calibrated: ${held} texts were held out, and ${CALIBRATION_TEXTS} are needed` +
        (recipe.target_accuracy === null ? "" : "; target_accuracy is not kept to, so this version never abstains"),
    );
  if (held === 0) return { calibration: NO_CALIBRATION, validation: undefined };
  const expected = split.validation.map((row) => ids[row]!);
  const scores = await logitsOf(
    model,
    split.validation.map((row) => table.texts[row]!),
  );
  const isEnough = held >= CALIBRATION_TEXTS;
  const temperature = isEnough ? fitTemperature(scores, expected) : NO_CALIBRATION.temperature;
  const confidence = confidences(scores, expected, temperature);
  const threshold = isEnough ? abstainBelow(confidence, recipe.target_accuracy, warn) : NO_CALIBRATION.threshold;
  const validation = {
    accuracy: shareOf(accuracy(predictedClasses(scores), expected)),
    negative_log_likelihood: negativeLogLikelihood(scores, expected, temperature),
    expected_calibration_error: expectedCalibrationError(confidence),
  };
  return { calibration: { temperature, threshold }, validation };
}

/** The confidence to abstain below, 0 to 1. Where no confidence reaches the target: 1, and it is said. */
function abstainBelow(confidence: Confidence, target: number | null, warn: (message: string) => void): number {
  if (target === null) return 0;
  const { threshold } = chooseThreshold(confidence, target);
  if (threshold <= 1) return threshold;
  warn(
    `target_accuracy ${target} was not reached on the validation split at any confidence: this version abstains ` +
      "from every answer that is not certain; lower the target, or train a better model",
  );
  return 1;
}

async function measure(
  model: Model,
  { texts, labels: expected, sha256 }: TestTable,
  { temperature }: Calibration,
): Promise<NonNullable<Metrics["test"]>> {
  const scores = await logitsOf(model, texts);
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
  { texts, labels: expected }: TestTable,
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
async function logitsOf(model: Model, texts: readonly string[]): Promise<Scores> {
  const rows = await model.logits(texts);
  return scoresOf(
    rows.map((row) => [row]),
    model.labels.length,
  );
}
