/** How each task that a table of right answers can judge is measured, in one table. */
import { LockstepError } from "../../base/index.ts";
import type { Role, Rows, Table, TaggedWords } from "../../language/data/index.ts";
import type { Calibration, VersionTask } from "../infer/index.ts";
import type { Question, TaskFacts, TaskName, TaskVersion } from "../tasks/index.ts";
import { measureClasses, type ClassFigures, type ClassRow } from "./measure-classes.ts";
import { measureLabels, type LabelFigures, type LabelRow } from "./measure-labels.ts";
import { measureMasks, type MaskFigures, type MaskRow } from "./measure-masks.ts";
import { measurePerplexity, type PerplexityFigures, type PerplexityRow } from "./measure-perplexity.ts";
import { measureRanking, type RankingFigures, type RankingRow } from "./measure-ranking.ts";
import { measureScores, type ScoreFigures, type ScoreRow } from "./measure-scores.ts";
import { measureSimilarity, type SimilarityFigures } from "./measure-similarity.ts";
import { measureSpans, type SpanFigures, type SpanRow } from "./measure-spans.ts";
import {
  readFor,
  rowsFor,
  type CalibrateOptions,
  type Kept,
  type Measure,
  type MeasureOptions,
  type Outcome,
  type TableColumns,
} from "./measure.ts";

/** By task: what is expected of an answer, what is kept of it, and what is said of all. */
interface Measured {
  readonly classify: { readonly expected: number; readonly row: ClassRow; readonly figures: ClassFigures };
  readonly "multi-label": { readonly expected: Uint8Array; readonly row: LabelRow; readonly figures: LabelFigures };
  readonly score: { readonly expected: number; readonly row: ScoreRow; readonly figures: ScoreFigures };
  readonly rerank: {
    readonly expected: readonly number[];
    readonly row: RankingRow;
    readonly figures: RankingFigures;
  };
  readonly "token-classify": { readonly expected: TaggedWords; readonly row: SpanRow; readonly figures: SpanFigures };
  readonly similarity: { readonly expected: number; readonly row: ScoreRow; readonly figures: SimilarityFigures };
  readonly "fill-mask": {
    readonly expected: readonly number[];
    readonly row: MaskRow;
    readonly figures: MaskFigures;
  };
  readonly perplexity: {
    readonly expected: string;
    readonly row: PerplexityRow;
    readonly figures: PerplexityFigures;
  };
}
export type MeasuredTask = keyof Measured & TaskName;
export type FiguresOf<T extends MeasuredTask> = Measured[T]["figures"];
/** What is kept of an answer. */
export type RowOf<T extends MeasuredTask> = Measured[T]["row"];

type MeasureOf<T extends MeasuredTask> = Measure<T, Measured[T]["expected"], RowOf<T>, FiguresOf<T>>;

const MEASURES: { readonly [T in MeasuredTask]: MeasureOf<T> } = {
  classify: measureClasses,
  "multi-label": measureLabels,
  score: measureScores,
  rerank: measureRanking,
  "token-classify": measureSpans,
  similarity: measureSimilarity,
  "fill-mask": measureMasks,
  perplexity: measurePerplexity,
};

export const MEASURED_TASKS = Object.keys(MEASURES) as readonly MeasuredTask[];

/** By what a version was made for: the task that it is measured by where none is named. */
const MEASURED_BY: { readonly [V in VersionTask]: MeasuredTask } = {
  classify: "classify",
  "multi-label": "multi-label",
  score: "score",
  "token-classify": "token-classify",
  embed: "similarity",
  "masked-lm": "perplexity",
  "causal-lm": "perplexity",
};

export function measuredBy(version: VersionTask): MeasuredTask {
  return MEASURED_BY[version];
}

function measureOf<T extends MeasuredTask>(task: T): MeasureOf<T> {
  return MEASURES[task];
}

/** What a task's table has beside texts and labels. */
export function rolesOf(task: MeasuredTask): readonly Role[] {
  return Object.keys(measureOf(task).roles) as Role[];
}

/** @throws as the task's measure; OPTION_INVALID: a column is named that the task has no use for */
export async function readMeasured(
  task: MeasuredTask,
  source: string | Rows,
  columns: TableColumns,
  signal?: AbortSignal,
): Promise<Table> {
  if (typeof source !== "string") return await rowsFor(source, measureOf(task), signal);
  return await readFor(source, measureOf(task), columns, (role) => {
    const taken = rolesOf(task).join(", ") || "none";
    return new LockstepError(
      "OPTION_INVALID",
      `measuring ${task} reads no column of ${role}; further columns that it reads: ${taken}`,
      { role, task },
    );
  });
}

/** Questions that are asked at a time: what the program gives for them is held until their rows are made. */
const PORTION = 1024;

export interface MeasureRun<T extends MeasuredTask> {
  /** What the version's program makes of the questions, in order. */
  readonly outcomesOf: (questions: readonly Question<T>[]) => Promise<readonly Outcome<T>[]>;
  /** Questions answered, of how many. */
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

/** One row a question, in order. @throws as the task's measure, and `outcomesOf` */
export async function rowsOn<T extends MeasuredTask>(
  task: T,
  table: Table,
  version: TaskVersion,
  { outcomesOf, onProgress }: MeasureRun<T>,
): Promise<readonly RowOf<T>[]> {
  const measure = measureOf(task);
  const { questions, expected } = await measure.gold(table, version);
  const rows: RowOf<T>[] = [];
  for (let from = 0; from < questions.length; from += PORTION) {
    const outcomes = await outcomesOf(questions.slice(from, from + PORTION));
    for (const outcome of outcomes) rows.push(measure.row(version, outcome, expected[rows.length]!));
    onProgress?.(rows.length, questions.length);
  }
  return rows;
}

/** With the version's calibration. */
export function figuresOf<T extends MeasuredTask>(
  task: T,
  rows: readonly RowOf<T>[],
  version: TaskFacts,
  options: MeasureOptions,
): FiguresOf<T> {
  return measureOf(task).figures(rows, version, options);
}

/** What a version that was trained here remembers of its figures. */
export function keptOf<T extends MeasuredTask>(
  task: T,
  rows: readonly RowOf<T>[],
  version: TaskFacts,
  split: "validation" | "test",
): Kept {
  return measureOf(task).kept(figuresOf(task, rows, version, { confusions: 0 }), split);
}

/**
 * Held-out texts or words that a calibration is fitted on at least. On fewer, the likeliest temperature is often at an
 * end of the range: with two texts, both right, every answer would be all but certain.
 */
export const CALIBRATION_LEAST = 50;

/** From rows that were held out; undefined where the task has none. Too few rows: none, and it is said. */
export function calibrationFrom<T extends MeasuredTask>(
  task: T,
  rows: readonly RowOf<T>[],
  version: TaskFacts,
  options: CalibrateOptions,
): Calibration | undefined {
  const { calibrate } = measureOf(task);
  if (calibrate === undefined) return undefined;
  const { noun, count, otherwise, fit } = calibrate;
  const held = count(rows);
  if (held >= CALIBRATION_LEAST) return fit(rows, version, options);
  options.warn(
    `confidences are not calibrated: ${held} ${noun} were held out, and ${CALIBRATION_LEAST} are needed` +
      (options.targetAccuracy === null ? "" : "; target_accuracy is not kept to, so this version never abstains"),
  );
  return otherwise;
}
