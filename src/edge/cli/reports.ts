/** How figures are shown: those of each task that is measured, in one table, and those that a version keeps. */
import { figureName, type Evaluation, type KeptFigures, type MeasuredTask, type Share } from "../api/index.ts";
import { percent, withInterval } from "./output.ts";

interface Report<T extends MeasuredTask> {
  /** Lines of figures, and of the most frequent mistakes. */
  readonly figures: (report: Evaluation<T>) => readonly string[];
  readonly mistakes?: (report: Evaluation<T>) => readonly string[];
}

interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Columns of a figure's name. */
const WIDTH = 21;

function line(name: string, value: string): string {
  return `${name.padEnd(WIDTH - 1)} ${value}`;
}

/** A figure that is no share, with its interval; null: the table does not define it. */
function number(name: string, figure: Interval | null): string {
  return line(name, figure === null ? "not defined by this table" : between(figure));
}

function between({ value, low, high }: Interval): string {
  return `${value.toFixed(4)} (95 %: ${low.toFixed(4)} to ${high.toFixed(4)})`;
}

/** As `number`, of what is a share. */
function share(name: string, figure: Interval | null): string {
  return figure === null ? number(name, null) : line(name, withInterval(figure));
}

/** Classes that are shown one by one; of more, `--json` has them. */
const MOST_CLASSES = 12;

interface Scored {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

function classLines(classes: readonly Scored[]): readonly string[] {
  if (classes.length > MOST_CLASSES) return [line("by class", `${classes.length} of them: see --json`)];
  const width = Math.max(5, ...classes.map(({ label }) => label.length));
  const cells = (label: string, ...rest: readonly string[]): string =>
    `  ${label.padEnd(width)}  ${rest.map((cell) => cell.padStart(9)).join("  ")}`;
  return [
    cells("class", "precision", "recall", "F1", "of"),
    ...classes.map(({ label, precision, recall, f1, support }) =>
      cells(label, percent(precision), percent(recall), percent(f1), String(support)),
    ),
  ];
}

interface Mistaken {
  readonly expected: string;
  readonly predicted: string;
  readonly count: number;
}

function mistakeLines({ confusions }: { readonly confusions: readonly Mistaken[] }): readonly string[] {
  return confusions.map(
    ({ expected, predicted, count }) => `${String(count).padStart(4)} × ${expected} taken for ${predicted}`,
  );
}

function cutLines(truncated: number, noun: string): readonly string[] {
  return truncated === 0
    ? []
    : [line("read only in part", `${truncated} ${noun}, being longer than the version reads`)];
}

const REPORTS: { readonly [T in MeasuredTask]: Report<T> } = {
  classify: {
    figures: (report) => [
      line("accuracy", `${withInterval(report.accuracy)} of ${report.data.rows}`),
      number("macro-F1", report.macroF1),
      line("calibration error", report.expectedCalibrationError.toFixed(4)),
      line("negative log-lik.", `${between(report.negativeLogLikelihood)} nats a text`),
      ...(report.abstained > 0
        ? [
            line(
              "abstained",
              `${percent(report.abstained)}; right where it answered: ` +
                (report.answeredAccuracy === undefined ? "-" : percent(report.answeredAccuracy)),
            ),
          ]
        : []),
      ...cutLines(report.truncated, "texts"),
      ...classLines(report.classes),
    ],
    mistakes: mistakeLines,
  },
  "multi-label": {
    figures: (report) => [
      share("micro-F1", report.microF1),
      share("precision", report.microPrecision),
      share("recall", report.microRecall),
      share("macro-F1", report.macroF1),
      line("every label right", `${withInterval(report.exactMatch)} of ${report.data.rows}`),
      number("Hamming loss", report.hammingLoss),
      line("calibration error", `${report.expectedCalibrationError.toFixed(4)} of a label`),
      line("negative log-lik.", `${between(report.negativeLogLikelihood)} nats a label`),
      ...cutLines(report.truncated, "texts"),
      ...classLines(report.classes),
    ],
  },
  score: {
    figures: (report) => [
      number("Pearson's r", report.pearson),
      number("Spearman's rho", report.spearman),
      number("R squared", report.r2),
      number("mean absolute error", report.meanAbsoluteError),
      number("root mean sq. error", report.rootMeanSquaredError),
      line("nine in ten within", report.absoluteError90.toFixed(4)),
      ...cutLines(report.truncated, "texts"),
    ],
  },
  rerank: {
    figures: (report) => [
      number("MRR", report.mrr),
      number("nDCG@10", report.ndcgAt10),
      number("nDCG", report.ndcg),
      share("first is relevant", report.firstIsRelevant),
      line("queries", String(report.queries)),
      ...(report.withoutRelevant === 0
        ? []
        : [line("left out", `${report.withoutRelevant} queries that have no relevant document`)]),
      ...cutLines(report.truncated, "queries"),
    ],
  },
  "token-classify": {
    figures: (report) => [
      share("entity F1", report.entityF1),
      share("entity precision", report.entityPrecision),
      share("entity recall", report.entityRecall),
      share("macro-F1", report.macroF1),
      share("word accuracy", report.wordAccuracy),
      line("calibration error", fixed(report.expectedCalibrationError)),
      line("negative log-lik.", `${fixed(report.negativeLogLikelihood)} nats a word`),
      ...cutLines(report.truncated, `sentences (${report.unreadWords} words)`),
      ...classLines(report.classes),
    ],
    mistakes: mistakeLines,
  },
  similarity: {
    figures: (report) => [
      number("Spearman's rho", report.spearman),
      number("Pearson's r", report.pearson),
      ...cutLines(report.truncated, "pairs"),
    ],
  },
  "fill-mask": {
    figures: (report) => [
      share("right word first", report.accuracy),
      share("among the first five", report.accuracyAt5),
      number("MRR", report.mrr),
      number("perplexity", report.perplexity),
      line("negative log-lik.", `${between(report.negativeLogLikelihood)} nats a mask`),
      line("masks", String(report.masks)),
      ...cutLines(report.truncated, "texts"),
    ],
  },
  perplexity: {
    figures: (report) => [
      number("perplexity of a token", report.perplexity),
      number("perplexity of a word", report.wordPerplexity),
      number("bits a byte", report.bitsPerByte),
      line("negative log-lik.", `${between(report.negativeLogLikelihood)} nats a token`),
      line("scored", `${report.tokens} tokens, ${report.words} words, ${report.bytes} bytes`),
      ...cutLines(report.truncated, "texts"),
    ],
  },
};

function fixed(value: number | null): string {
  return value === null ? "not defined by this table" : value.toFixed(4);
}

/** Lines of a report, and of the most frequent mistakes. */
export function reportLines<T extends MeasuredTask>(
  report: Evaluation<T>,
): {
  readonly figures: readonly string[];
  readonly mistakes: readonly string[];
} {
  const { figures, mistakes } = REPORTS[report.task] as Report<T>;
  return { figures: figures(report), mistakes: mistakes?.(report) ?? [] };
}

/** What a version keeps of its figures: those with an interval. */
export function keptLines(split: "validation" | "test", figures: KeptFigures | undefined): readonly string[] {
  return Object.entries(figures ?? {}).flatMap(([name, figure]) => {
    if (typeof figure !== "object") return [];
    const { total } = figure as Share;
    const value = total === undefined ? between(figure) : `${withInterval(figure)} of ${total}`;
    return [line(`${split} ${figureName(name)}`, value)];
  });
}
