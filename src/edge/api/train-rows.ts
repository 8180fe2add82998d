/** What a program may give to train on in place of a file: rows, typed by what an objective reads of them. */
import type { Rows } from "../../language/data/index.ts";
import type { LastObjective, ObjectiveName, ObjectiveTask } from "../../work/train/index.ts";

/** A label, or a number. */
type Scalar = string | number | boolean | bigint;

interface TextRow {
  readonly text: string;
  /** A second text, in the same row of tokens. */
  readonly second?: string;
}

interface ConversationRow {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

interface InstructionRow {
  readonly text: string;
  readonly answer: string;
  readonly input?: string;
  readonly system?: string;
}

/** Fields of a row by the objective of the phase that reads it; what else a row has is passed over. */
interface RowsOf {
  readonly "masked-lm": TextRow;
  readonly "causal-lm": TextRow;
  readonly classify: TextRow & { readonly label: Scalar };
  readonly "multi-label": TextRow & { readonly labels: string | readonly string[] };
  readonly regression: TextRow & { readonly score: Scalar };
  /** Words, each with a tag. */
  readonly "token-classify": {
    readonly text: string | readonly string[];
    readonly tags: string | readonly string[];
  };
  /** A conversation, or an instruction with its answer. */
  readonly "instruction-tuning": ConversationRow | InstructionRow;
  readonly contrastive: { readonly text: string; readonly second: string; readonly negative?: string };
  readonly "embedding-distillation": TextRow;
}

/** The compiler asks for the row of an objective that is added. */
export type RowOf<N extends ObjectiveName> = RowsOf[N];

/** Rows of the table that a training for a task ends with. */
export type TrainRow<T extends ObjectiveTask = ObjectiveTask> = RowOf<LastObjective<T>>;

/** Rows that a version for a task is measured on. */
export type TestRow<T extends ObjectiveTask = ObjectiveTask> = T extends "embed"
  ? { readonly text: string; readonly second: string; readonly score: Scalar }
  : TrainRow<T>;

/** Where texts are: the path of a file, or the rows themselves, each read once, such as a database's cursor. */
export type DataSource<Row extends object = object> = string | Rows<Row>;

export function isDataSource(value: unknown): value is DataSource {
  if (typeof value === "string") return value !== "" && value.length <= 4096;
  return typeof value === "object" && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value);
}
