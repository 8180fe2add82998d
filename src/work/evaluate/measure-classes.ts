/** How right the classes that a version gives are, and how far its probabilities can be believed. */
import { labelIds, requireLabels } from "../../language/data/index.ts";
import { estimates, mean, type Estimate } from "./bootstrap.ts";
import { chooseThreshold, fitTemperature } from "./calibrate.ts";
import { foundOfClasses, macroF1Of, scoresByKind } from "./f1.ts";
import { textsOrPairs, type Measure } from "./measure.ts";
import { accuracy, confusionPairs, shareOf, type ClassScores, type Share } from "./metrics.ts";
import {
  confidences,
  expectedCalibrationError,
  logLosses,
  predictedClasses,
  type Confidence,
  type Scores,
} from "./probabilities.ts";

export interface NamedScores extends ClassScores {
  readonly label: string;
}
export interface Mistake {
  readonly expected: string;
  readonly predicted: string;
  readonly count: number;
}

export interface ClassFigures {
  /** With its 95 % interval (Wilson). */
  readonly accuracy: Share;
  /** Over the classes that occur; its interval, as all below that are no shares, is by the bootstrap. */
  readonly macroF1: Estimate;
  /** Mean distance of confidence from accuracy, 15 bins, 0 to 1. */
  readonly expectedCalibrationError: number;
  /** Mean, in nats, of calibrated probabilities. */
  readonly negativeLogLikelihood: Estimate;
  /**
   * Share of the texts on which the model abstains, and its accuracy on the others (undefined where there are none).
   */
  readonly abstained: number;
  readonly answeredAccuracy: number | undefined;
  /** By class, in the version's order. */
  readonly classes: readonly NamedScores[];
  /** The most frequent mistakes, falling. */
  readonly confusions: readonly Mistake[];
  /** Texts of which only a part was read. */
  readonly truncated: number;
}

export interface ClassRow {
  readonly logits: Float32Array;
  readonly expected: number;
  readonly truncated: boolean;
}

/** `Expected`: a class id. */
export const measureClasses: Measure<"classify", number, ClassRow, ClassFigures> = {
  label: true,
  roles: { second: "named" },
  gold: (table, { labels }) => ({
    questions: textsOrPairs(table),
    expected: [...labelIds(requireLabels(table).labels, labels, table)],
  }),
  row: (_, { outputs, encoded }, expected) => ({ logits: outputs[0]!, expected, truncated: encoded.truncated }),
  figures: (rows, { labels, calibration: { temperature, threshold } }, { confusions }) => {
    const scores = scoresOf(rows, labels.length);
    const expected = expectedOf(rows);
    const predicted = predictedClasses(scores);
    const confidence = confidences(scores, expected, temperature);
    const answered = Array.from(predicted.keys()).filter((row) => confidence.values[row]! >= threshold);
    const found = foundOfClasses(predicted, expected, labels.length);
    const { macroF1, negativeLogLikelihood } = estimates(rows.length, {
      macroF1: macroF1Of(found),
      negativeLogLikelihood: mean(logLosses(scores, expected, temperature)),
    });
    return {
      accuracy: shareOf(accuracy(predicted, expected)),
      macroF1: macroF1!,
      expectedCalibrationError: expectedCalibrationError(confidence),
      negativeLogLikelihood: negativeLogLikelihood!,
      abstained: 1 - answered.length / expected.length,
      answeredAccuracy:
        answered.length === 0
          ? undefined
          : answered.filter((row) => predicted[row] === expected[row]).length / answered.length,
      classes: scoresByKind(found, rows.length).map((one, id) => ({ label: labels[id]!, ...one })),
      confusions: mistakes(predicted, expected, labels, confusions),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ accuracy: share, macroF1, negativeLogLikelihood, expectedCalibrationError: error }, split) =>
    split === "validation"
      ? {
          accuracy: share,
          negative_log_likelihood: negativeLogLikelihood.value,
          expected_calibration_error: error,
        }
      : { accuracy: share, macro_f1: macroF1.value, expected_calibration_error: error },
  calibrate: {
    noun: "texts",
    count: ({ length }) => length,
    otherwise: { temperature: 1, threshold: 0 },
    fit: (rows, { labels }, { targetAccuracy, warn }) => {
      const scores = scoresOf(rows, labels.length);
      const expected = expectedOf(rows);
      const temperature = fitTemperature(scores, expected);
      return { temperature, threshold: abstainBelow(confidences(scores, expected, temperature), targetAccuracy, warn) };
    },
  },
};

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

/** The rows' logits as one array [rows, classes]. */
function scoresOf(rows: readonly ClassRow[], numClasses: number): Scores {
  const logits = new Float32Array(rows.length * numClasses);
  rows.forEach((row, index) => {
    logits.set(row.logits, index * numClasses);
  });
  return { logits, numClasses };
}

function expectedOf(rows: readonly ClassRow[]): Int32Array {
  return Int32Array.from(rows, ({ expected }) => expected);
}

/** The most frequent ones by name. */
export function mistakes(
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  labels: readonly string[],
  most: number,
): readonly Mistake[] {
  return confusionPairs(predicted, expected, most).map(({ expected: e, predicted: p, count }) => ({
    expected: labels[e]!,
    predicted: labels[p]!,
    count,
  }));
}
