/** How answers and figures of each task are shown on a terminal and as CSV: one table. */
import type { Evaluation, QuestionAnswer, TaskName, TaskOptions } from "../api/index.ts";
import { percent, withInterval } from "./output.ts";

interface View<T extends TaskName> {
  /** What `--top` means to the task. */
  readonly options: (top: number | undefined) => TaskOptions<T>;
  /** Names of the columns, and one answer's cells. */
  readonly columns: readonly string[];
  readonly cells: (answer: QuestionAnswer<T>) => readonly (string | number | boolean)[];
  /** Lines for people. */
  readonly lines: (answer: QuestionAnswer<T>) => readonly string[];
  /** An answer as `--json` has it. */
  readonly json: (answer: QuestionAnswer<T>) => object;
  /** Lines of figures, and of the most frequent mistakes. */
  readonly figures: (report: Evaluation<T>) => readonly string[];
  readonly mistakes: (report: Evaluation<T>) => readonly string[];
}

const VIEWS: { readonly [T in TaskName]: View<T> } = {
  classify: {
    options: (topK) => ({ topK }),
    columns: ["text", "label", "probability", "abstained", "version"],
    cells: ({ question, label, probability, abstained, version }) => [question, label, probability, abstained, version],
    lines: ({ question, abstained, top }) => [
      question,
      `  ${abstained ? "(abstains) " : ""}` +
        top.map(({ label, probability }) => `${label} ${percent(probability)}`).join(", "),
    ],
    json: ({ question, ...answer }) => ({ text: question, ...answer }),
    figures: (report) => [
      `accuracy             ${withInterval(report.accuracy)} of ${report.data.rows}`,
      `macro-F1             ${report.macroF1.toFixed(4)}`,
      `calibration error    ${report.expectedCalibrationError.toFixed(4)}`,
      `negative log-lik.    ${report.negativeLogLikelihood.toFixed(4)} nats a text`,
      ...(report.abstained > 0
        ? [
            `abstained            ${percent(report.abstained)}; right where it answered: ` +
              (report.answeredAccuracy === undefined ? "-" : percent(report.answeredAccuracy)),
          ]
        : []),
    ],
    mistakes: ({ confusions }) =>
      confusions.map(
        ({ expected, predicted, count }) => `${String(count).padStart(4)} × ${expected} taken for ${predicted}`,
      ),
  },
};

export function viewOf<T extends TaskName>(task: T): View<T> {
  return VIEWS[task];
}
