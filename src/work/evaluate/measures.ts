/** How each task that a table of right answers can judge is measured, in one table. */
import type { Question, TaskFacts, TaskName } from "../tasks/index.ts";
import { measureClasses, type ClassFigures } from "./measure-classes.ts";
import type { Measure, MeasureOptions, TableColumns } from "./measure.ts";

/** What is expected of the answers, and what is said of them, by task. */
interface Measured {
  readonly classify: { readonly expected: Int32Array; readonly figures: ClassFigures };
}
export type MeasuredTask = keyof Measured & TaskName;
export type FiguresOf<T extends MeasuredTask> = Measured[T]["figures"];

const MEASURES: {
  readonly [T in MeasuredTask]: Measure<T, Measured[T]["expected"], Measured[T]["figures"]>;
} = { classify: measureClasses };

export function isMeasured(task: string): task is MeasuredTask {
  return Object.hasOwn(MEASURES, task);
}

/** @throws as the task's measure and `outputsOf`, which gives what the version's program makes of the questions */
export async function measureOn<T extends MeasuredTask>(
  task: T,
  path: string,
  columns: TableColumns,
  version: TaskFacts,
  options: MeasureOptions,
  outputsOf: (questions: readonly Question<T>[]) => Promise<readonly (readonly Float32Array[])[]>,
): Promise<{ readonly sha256: string; readonly rows: number; readonly figures: FiguresOf<T> }> {
  const measure: Measure<T, Measured[T]["expected"], FiguresOf<T>> = MEASURES[task];
  const { sha256, questions, expected } = await measure.read(path, columns, version);
  const outputs = await outputsOf(questions);
  return { sha256, rows: questions.length, figures: measure.figures(version, outputs, expected, options) };
}
