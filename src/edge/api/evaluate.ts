/**
 * `evaluate`: how right a model is on a labelled table, and how far its probabilities can be believed. Measured in the
 * form it is served in.
 */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { MEASURES, type FiguresOf } from "../../work/evaluate/index.ts";
import type { ModelOptions } from "../../work/model/index.ts";
import { mainTask, type TaskName } from "../../work/tasks/index.ts";
import { loadModel } from "./load-model.ts";
import { pathSchema, signalSchema } from "./options.ts";
import { trainedColumns } from "./trained-columns.ts";

const evaluateSchema = z.strictObject({
  /** A CSV or JSON-lines file of texts and labels. */
  data: pathSchema,
  /** Column of the text. @default the one that the version was trained on, or the first of text, sentence … */
  text: z.string().min(1).optional(),
  /** Column of the label. @default the one that the version was trained on, or the first of label, intent … */
  label: z.string().min(1).optional(),
  /** Most frequent mistakes to list. @default 10 */
  confusions: z.int().min(0).max(10_000).default(10),
  signal: signalSchema,
});

export type EvaluateOptions = Readonly<z.input<typeof evaluateSchema>>;

/** Figures of the task that the version was made for. */
export type Evaluation<T extends TaskName = TaskName> = FiguresOf<T> & {
  readonly task: T;
  readonly version: string;
  readonly data: { readonly path: string; readonly sha256: string; readonly rows: number };
  readonly seconds: number;
};

/** @throws DATA_INVALID naming the row whose label the model does not know; as `loadModel` and `Model.ask` */
export async function evaluate(
  path: string,
  options: EvaluateOptions,
  modelOptions: ModelOptions = {},
): Promise<Evaluation> {
  const { data, text, label, confusions, signal } = parseOptions(evaluateSchema, options, "the options of evaluate");
  await using model = await loadModel(path, modelOptions);
  const task = mainTask(model.info);
  const measure = MEASURES[task];
  const trained = trainedColumns(model.description);
  const { sha256, questions, expected } = await measure.read(data, { text, label, trained }, model.info);
  const started = performance.now();
  const computed = await model.outputs(task, questions, signal);
  const seconds = (performance.now() - started) / 1000;
  const figures = measure.figures(
    model.info,
    computed.map(({ outputs }) => outputs),
    expected,
    { confusions },
  );
  return { task, version: model.version, data: { path: data, sha256, rows: questions.length }, ...figures, seconds };
}
