/** What `train` takes: a table and a recipe, and how to run them. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import type { RecipeInput, TrainingEvent } from "../../work/train/index.ts";
import { aliasSchema, callbackSchema, pathSchema, signalSchema, threadsSchema } from "./options.ts";

/** The recipe's fields (see `recipeSchema`), with files in place of their hashes. */
export interface TrainInput extends Omit<RecipeInput, "data" | "from"> {
  /** A CSV or JSON-lines file of texts and labels. */
  readonly data: string;
  /** Column of the text. @default the first of text, sentence, question … that there is */
  readonly text?: string | undefined;
  /** Column of the label. @default the first of label, intent, category, class … that there is */
  readonly label?: string | undefined;
  /** A BERT folder in the Hugging Face layout, or a store, to fine-tune. @default none: from nothing */
  readonly from?: string | undefined;
  /** A table to measure the published version on. @default none */
  readonly test?: string | undefined;
}

const runSchema = z.strictObject({
  out: pathSchema.default("./models"),
  threads: threadsSchema.optional(),
  alias: aliasSchema.default("champion"),
  resume: z.boolean().default(false),
  checkpointSeconds: z.number().min(1).max(86_400).default(30),
  digests: z.boolean().default(false),
  baseline: z.boolean().default(false),
  signal: signalSchema,
  onProgress: callbackSchema<(event: TrainProgress) => void>(),
});

export interface TrainOptions {
  /** The store that the version is published into; made when missing. @default "./models" */
  readonly out?: string | undefined;
  /** Worker threads, 1 to 256. They decide how long it takes, never what comes out. @default all cores */
  readonly threads?: number | undefined;
  /** Moved to the new version. @default "champion" */
  readonly alias?: string | undefined;
  /** Go on from the last checkpoint of this recipe, if there is one. @default false */
  readonly resume?: boolean | undefined;
  /** Seconds between checkpoints. @default 30 */
  readonly checkpointSeconds?: number | undefined;
  /** Report the SHA-256 of weights and optimizer state after every step. Slow. @default false */
  readonly digests?: boolean | undefined;
  /** With `test`: also train a linear model and measure it on the same split. @default false */
  readonly baseline?: boolean | undefined;
  /** Aborting saves a checkpoint and throws CANCELLED. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((event: TrainProgress) => void) | undefined;
}

export type Stage =
  "read" | "tokenizer" | "encode" | "pretrain" | "finetune" | "calibrate" | "test" | "baseline" | "publish";
export type TrainProgress = { readonly kind: "stage"; readonly stage: Stage } | TrainingEvent;

/** The files and columns; the recipe's own fields are checked with it. */
const filesSchema = z.looseObject({
  data: z.string({ error: "expected the path of a table; write the rows into a .csv or .jsonl file" }).min(1).max(4096),
  text: z.string().min(1).optional(),
  label: z.string().min(1).optional(),
  from: pathSchema.optional(),
  test: z.string({ error: "expected the path of a table" }).min(1).max(4096).optional(),
});

/** @throws OPTION_INVALID with the remedy */
export function requireTrainInput(input: TrainInput, verb: string): void {
  parseOptions(filesSchema, input, `what ${verb} was given`);
}

export function resolveTrainOptions(options: TrainOptions) {
  return parseOptions(runSchema, options, "the options of train");
}
