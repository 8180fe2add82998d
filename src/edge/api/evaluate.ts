/**
 * `evaluate`: how right a model is on a labelled table, and how far its probabilities can be believed. Measured in the
 * form it is served in.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { labelIds, readTable, requireLabels } from "../../language/data/index.ts";
import {
  accuracy,
  confidences,
  confusionPairs,
  expectedCalibrationError,
  macroF1,
  negativeLogLikelihood,
  predictedClasses,
} from "../../work/evaluate/index.ts";
import type { Model, ModelOptions } from "../../work/model/index.ts";
import { loadModel } from "./load-model.ts";
import { pathSchema, signalSchema } from "./options.ts";
import { trainedColumns } from "./trained-columns.ts";
import { scoresOf, shareOf } from "./assess.ts";
import type { Share } from "./version-files.ts";

const evaluateSchema = z.strictObject({
  data: pathSchema,
  text: z.string().min(1).optional(),
  label: z.string().min(1).optional(),
  confusions: z.int().min(0).max(10_000).default(10),
  signal: signalSchema,
});

export interface EvaluateOptions {
  /** A CSV or JSON-lines file of texts and labels. */
  readonly data: string;
  /** Column of the text. @default the one that the version was trained on, or the first of text, sentence … */
  readonly text?: string | undefined;
  /** Column of the label. @default the one that the version was trained on, or the first of label, intent … */
  readonly label?: string | undefined;
  /** Most frequent mistakes to list. @default 10 */
  readonly confusions?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Evaluation {
  readonly version: string;
  readonly data: { readonly path: string; readonly sha256: string; readonly rows: number };
  /** With its 95 % interval (Wilson). */
  readonly accuracy: Share;
  readonly macroF1: number;
  /** Mean distance of confidence from accuracy, 15 bins, 0 to 1. */
  readonly expectedCalibrationError: number;
  /** Mean, in nats, of calibrated probabilities. */
  readonly negativeLogLikelihood: number;
  /**
   * Share of the texts on which the model abstains, and its accuracy on the others (undefined where there are none).
   */
  readonly abstained: number;
  readonly answeredAccuracy: number | undefined;
  /** The most frequent mistakes, falling. */
  readonly confusions: readonly { readonly expected: string; readonly predicted: string; readonly count: number }[];
  readonly seconds: number;
}

/** @throws DATA_INVALID naming the row whose label the model does not know; as `loadModel` and `Model.classify` */
export async function evaluate(
  path: string,
  options: EvaluateOptions,
  modelOptions: ModelOptions = {},
): Promise<Evaluation> {
  const { data, text, label, confusions, signal } = parseOptions(evaluateSchema, options, "the options of evaluate");
  await using model = await loadModel(path, modelOptions);
  const trained = trainedColumns(model.description);
  const table = await readTable(data, {
    ...(text === undefined ? {} : { text }),
    ...(label === undefined ? {} : { label }),
    ...(trained === undefined ? {} : { preferred: trained }),
  });
  const expected = labelIds(requireLabels(table).labels, model.labels, table);
  return await measureOn(model, { path: data, sha256: table.sha256, texts: table.texts, expected }, confusions, signal);
}

interface Measured {
  readonly path: string;
  readonly sha256: string;
  readonly texts: readonly string[];
  readonly expected: Int32Array;
}

async function measureOn(
  model: Model,
  { path, sha256, texts, expected }: Measured,
  confusions: number,
  signal: AbortSignal | undefined,
): Promise<Evaluation> {
  const started = performance.now();
  const scores = await scoresOf(model, texts, signal);
  const seconds = (performance.now() - started) / 1000;
  const { temperature, threshold } = model.info.calibration;
  const predicted = predictedClasses(scores);
  const confidence = confidences(scores, expected, temperature);
  const answered = Array.from(predicted.keys()).filter((row) => confidence.values[row]! >= threshold);
  return {
    version: model.version,
    data: { path, sha256, rows: texts.length },
    accuracy: shareOf(accuracy(predicted, expected)),
    macroF1: macroF1(predicted, expected, scores.numClasses),
    expectedCalibrationError: expectedCalibrationError(confidence),
    negativeLogLikelihood: negativeLogLikelihood(scores, expected, temperature),
    abstained: 1 - answered.length / texts.length,
    answeredAccuracy:
      answered.length === 0
        ? undefined
        : answered.filter((row) => predicted[row] === expected[row]).length / answered.length,
    confusions: confusionPairs(predicted, expected, confusions).map(({ expected: e, predicted: p, count }) => ({
      expected: model.labels[e]!,
      predicted: model.labels[p]!,
      count,
    })),
    seconds,
  };
}
