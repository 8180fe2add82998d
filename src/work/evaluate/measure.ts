/**
 * What measuring a task is: which columns of a table it reads, what it keeps of each answer, and what it says of all of
 * them. What is kept of an answer is a row: small, made once, and enough for every figure and for calibration.
 */
import type { LockstepError } from "../../base/index.ts";
import {
  readRows,
  readTable,
  type Need,
  type PreferredColumns,
  type Role,
  type RoleChoices,
  type Rows,
  type Table,
} from "../../language/data/index.ts";
import type { Calibration } from "../infer/index.ts";
import type { EncodedQuestion, Question, TaskFacts, TaskName, TaskVersion, TypesOf } from "../tasks/index.ts";
import type { Estimate } from "./bootstrap.ts";

/** Columns by their names. @default those that the version was trained on, or the first with a usual name */
export interface TableColumns {
  readonly text?: string | undefined;
  readonly label?: string | undefined;
  /** Further columns, by what they hold. */
  readonly columns?: { readonly [R in Role]?: string | undefined } | undefined;
  readonly trained?: PreferredColumns | undefined;
}

export interface MeasureOptions {
  /** Most frequent mistakes to list. */
  readonly confusions: number;
}

/** A table as questions, with what each answer should be. */
export interface Gold<T extends TaskName, Expected> {
  readonly questions: readonly Question<T>[];
  readonly expected: readonly Expected[];
}

/** A question under a version: what its encoding found out, and what the program gave for its rows of tokens. */
export interface Outcome<T extends TaskName> {
  readonly encoded: EncodedQuestion<TypesOf[T]["notes"]>;
  readonly outputs: readonly Float32Array[];
}

/** What is kept in a version of its figures: shares and other numbers, some with their interval. */
export type Kept = Readonly<Record<string, number | (Estimate & { readonly total?: number })>>;

export interface CalibrateOptions {
  /** Share of the answers given that are to be right, of a version that may abstain; null: it always answers. */
  readonly targetAccuracy: number | null;
  readonly warn: (message: string) => void;
}

export interface Measure<T extends TaskName, Expected, Row, Figures> {
  /** Whether there has to be a column of one label a text. */
  readonly label: boolean;
  readonly roles: { readonly [R in Role]?: Need };
  /** Whether a .txt file is read as paragraphs. */
  readonly paragraphs?: true;
  /** @throws DATA_INVALID naming the row that does not fit the version */
  readonly gold: (table: Table, version: TaskVersion) => Gold<T, Expected> | Promise<Gold<T, Expected>>;
  /** @throws NON_FINITE, as the task's answer */
  readonly row: (version: TaskVersion, outcome: Outcome<T>, expected: Expected) => Row;
  /** With the version's calibration. At least one row. */
  readonly figures: (rows: readonly Row[], version: TaskFacts, options: MeasureOptions) => Figures;
  /** What a version that was trained here remembers of them. */
  readonly kept: (figures: Figures, split: "validation" | "test") => Kept;
  /** How its probabilities become honest; absent where it has none. */
  readonly calibrate?: Calibrate<Row>;
}

export interface Calibrate<Row> {
  /** What is counted, for people: "texts". */
  readonly noun: string;
  /** How many of them the rows have: on few, the likeliest temperature is often at an end of its range. */
  readonly count: (rows: readonly Row[]) => number;
  /** Where too few are held out. */
  readonly otherwise: Calibration;
  readonly fit: (rows: readonly Row[], version: TaskFacts, options: CalibrateOptions) => Calibration;
}

/** The table that a task is measured on. @throws as `readTable`; DATA_INVALID: a column is missing */
export async function readFor(
  path: string,
  {
    label: labelled,
    roles,
    paragraphs,
  }: Pick<Measure<TaskName, never, never, never>, "label" | "roles" | "paragraphs">,
  { text, label, columns = {}, trained }: TableColumns,
  refuse: (role: Role) => LockstepError,
): Promise<Table> {
  for (const [role, name] of Object.entries(columns) as [Role, string | undefined][])
    if (name !== undefined && roles[role] === undefined) throw refuse(role);
  return await readTable(path, {
    ...(text === undefined ? {} : { text }),
    ...(labelled ? (label === undefined ? {} : { label }) : { label: false as const }),
    ...(trained === undefined ? {} : { preferred: trained }),
    ...(paragraphs === true && /\.txt$/i.test(path) ? { format: "text" as const } : {}),
    roles: Object.fromEntries(
      (Object.entries(roles) as [Role, Need][]).map(([role, need]) => [role, { name: columns[role], need }]),
    ),
  });
}

/** The same of rows that a program gives, whose fields are named by what they hold. @throws as `readRows` */
export async function rowsFor(
  rows: Rows,
  { label, roles }: Pick<Measure<TaskName, never, never, never>, "label" | "roles">,
  signal: AbortSignal | undefined,
): Promise<Table> {
  const choices = (Object.entries(roles) as [Role, Need][]).map(([role, need]) => [role, { name: undefined, need }]);
  return await readRows(rows, { name: "test", label, roles: Object.fromEntries(choices) as RoleChoices, signal });
}

/** The texts of a table, each with its second one where there is a column of them. */
export function textsOrPairs({ texts, cells: { second } }: Table): readonly Question<"classify">[] {
  return second === undefined ? texts : texts.map((text, row) => ({ text, pair: second[row]! }));
}
