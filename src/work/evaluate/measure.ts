/** What measuring a task is: which columns of a table it reads, and what it says of a version's outputs on them. */
import { readTable, requireLabels, type ReadTableOptions, type Table } from "../../language/data/index.ts";
import type { Question, TaskFacts, TaskName } from "../tasks/index.ts";

/** Columns by their names. @default those that the version was trained on, or the first with a usual name */
export interface TableColumns {
  readonly text?: string | undefined;
  readonly label?: string | undefined;
  readonly trained?: { readonly text: string; readonly label: string } | undefined;
}

export interface MeasureOptions {
  /** Most frequent mistakes to list. */
  readonly confusions: number;
}

/** A table as questions, with what the answers should be. */
export interface Gold<T extends TaskName, Expected> {
  readonly sha256: string;
  readonly questions: readonly Question<T>[];
  readonly expected: Expected;
}

export interface Measure<T extends TaskName, Expected, Figures> {
  /** @throws DATA_INVALID naming the row that does not fit the version */
  readonly read: (path: string, columns: TableColumns, version: TaskFacts) => Promise<Gold<T, Expected>>;
  /** `outputs`: what the version's program gave for each question's rows. */
  readonly figures: (
    version: TaskFacts,
    outputs: readonly (readonly Float32Array[])[],
    expected: Expected,
    options: MeasureOptions,
  ) => Figures;
}

/** A table of texts and labels. */
export async function readLabelled(
  path: string,
  { text, label, trained }: TableColumns,
): Promise<Table & { readonly labels: readonly string[] }> {
  const columns: ReadTableOptions = {
    ...(text === undefined ? {} : { text }),
    ...(label === undefined ? {} : { label }),
    ...(trained === undefined ? {} : { preferred: trained }),
  };
  const table = await readTable(path, columns);
  return { ...table, labels: requireLabels(table).labels };
}
