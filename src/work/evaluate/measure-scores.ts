/** How near the scores that a version gives come to those of a table. */
import { cellsOf, numberOf } from "../../language/data/index.ts";
import { TASKS } from "../tasks/index.ts";
import { estimates, quantile, type Estimate } from "./bootstrap.ts";
import { determination, meanAbsoluteError, pearson, rootMeanSquaredError, spearman } from "./correlation.ts";
import { textsOrPairs, type Measure } from "./measure.ts";

/** With intervals by the bootstrap over texts. */
export interface ScoreFigures {
  readonly meanAbsoluteError: Estimate;
  readonly rootMeanSquaredError: Estimate;
  /** Share of the variance explained, 1 at most; null, as the correlations, where all scores are the same. */
  readonly r2: Estimate | null;
  readonly pearson: Estimate | null;
  readonly spearman: Estimate | null;
  /** Nine in ten scores are nearer to the right one than this. */
  readonly absoluteError90: number;
  /** Texts of which only a part was read. */
  readonly truncated: number;
}

export interface ScoreRow {
  readonly predicted: number;
  readonly expected: number;
  readonly truncated: boolean;
}

/** `Expected`: the score. */
export const measureScores: Measure<"score", number, ScoreRow, ScoreFigures> = {
  label: false,
  roles: { second: "named", score: "needed" },
  gold: (table) => ({
    questions: textsOrPairs(table),
    expected: cellsOf(table, "score").map((cell, row) => numberOf(cell, table, row)),
  }),
  row: (version, { outputs, encoded: { truncated, notes } }, expected) => ({
    predicted: TASKS.score.answer(version, outputs, {}, notes).score,
    expected,
    truncated,
  }),
  figures: (rows) => {
    const predicted = rows.map((row) => row.predicted);
    const expected = rows.map((row) => row.expected);
    const {
      meanAbsoluteError: mae,
      rootMeanSquaredError: rmse,
      ...others
    } = estimates(rows.length, {
      meanAbsoluteError: meanAbsoluteError(predicted, expected),
      rootMeanSquaredError: rootMeanSquaredError(predicted, expected),
      r2: determination(predicted, expected),
      pearson: pearson(predicted, expected),
      spearman: spearman(predicted, expected),
    });
    const errors = Float64Array.from(expected, (score, row) => Math.abs(predicted[row]! - score)).sort();
    return {
      meanAbsoluteError: mae!,
      rootMeanSquaredError: rmse!,
      ...others,
      absoluteError90: quantile(errors, 0.9),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ meanAbsoluteError: mae, rootMeanSquaredError: rmse, r2, pearson: r, spearman: rho, absoluteError90 }) => ({
    ...(r === null ? {} : { pearson: r }),
    ...(rho === null ? {} : { spearman: rho }),
    ...(r2 === null ? {} : { r2 }),
    mean_absolute_error: mae,
    root_mean_squared_error: rmse,
    absolute_error_90: absoluteError90,
  }),
};
