/**
 * A recipe file: the settings of a training in two parts. `recipe` decides the trained weights and is hashed; `run`
 * says where things lie and how many threads there are. A part that is left out comes from the defaults.
 * `docs/recipe.schema.json` is made from here.
 */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { z } from "zod";
import { LockstepError, parseOptions, parseStrictJson } from "../../base/index.ts";
import { TABLE_FORMATS } from "../../language/data/index.ts";
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

const format = z.enum(TABLE_FORMATS).meta({
  description:
    "What a row of the file is: text is a paragraph, lines a line. Default: by its name and first character.",
});

/** Of a phase's own table. */
const phasePart = z
  .strictObject({
    data: pathSchema.meta({ description: "File that this phase reads in place of run.data." }),
    text: column.meta({ description: "Its column of the text." }),
    label: column.meta({ description: "Its column of the label." }),
    columns: columnsSchema.meta({ description: "Its further columns, by what they hold." }),
    format,
  })
  .partial();

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
    format,
    domain_texts: pathSchema.meta({
      description:
        "Texts of a domain, without labels: what each phase before the last reads that reads texts alone. " +
        "Default: all phases read run.data.",
    }),
    phases: z
      .record(z.string().regex(/^(0|[1-9][0-9]?)$/, "expected the place of a phase, from 0"), phasePart)
      .meta({ description: "Tables of phases by their places, from 0, where they have their own." }),
    test: pathSchema.meta({ description: "Table to measure the published version on." }),
    from: pathSchema.meta({
      description: "BERT folder in the Hugging Face layout, or a store, to fine-tune. Default: from nothing.",
    }),
    teacher: pathSchema.meta({
      description: "A version's folder, a store, or a model folder that phases learn from. Default: none.",
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
  const phases = Object.entries(run.phases ?? {}).map(([place, own]) => [
    place,
    own.data === undefined ? own : { ...own, data: seen(own.data) },
  ]);
  return {
    ...run,
    ...(run.phases === undefined ? {} : { phases: Object.fromEntries(phases) as NonNullable<typeof run.phases> }),
    ...Object.fromEntries(
      (["data", "domain_texts", "test", "from", "teacher", "out"] as const).flatMap((key) =>
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
  const resolved = resolveRecipe(
    {
      ...recipe,
      ...(run.from === undefined ? {} : { from: recipe.from ?? NO_HASH }),
      ...(run.teacher === undefined ? {} : { teacher: recipe.teacher ?? NO_HASH }),
    },
    { adapts: run.domain_texts !== undefined },
  );
  const saidByFiles = new Set<string>([
    ...(recipe.from === undefined ? ["from"] : []),
    ...(recipe.teacher === undefined ? ["teacher"] : []),
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
 * @throws OPTION_INVALID without data, or where a phase's own table is not said; WEIGHTS_INVALID where the weights are
 * not those that the recipe names
 */
export async function trainArguments({
  recipe = {},
  run = {},
}: RecipeFile): Promise<{ readonly input: TrainInput; readonly options: TrainOptions }> {
  const { data: expectedData, from: expectedFrom, teacher: expectedTeacher, phases: _phases, ...settings } = recipe;
  const { data, domain_texts, test, from, teacher } = run;
  const {
    text = expectedData?.text,
    label = expectedData?.label,
    columns = given(expectedData?.columns ?? {}),
    format = expectedData?.format,
  } = run;
  if (data === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      "there is no table to train on; name it with --data, or as run.data in the recipe file",
    );
  const options = runOptions(run);
  resolveTrainOptions(options);
  if (expectedFrom !== undefined) await requireEncoder(from, expectedFrom);
  if (expectedTeacher !== undefined) await requireTeacherHash(teacher, expectedTeacher);
  const sha256 = expectedData?.sha256;
  const table = { text, label, columns, format, sha256 };
  const fields = { ...table, phases: phasesOf(recipe, run), domain_texts, test, from, teacher };
  return { input: { ...settings, data, ...given(fields) } as TrainInput, options };
}

/** The recipe's phases, with the tables that the run says they have; a hash that the recipe has is held to. */
function phasesOf({ phases }: RecipeInput, { phases: own = {}, domain_texts }: RunSettings): unknown {
  const beyond = Object.keys(own).find((place) => Array.isArray(phases) && !(Number(place) in phases));
  if (beyond !== undefined)
    throw new LockstepError("OPTION_INVALID", `run.phases.${beyond}: the recipe has no phase at that place`, {
      place: beyond,
    });
  const tables = Object.fromEntries(Object.entries(own).map(([place, table]) => [place, { data: table }]));
  const merged = mergeSettings(phases, Object.keys(own).length === 0 ? undefined : tables);
  const located = (phase: unknown, place: string): unknown => {
    const data = isRecord(phase) ? phase["data"] : undefined;
    if (!isRecord(data) || data["data"] !== undefined) return phase;
    if (domain_texts !== undefined) return { ...(phase as object), data: { ...data, data: domain_texts } };
    throw new LockstepError(
      "OPTION_INVALID",
      `the phase at ${place} has texts of its own; say where they are with --domain-texts, with --phase ` +
        `${place}.data=FILE, or as run.phases.${place}.data in the recipe file`,
      { place },
    );
  };
  if (Array.isArray(merged)) return merged.map((phase, place) => located(phase, String(place)));
  return isRecord(merged)
    ? Object.fromEntries(Object.entries(merged).map(([place, phase]) => [place, located(phase, place)]))
    : merged;
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

async function requireTeacherHash(path: string | undefined, expected: string): Promise<void> {
  const actual = path === undefined ? undefined : (await openSource(path, undefined)).name;
  if (actual === expected) return;
  throw new LockstepError(
    "OPTION_INVALID",
    actual === undefined
      ? `the recipe learns from the teacher ${expected.slice(0, 12)}…; say where it is with --teacher, or as ` +
          "run.teacher in the recipe file"
      : `${path} is the version ${actual.slice(0, 12)}…, and recipe.teacher says ${expected.slice(0, 12)}…`,
    { path: path ?? null, actual: actual ?? null, expected },
  );
}

/** The text of `docs/recipe.schema.json`. */
export function recipeJsonSchema(): string {
  return `${JSON.stringify(z.toJSONSchema(recipeFileSchema, { io: "input" }), null, 2)}\n`;
}
