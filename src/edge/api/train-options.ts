/** What `train` takes: a table and a recipe, and how to run them. Types come from the schemas. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { ROLES, TABLE_FORMATS } from "../../language/data/index.ts";
import type {
  ObjectiveName,
  ObjectiveTask,
  PhaseSettings,
  RecipeInput,
  ShardWeightFunction,
  Shorthands,
  ShorthandObjective,
  TrainingEvent,
} from "../../work/train/index.ts";
import { aliasSchema, callbackSchema, pathSchema, signalSchema, threadsSchema } from "./options.ts";
import { isDataSource, type DataSource, type RowOf, type TestRow, type TrainRow } from "./train-rows.ts";

const source = (error: string) => z.custom<DataSource>(isDataSource, error);
const table = source("expected the path of a table, or rows: a list of objects, or what gives them one after another");
const column = z.string().min(1).optional();

export const columnsSchema = z.partialRecord(z.enum(ROLES), z.string().min(1));

/** Of a table: where it is, and what is read of it. */
const tableFields = {
  /** A CSV or JSON-lines file, or rows: objects with the fields text, label, … */
  data: table,
  /** Column of the text. @default the first of text, sentence, question … that there is */
  text: column,
  /** Column of the label. @default the first of label, intent, category, class … that there is */
  label: column,
  /** Further columns, by what they hold. @default those of the usual names, where an objective needs them */
  columns: columnsSchema.optional(),
  /** What a row is: "text" is a paragraph, "lines" a line. @default by the file's name and first character */
  format: z.enum(TABLE_FORMATS).optional(),
  /** What the file, or the rows as JSON lines, have to hash to. @default anything */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal characters")
    .optional(),
};
/** A phase's own table. */
const phaseDataSchema = z.strictObject({
  ...tableFields,
  /** Share of these texts held out; null: by the rule of `validation_fraction`. @default null */
  validation_fraction: z.number().min(0).max(0.5).nullable().optional(),
});
type PhaseFields = z.output<typeof phaseDataSchema>;

/** The files and columns; the recipe's own fields are checked with it. */
const filesSchema = z.looseObject({
  ...tableFields,
  /**
   * Texts of a domain, without labels: what each phase before the last reads that reads texts alone. @default none: all
   * phases read `data`
   */
  domain_texts: table.optional(),
  /** A model folder in the Hugging Face layout, or a store, to fine-tune. @default none: from nothing */
  from: pathSchema.optional(),
  /** A version's folder, a store, or a model folder that phases learn from. @default none */
  teacher: pathSchema.optional(),
  /** A table, or rows, to measure the published version on. @default none */
  test: table.optional(),
});
type Files = {
  readonly [K in keyof typeof tableFields | "domain_texts" | "from" | "teacher" | "test"]: z.input<
    typeof filesSchema
  >[K];
};

/** What a phase reads where it has a table of its own. */
export type PhaseData<Row extends object = object> =
  DataSource<Row> | (Omit<PhaseFields, "data"> & { readonly data: DataSource<Row> });

type WithData<P, N extends ObjectiveName> = Omit<P, "data"> & { readonly data?: PhaseData<RowOf<N>> | undefined };
type TrainPhase = {
  readonly [N in ObjectiveName]: WithData<PhaseSettings<N>, N> & { readonly objective: N };
}[ObjectiveName];
type TrainShorthands = {
  readonly [K in keyof Shorthands]?: WithData<NonNullable<Shorthands[K]>, ShorthandObjective<K>> | undefined;
};

/** The recipe's fields (see `recipeSchema`), with files or rows in place of their hashes. `T`: what is trained. */
export type TrainInput<T extends ObjectiveTask = ObjectiveTask> = Omit<
  RecipeInput,
  "data" | "from" | "teacher" | "task" | "phases" | keyof Shorthands
> &
  TrainShorthands &
  Omit<Partial<Files>, "data" | "test" | "domain_texts"> & {
    readonly task?: T | undefined;
    readonly phases?: readonly TrainPhase[] | Readonly<Record<number, Partial<TrainPhase>>> | undefined;
    readonly data: DataSource<TrainRow<T>>;
    readonly test?: DataSource<TestRow<T>> | undefined;
    readonly domain_texts?: DataSource<RowOf<"masked-lm">> | undefined;
  };

/** A table as it was given. */
export type GivenTable = PhaseFields & {
  /** What it was given as. */
  readonly name: string;
};

/** @throws OPTION_INVALID naming what does not fit */
export function phaseDataOf(given: unknown, name: string): GivenTable {
  const fields = isDataSource(given) ? { data: given } : given;
  return { ...parseOptions(phaseDataSchema, fields, name), name };
}

const runSchema = z.strictObject({
  /** The store that the version is published into; made when missing. @default "./models" */
  out: pathSchema.default("./models"),
  /** Worker threads, 1 to 256. They decide how long it takes, never what comes out. @default all cores */
  threads: threadsSchema.optional(),
  /** Moved to the new version. @default "champion" */
  alias: aliasSchema.default("champion"),
  /** Go on from the last checkpoint of this recipe, if there is one. @default false */
  resume: z.boolean().default(false),
  /** Seconds between checkpoints. @default 30 */
  checkpointSeconds: z.number().min(1).max(86_400).default(30),
  /** Report the SHA-256 of weights and optimizer state after every step. Slow. @default false */
  digests: z.boolean().default(false),
  /** With `test`: also train a linear model and measure it on the same split. @default false */
  baseline: z.boolean().default(false),
  /**
   * Functions of weights of shards, by name: of each phase whose recipe has `shard_weights: { function: NAME }`. Called
   * on this thread once a step. @default none
   */
  shardWeights: z
    .record(
      z.string(),
      z.custom<ShardWeightFunction>((value) => typeof value === "function", "expected a function"),
    )
    .optional(),
  /** Aborting saves a checkpoint and throws CANCELLED. */
  signal: signalSchema,
  onProgress: callbackSchema<(event: TrainProgress) => void>(),
});
export type TrainOptions = Readonly<z.input<typeof runSchema>>;

/** What is done beside the phases of the training itself. */
export type Stage = "read" | "tokenizer" | "encode" | "teacher" | "calibrate" | "test" | "baseline" | "publish";
export type TrainProgress =
  | { readonly kind: "stage"; readonly stage: Stage }
  /** What the training's phases are called, in order; `phase` of later events is one of them. Said first. */
  | { readonly kind: "plan"; readonly phases: readonly string[] }
  /** Where phases have tables of their own, each of all tables; `phases` read it, `texts` are trained on. */
  | {
      readonly kind: "table";
      readonly phases: readonly string[];
      readonly path: string;
      readonly texts: number;
      /** Texts held out. */
      readonly validation: number;
    }
  /** Of the texts that the teacher is asked about before the first step. */
  | { readonly kind: "teacher"; readonly done: number; readonly total: number }
  | TrainingEvent;

/** @throws OPTION_INVALID with the remedy */
export function requireTrainInput(input: TrainInput, verb: string): void {
  parseOptions(filesSchema, input, `what ${verb} was given`);
}

export function resolveTrainOptions(options: TrainOptions) {
  return parseOptions(runSchema, options, "the options of train");
}
