/**
 * `evaluate`: how right a version is on a table of right answers, by what is usual for the task, each figure with its
 * interval. Measured in the form it is served in.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import {
  figuresOf,
  measuredBy,
  MEASURED_TASKS,
  readMeasured,
  rowsOn,
  type FiguresOf,
  type MeasuredTask,
} from "../../work/evaluate/index.ts";
import type { ModelOptions } from "../../work/model/index.ts";
import { requireTask } from "../../work/tasks/index.ts";
import { loadModel } from "./load-model.ts";
import { callbackSchema, pathSchema, signalSchema } from "./options.ts";
import { trainedColumns } from "./trained-columns.ts";
import { columnsSchema } from "./train-options.ts";

const evaluateSchema = z.strictObject({
  /** A table of questions and right answers: CSV, JSON lines or CoNLL; of texts alone, also paragraphs (.txt). */
  data: pathSchema,
  /** What to measure. @default what the version was made for: docs/guide.md has the list */
  task: z.enum(MEASURED_TASKS as [MeasuredTask, ...MeasuredTask[]]).optional(),
  /** Column of the text. @default the one that the version was trained on, or the first of text, sentence … */
  text: z.string().min(1).optional(),
  /** Column of the label. @default the one that the version was trained on, or the first of label, intent … */
  label: z.string().min(1).optional(),
  /** Further columns, by what they hold. @default those that the version was trained on, or of the usual names */
  columns: columnsSchema.optional(),
  /** Most frequent mistakes to list. @default 10 */
  confusions: z.int().min(0).max(10_000).default(10),
  signal: signalSchema,
  onProgress: callbackSchema<(done: number, of: number) => void>(),
});

/** `T`: where the task is named, the figures are of its type. */
export type EvaluateOptions<T extends MeasuredTask = MeasuredTask> = Readonly<
  Omit<z.input<typeof evaluateSchema>, "task"> & { task?: T | undefined }
>;

/** Figures of one task. */
export type Evaluation<T extends MeasuredTask = MeasuredTask> = FiguresOf<T> & {
  readonly task: T;
  readonly version: string;
  readonly data: { readonly path: string; readonly sha256: string; readonly rows: number };
  readonly seconds: number;
};

/**
 * @throws DATA_INVALID naming the row whose answer the version cannot give; INPUT_INVALID: a task that the version has
 *   no answers to; OPTION_INVALID: a column that the task has no use for; as `loadModel` and `Model.ask`
 */
export async function evaluate<T extends MeasuredTask = MeasuredTask>(
  path: string,
  options: EvaluateOptions<T>,
  modelOptions: ModelOptions = {},
): Promise<Evaluation<T>> {
  const { task, ...parsed } = parseOptions(evaluateSchema, options, "the options of evaluate");
  await using model = await loadModel(path, modelOptions);
  const { info, description } = model;
  const measured = (task ?? measuredBy(info.task)) as T;
  requireTask(measured, info);
  const { data, text, label, columns, confusions, signal, onProgress } = parsed;
  const table = await readMeasured(measured, data, { text, label, columns, trained: trainedColumns(description) });
  let seconds = 0;
  const rows = await rowsOn(measured, table, info, {
    outcomesOf: async (questions) => {
      const started = performance.now();
      const outcomes = await model.outputs(measured, questions, signal);
      seconds += (performance.now() - started) / 1000;
      return outcomes;
    },
    onProgress,
  });
  const figures = figuresOf(measured, rows, info, { confusions });
  const counted = { path: data, sha256: table.sha256, rows: table.texts.length };
  return { ...figures, task: measured, version: model.version, data: counted, seconds };
}
