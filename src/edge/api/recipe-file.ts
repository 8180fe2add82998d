/**
 * A recipe file: the settings of a training in two parts. `recipe` decides the trained weights and is hashed; `run`
 * says where things lie and how many threads there are. A part that is left out comes from the defaults.
 * `docs/recipe.schema.json` is made from here.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { LockstepError, parseOptions, parseStrictJson } from "../../base/index.ts";
import { digestTensors } from "../../numeric/tensor/index.ts";
import { readEncoder } from "../../work/infer/index.ts";
import {
  mergeSettings,
  phaseInputSchema,
  recipeSchema,
  resolveRecipe,
  taskSchema,
  upgradeRecipe,
  type RecipeInput,
} from "../../work/train/index.ts";
import { aliasSchema, defaultThreads, pathSchema, threadsSchema } from "./options.ts";
import { openSource } from "./source.ts";
import { columnsSchema, resolveTrainOptions, type TrainInput, type TrainOptions } from "./train-options.ts";

/** Where an editor finds the schema in a project that has the package installed. */
export const RECIPE_SCHEMA_PATH = "./node_modules/lockstep/docs/recipe.schema.json";

const column = z.string().min(1);

const runPart = z
  .strictObject({
    data: pathSchema.meta({
      description: "CSV or JSON-lines file of texts and labels. Paths are relative to the recipe file's folder.",
    }),
    text: column.meta({
      description: "Column of the text. Default: the first of text, sentence, question … that there is.",
    }),
    label: column.meta({
      description: "Column of the label. Default: the first of label, intent, category, class … that there is.",
    }),
    columns: columnsSchema.meta({ description: "Further columns, by what they hold." }),
    test: pathSchema.meta({ description: "Table to measure the published version on." }),
    from: pathSchema.meta({
      description: "BERT folder in the Hugging Face layout, or a store, to fine-tune. Default: from nothing.",
    }),
    out: pathSchema.meta({
      description: "Store that the version is published into; made when missing. Default: ./models.",
    }),
    alias: aliasSchema.meta({ description: "Moved to the new version. Default: champion." }),
    threads: threadsSchema.meta({
      description: "Worker threads. They decide how long it takes, never what comes out. Default: all cores.",
    }),
    resume: z
      .boolean()
      .meta({ description: "Go on from the last checkpoint of this recipe, if there is one. Default: false." }),
    checkpoint_seconds: z
      .number()
      .min(1)
      .max(86_400)
      .meta({ description: "Seconds between checkpoints. Default: 30." }),
    baseline: z
      .boolean()
      .meta({ description: "With test: also train a linear model and measure it on the same split. Default: false." }),
  })
  .partial();

/** Any part of a recipe: only what has no default of its own must be made optional. */
const recipePart = recipeSchema.extend({
  task: taskSchema.optional().meta({
    description: "What the version is to answer: chooses the phases where none are given. Default: classify.",
  }),
  phases: z.array(phaseInputSchema).min(1).optional(),
});

export const recipeFileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    recipe: recipePart
      .optional()
      .meta({ description: "Everything that decides the trained weights; it is hashed, and kept in the version." }),
    run: runPart.optional().meta({
      description:
        "One execution: where things lie and how many threads there are. It decides nothing about the weights.",
    }),
  })
  .meta({ title: "Lockstep recipe" });

export type RunSettings = z.infer<typeof runPart>;

export interface RecipeFile {
  readonly $schema?: string | undefined;
  readonly recipe?: RecipeInput | undefined;
  readonly run?: RunSettings | undefined;
}

/**
 * `warn` is told of a file of before recipes had `phases`: it is read, and means what it meant.
 * @throws NOT_FOUND; OPTION_INVALID naming each field that is unknown or out of range
 */
