/** How each task is measured, in one table. */
import type { TaskName } from "../tasks/index.ts";
import { measureClasses } from "./measure-classes.ts";
import type { Measure } from "./measure.ts";

/** What is expected of an answer, and what is said of all, by task. */
interface MeasuredBy {
  readonly classify: typeof measureClasses;
}

export const MEASURES: { readonly [T in TaskName]: MeasuredBy[T] } = { classify: measureClasses };

export type FiguresOf<T extends TaskName> = MeasuredBy[T] extends Measure<T, infer _, infer Figures> ? Figures : never;
