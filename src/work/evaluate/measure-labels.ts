/** How right the several labels that a version gives a text are, and how far their probabilities can be believed. */
import { exp, log } from "../../base/index.ts";
import { cellsOf, labelIds, listOf } from "../../language/data/index.ts";
import { labelThreshold, labelProbability } from "../tasks/index.ts";
import { estimates, mean, type Estimate } from "./bootstrap.ts";
import { fitTemperature } from "./calibrate.ts";
import { Found, macroF1Of, microF1, microPrecision, microRecall, scoresByKind } from "./f1.ts";
import { bestThreshold } from "./label-threshold.ts";
import type { NamedScores } from "./measure-classes.ts";
import { textsOrPairs, type Measure } from "./measure.ts";
import { shareOfCount, type Share } from "./metrics.ts";
import { expectedCalibrationError } from "./probabilities.ts";

export interface LabelFigures {
  /** Of all decisions together; intervals by the bootstrap over texts. Null where no label is wanted or given. */
  readonly microF1: Estimate | null;
  readonly microPrecision: Estimate | null;
  readonly microRecall: Estimate | null;
  /** Over the labels that occur, each counting the same. */
  readonly macroF1: Estimate | null;
  /** Share of the texts of which every label is right (Wilson). */
  readonly exactMatch: Share;
  /** Share of the decisions (one a text and label) that are wrong. */
  readonly hammingLoss: Estimate;
  /** Mean of a decision, in nats, of calibrated probabilities. */
  readonly negativeLogLikelihood: Estimate;
  /** Mean distance of a decision's probability from how often the label is there, 15 bins, 0 to 1. */
  readonly expectedCalibrationError: number;
  /** By label, in the version's order. */
  readonly classes: readonly NamedScores[];
  /** Texts of which only a part was read. */
  readonly truncated: number;
}

export interface LabelRow {
  readonly logits: Float32Array;
  /** [labels], 1 where the label is wanted. */
  readonly expected: Uint8Array;
  readonly truncated: boolean;
}

/** Held-out texts with a label (and without it) from which on it has a threshold of its own. */
const OWN_THRESHOLD = 20;

/** `Expected`: for each label, whether it is wanted. */
export const measureLabels: Measure<"multi-label", Uint8Array, LabelRow, LabelFigures> = {
  label: false,
  roles: { second: "named", labels: "needed" },
  gold: (table, { labels }) => ({
    questions: textsOrPairs(table),
    expected: cellsOf(table, "labels").map((cell, row) => {
      const wanted = new Uint8Array(labels.length);
      const lines = Int32Array.of(table.lines[row]!);
      for (const label of listOf(cell)) wanted[labelIds([label], labels, { path: table.path, lines })[0]!] = 1;
      return wanted;
    }),
  }),
  row: (_, { outputs, encoded }, expected) => ({ logits: outputs[0]!, expected, truncated: encoded.truncated }),
  figures: (rows, { labels, calibration }) => {
    const found = new Found(labels.length);
    const values: number[] = [];
    const correct: boolean[] = [];
    const wrong = new Float64Array(rows.length);
    const losses = new Float64Array(rows.length);
    rows.forEach(({ logits, expected }, row) => {
      expected.forEach((wanted, id) => {
        const p = labelProbability(logits[id]!, calibration);
        const given = p >= labelThreshold(id, calibration);
        found.add(row, id, wanted === 1, given);
        if ((wanted === 1) !== given) wrong[row]! += 1 / labels.length;
        losses[row]! += logLoss(logits[id]! / calibration.temperature, wanted === 1) / labels.length;
        values.push(p);
        correct.push(wanted === 1);
      });
    });
    const { hammingLoss, negativeLogLikelihood, ...f1 } = estimates(rows.length, {
      microF1: microF1(found),
      microPrecision: microPrecision(found),
      microRecall: microRecall(found),
      macroF1: macroF1Of(found),
      hammingLoss: mean(wrong),
      negativeLogLikelihood: mean(losses),
    });
    return {
      ...f1,
      exactMatch: shareOfCount(wrong.filter((share) => share === 0).length, rows.length),
      hammingLoss: hammingLoss!,
      negativeLogLikelihood: negativeLogLikelihood!,
      expectedCalibrationError: expectedCalibrationError({ values: Float64Array.from(values), correct }),
      classes: scoresByKind(found, rows.length).map((one, id) => ({ label: labels[id]!, ...one })),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: (figures) => ({
    ...(figures.microF1 === null ? {} : { micro_f1: figures.microF1 }),
    ...(figures.macroF1 === null ? {} : { macro_f1: figures.macroF1 }),
    exact_match: figures.exactMatch,
    negative_log_likelihood: figures.negativeLogLikelihood.value,
    expected_calibration_error: figures.expectedCalibrationError,
  }),
  calibrate: {
    noun: "texts",
    count: ({ length }) => length,
    // of several labels, those that are likelier than not are given
    otherwise: { temperature: 1, threshold: 0.5 },
    fit: (rows, { labels }) => {
      const decisions = rows.flatMap(({ logits, expected }) =>
        Array.from(expected, (wanted, id) => ({ id, logit: logits[id]!, wanted: wanted === 1 })),
      );
      // a decision is one between two classes, of which "no" has the logit 0
      const logits = Float64Array.from(decisions.flatMap(({ logit }) => [0, logit]));
      const temperature = fitTemperature(
        { logits, numClasses: 2 },
        decisions.map(({ wanted }) => (wanted ? 1 : 0)),
      );
      const all = decisions.map(({ id, logit, wanted }) => ({
        id,
        wanted,
        p: labelProbability(logit, { temperature, threshold: 0 }),
      }));
      const threshold = bestThreshold(all) ?? 0.5;
      const thresholds = labels.map((_, label) => {
        const own = all.filter(({ id }) => id === label);
        const wanted = own.filter((one) => one.wanted).length;
        const isEnough = wanted >= OWN_THRESHOLD && own.length - wanted >= OWN_THRESHOLD;
        return isEnough ? bestThreshold(own)! : threshold;
      });
      return { temperature, threshold, thresholds };
    },
  },
};

/** -log of the sigmoid of z, or of -z. */
function logLoss(z: number, wanted: boolean): number {
  const x = wanted ? z : -z;
  return x >= 0 ? log(1 + exp(-x)) : log(1 + exp(x)) - x;
}
