/** Whether texts that people call alike lie closer together: rank correlation of cosines with the scores of a table. */
import { cellsOf, numberOf } from "../../language/data/index.ts";
import { TASKS } from "../tasks/index.ts";
import { estimates, type Estimate } from "./bootstrap.ts";
import { pearson, spearman } from "./correlation.ts";
import type { Measure } from "./measure.ts";
import type { ScoreRow } from "./measure-scores.ts";

/** With intervals by the bootstrap over pairs; null where all scores are the same. */
export interface SimilarityFigures {
  readonly spearman: Estimate | null;
  readonly pearson: Estimate | null;
  /** Pairs of which only a part was read. */
  readonly truncated: number;
}

/** `Expected`: the score, on any scale. */
export const measureSimilarity: Measure<"similarity", number, ScoreRow, SimilarityFigures> = {
  label: false,
  roles: { second: "needed", score: "needed" },
  gold: (table) => {
    const seconds = cellsOf(table, "second");
    return {
      questions: table.texts.map((text, row) => ({ text, pair: seconds[row]! })),
      expected: cellsOf(table, "score").map((cell, row) => numberOf(cell, table, row)),
    };
  },
  row: (version, { outputs, encoded: { truncated, notes } }, expected) => ({
    predicted: TASKS.similarity.answer(version, outputs, {}, notes).similarity,
    expected,
    truncated,
  }),
  figures: (rows) => {
    const predicted = rows.map((row) => row.predicted);
    const expected = rows.map((row) => row.expected);
    return {
      ...estimates(rows.length, {
        spearman: spearman(predicted, expected),
        pearson: pearson(predicted, expected),
      }),
      truncated: rows.filter(({ truncated }) => truncated).length,
    };
  },
  kept: ({ spearman: rho, pearson: r }) => ({
    ...(rho === null ? {} : { spearman: rho }),
    ...(r === null ? {} : { pearson: r }),
  }),
};
