/** What `train` takes: a table and a recipe, and how to run them. Types come from the schemas. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { ROLES } from "../../language/data/index.ts";
import type { RecipeInput, ShardWeightFunction, TrainingEvent } from "../../work/train/index.ts";
import { aliasSchema, callbackSchema, pathSchema, signalSchema, threadsSchema } from "./options.ts";

const table = (error: string) => z.string({ error }).min(1).max(4096);
const column = z.string().min(1).optional();

export const columnsSchema = z.partialRecord(z.enum(ROLES), z.string().min(1));

/** The files and columns; the recipe's own fields are checked with it. */
const filesSchema = z.looseObject({
  /** A CSV or JSON-lines file of texts and labels. */
  data: table("expected the path of a table; write the rows into a .csv or .jsonl file"),
  /** Column of the text. @default the first of text, sentence, question … that there is */
  text: column,
  /** Column of the label. @default the first of label, intent, category, class … that there is */
  label: column,
  /** Further columns, by what they hold. @default those of the usual names, where an objective needs them */
  columns: columnsSchema.optional(),
  /** A model folder in the Hugging Face layout, or a store, to fine-tune. @default none: from nothing */
  from: pathSchema.optional(),
  /** A table to measure the published version on. @default none */
  test: table("expected the path of a table").optional(),
});
type Files = {
  readonly [K in "data" | "text" | "label" | "columns" | "from" | "test"]: z.input<typeof filesSchema>[K];
};

/** The recipe's fields (see `recipeSchema`), with files in place of their hashes. */
export type TrainInput = Omit<RecipeInput, "data" | "from"> & Partial<Files> & Pick<Files, "data">;

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
export type Stage = "read" | "tokenizer" | "encode" | "calibrate" | "test" | "baseline" | "publish";
export type TrainProgress =
  | { readonly kind: "stage"; readonly stage: Stage }
  /** What the training's phases are called, in order; `phase` of later events is one of them. Said first. */
  | { readonly kind: "plan"; readonly phases: readonly string[] }
  | TrainingEvent;

/** @throws OPTION_INVALID with the remedy */
export function requireTrainInput(input: TrainInput, verb: string): void {
  parseOptions(filesSchema, input, `what ${verb} was given`);
}

export function resolveTrainOptions(options: TrainOptions) {
  return parseOptions(runSchema, options, "the options of train");
}
