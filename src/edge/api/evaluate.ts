/**
 * `evaluate`: how right a model is on a labelled table, and how far its probabilities can be believed. Measured in the
 * form it is served in.
 */
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import { isMeasured, measureOn, type FiguresOf, type MeasuredTask } from "../../work/evaluate/index.ts";
import type { ModelOptions } from "../../work/model/index.ts";
import { mainTask } from "../../work/tasks/index.ts";
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
export type Evaluation<T extends MeasuredTask = MeasuredTask> = FiguresOf<T> & {
  readonly task: T;
  readonly version: string;
  readonly data: { readonly path: string; readonly sha256: string; readonly rows: number };
  readonly seconds: number;
};

/**
 * @throws DATA_INVALID naming the row whose label the model does not know; INPUT_INVALID: a version that a table cannot
 *   judge; as `loadModel` and `Model.ask`
 */
export async function evaluate(
  path: string,
  options: EvaluateOptions,
  modelOptions: ModelOptions = {},
): Promise<Evaluation> {
  const { data, text, label, confusions, signal } = parseOptions(evaluateSchema, options, "the options of evaluate");
  await using model = await loadModel(path, modelOptions);
  const task = mainTask(model.info);
  if (!isMeasured(task))
    throw new LockstepError("INPUT_INVALID", `a version made to ${task} is not measured on a table of labels`, {
      task,
    });
  const trained = trainedColumns(model.description);
  let seconds = 0;
  const { sha256, rows, figures } = await measureOn(
    task,
    data,
    { text, label, trained },
    model.info,
    { confusions },
    async (questions) => {
      const started = performance.now();
      const computed = await model.outputs(task, questions, signal);
      seconds = (performance.now() - started) / 1000;
      return computed.map(({ outputs }) => outputs);
    },
  );
  return { task, version: model.version, data: { path: data, sha256, rows }, ...figures, seconds };
}