export async function readRecipeFile(path: string, warn: (message: string) => void = () => {}): Promise<RecipeFile> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(
      error.code === "ENOENT" ? "NOT_FOUND" : "OPTION_INVALID",
      `cannot read the recipe file ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      { path },
      { cause: error },
    );
  });
  const value = parseStrictJson(text, {
    what: path,
    code: "OPTION_INVALID",
    largeNumbers: "refuse",
    details: { path },
  });
  const { recipe, run } = checkRecipeFile(value, path, warn);
  return {
    ...(recipe === undefined ? {} : { recipe }),
    ...(run === undefined ? {} : { run: inFolder(run, dirname(path)) }),
  };
}

/**
 * `value` as it is, but for phases as they were written before: the schema's own defaults stay out, since a preset or a
 * file below this one may say something else.
 */
export function checkRecipeFile(value: unknown, what: string, warn: (message: string) => void = () => {}): RecipeFile {
  const old = isRecord(value) && isRecord(value["recipe"]) ? upgradeRecipe(value["recipe"]) : undefined;
  parseOptions(recipeFileSchema, old === undefined ? value : { ...(value as object), recipe: old.listed }, what);
  if (old === undefined) return value as RecipeFile;
  warn(`${what} ${old.message}; --print-recipe writes it anew`);
  return { ...(value as RecipeFile), recipe: old.recipe };
}

/** Seen from here instead of from the file's folder. */
function inFolder(run: RunSettings, folder: string): RunSettings {
  const seen = (path: string): string =>
    isAbsolute(path) ? path : relative(process.cwd(), resolve(folder, path)) || ".";
  return {
    ...run,
    ...Object.fromEntries(
      (["data", "test", "from", "out"] as const).flatMap((key) =>
        run[key] === undefined ? [] : [[key, seen(run[key])]],
      ),
    ),
  };
}

/** `over` wins, field by field. */
export function mergeRecipeFiles(over: RecipeFile, under: RecipeFile): RecipeFile {
  return mergeSettings(under, over) as RecipeFile;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The whole file with every default in its place: trains the same as what it was made from. What only the files can say
 * (their hashes; the pooling of an encoder to start from) stays out unless it was given.
 */
export function completeRecipeFile({ recipe = {}, run = {} }: RecipeFile): RecipeFile {
  const NO_HASH = "0".repeat(64);
  const resolved = resolveRecipe({ ...recipe, ...(run.from === undefined ? {} : { from: recipe.from ?? NO_HASH }) });
  const saidByFiles = new Set<string>([
    ...(recipe.from === undefined ? ["from"] : []),
    ...(run.from === undefined
      ? []
      : (["pooling", "model", "tokenizer"] as const).filter((key) => recipe[key] === undefined)),
  ]);
  const complete = Object.fromEntries(Object.entries(resolved).filter(([key]) => !saidByFiles.has(key))) as RecipeInput;
  const {
    out,
    alias,
    resume,
    checkpointSeconds,
    baseline,
    threads = defaultThreads(),
  } = resolveTrainOptions(runOptions(run));
  return {
    $schema: RECIPE_SCHEMA_PATH,
    recipe: complete,
    run: { ...run, out, alias, resume, checkpoint_seconds: checkpointSeconds, baseline, threads },
  };
}

/**
 * What `train` takes. A recipe that names the hash of its data or of the weights it starts from is held to them.
 * @throws OPTION_INVALID without data; DATA_INVALID, WEIGHTS_INVALID where a file is not the one that the recipe names
 */
export async function trainArguments({
  recipe = {},
  run = {},
}: RecipeFile): Promise<{ readonly input: TrainInput; readonly options: TrainOptions }> {
  const { data: expectedData, from: expectedFrom, ...settings } = recipe;
  const { data, test, from } = run;
  const { text = expectedData?.text, label = expectedData?.label, columns = given(expectedData?.columns ?? {}) } = run;
  if (data === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      "there is no table to train on; name it with --data, or as run.data in the recipe file",
    );
  const options = runOptions(run);
  resolveTrainOptions(options);
  if (expectedData?.sha256 !== undefined) await requireData(data, expectedData.sha256);
  if (expectedFrom !== undefined) await requireEncoder(from, expectedFrom);
  return { input: { ...settings, data, ...given({ text, label, columns, test, from }) }, options };
}

function runOptions({
  out,
  alias,
  threads,
  resume,
  checkpoint_seconds: checkpointSeconds,
  baseline,
}: RunSettings): TrainOptions {
  return given({ out, alias, threads, resume, checkpointSeconds, baseline });
}

/** Without what is undefined. */
function given<T extends Record<string, unknown>>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

async function requireData(path: string, expected: string): Promise<void> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash).catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(
      error.code === "ENOENT" ? "NOT_FOUND" : "DATA_INVALID",
      `cannot read ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      { path },
      { cause: error },
    );
  });
  const actual = hash.digest("hex");
  if (actual !== expected)
    throw new LockstepError(
      "DATA_INVALID",
      `${path} is not the file that the recipe was made for: its SHA-256 is ${actual}, and recipe.data.sha256 ` +
        `says ${expected}; give that file, or take recipe.data out`,
      { path, actual, expected },
    );
}

async function requireEncoder(path: string | undefined, expected: string): Promise<void> {
  if (path === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `the recipe starts from the weights ${expected.slice(0, 12)}…; say where they are with --from, or as ` +
        "run.from in the recipe file",
      { expected },
    );
  const { files } = await openSource(path, undefined);
  const actual = digestTensors(readEncoder(files, 512).tensors);
  if (actual !== expected)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `${path} has other weights than the recipe starts from: ${actual.slice(0, 12)}…, and recipe.from says ` +
        `${expected.slice(0, 12)}…`,
      { path, actual, expected },
    );
}

/** The text of `docs/recipe.schema.json`. */
export function recipeJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(recipeFileSchema, { io: "input" }), null, 2)}\n`;
}
