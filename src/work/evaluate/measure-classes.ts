/** How right the classes that a version gives are, and how far its probabilities can be believed. */
import { labelIds } from "../../language/data/index.ts";
import { readLabelled, type Measure } from "./measure.ts";
import { accuracy, confusionPairs, macroF1, shareOf, type Share } from "./metrics.ts";
import {
  confidences,
  expectedCalibrationError,
  negativeLogLikelihood,
  predictedClasses,
  type Scores,
} from "./probabilities.ts";

export interface ClassFigures {
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
}

/** `Expected`: class ids. */
export const measureClasses: Measure<"classify", Int32Array, ClassFigures> = {
  read: async (path, columns, { labels }) => {
    const table = await readLabelled(path, columns);
    return { sha256: table.sha256, questions: table.texts, expected: labelIds(table.labels, labels, table) };
  },
  figures: ({ labels, calibration: { temperature, threshold } }, outputs, expected, { confusions }) => {
    const scores = scoresOf(outputs, labels.length);
    const predicted = predictedClasses(scores);
    const confidence = confidences(scores, expected, temperature);
    const answered = Array.from(predicted.keys()).filter((row) => confidence.values[row]! >= threshold);
    return {
      accuracy: shareOf(accuracy(predicted, expected)),
      macroF1: macroF1(predicted, expected, scores.numClasses),
      expectedCalibrationError: expectedCalibrationError(confidence),
      negativeLogLikelihood: negativeLogLikelihood(scores, expected, temperature),
      abstained: 1 - answered.length / expected.length,
      answeredAccuracy:
        answered.length === 0
          ? undefined
          : answered.filter((row) => predicted[row] === expected[row]).length / answered.length,
      confusions: confusionPairs(predicted, expected, confusions).map(({ expected: e, predicted: p, count }) => ({
        expected: labels[e]!,
        predicted: labels[p]!,
        count,
      })),
    };
  },
};

/** The one row of logits of each question, as one array [questions, classes]. */
export function scoresOf(outputs: readonly (readonly Float32Array[])[], numClasses: number): Scores {
  const logits = new Float32Array(outputs.length * numClasses);
  outputs.forEach(([row], index) => {
    logits.set(row!, index * numClasses);
  });
  return { logits, numClasses };
}
