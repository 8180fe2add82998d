/**
 * What each phase of a training reads: the training table, which the last phase has, or a table of its own. Files or
 * rows of a program; each is read once, and what it was goes into the recipe by its hash.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { isLockstepError, LockstepError, seedFrom } from "../../base/index.ts";
import {
  READINGS,
  ROLES,
  readRows,
  readTable,
  splitByHash,
  splitKey,
  type Reading,
  type Role,
  type RoleChoices,
  type Split,
  type Table,
} from "../../language/data/index.ts";
import {
  defaultValidationFraction,
  objectiveOf,
  phaseNames,
  trainedPhases,
  type Recipe,
  type RecipeInput,
} from "../../work/train/index.ts";
import { phaseDataOf, type GivenTable, type TrainInput } from "./train-options.ts";

/** A table that is trained on, and who reads it. */
export interface TrainingTable {
  readonly table: Table;
  /** Names of the phases that read it; those without epochs have none. */
  readonly phases: readonly string[];
  /** Of the last of them. */
  readonly reading: Reading;
  readonly texts: readonly string[];
  readonly fraction: number;
  readonly split: Split;
}

/** By the places of the recipe's phases; those without a table of their own share the last one's. */
export type TrainingTables = readonly TrainingTable[];

const MINIMUM_EXAMPLES = 8;
/** What the training table is called among what was given. */
const MAIN = "data";

/** What `train` is given beside settings of the recipe. */
const NO_SETTINGS: ReadonlySet<string> = new Set([
  "data",
  "text",
  "label",
  "columns",
  "format",
  "sha256",
  "domain_texts",
  "from",
  "teacher",
  "test",
] satisfies readonly (keyof TrainInput)[]);

/** Settings with a number in place of each phase's own table, and the tables by that number. */
export function takeTables(input: TrainInput): { readonly settings: RecipeInput; readonly given: readonly unknown[] } {
  const settings = Object.entries(input).filter(([key]) => !NO_SETTINGS.has(key) && key !== "phases");
  const { phases } = input;
  const given: unknown[] = [];
  const take = (phase: unknown): unknown => {
    if (!isRecord(phase) || phase["data"] === undefined) return phase;
    given.push(phase["data"]);
    return { ...phase, data: { sha256: (given.length - 1).toString(16).padStart(64, "0") } };
  };
  const taken = Object.fromEntries(settings.map(([key, value]) => [key, take(value)]));
  const list = Array.isArray(phases)
    ? phases.map(take)
    : isRecord(phases)
      ? Object.fromEntries(Object.entries(phases).map(([place, phase]) => [place, take(phase)]))
      : phases;
  return { settings: { ...taken, ...(list === undefined ? {} : { phases: list }) } as RecipeInput, given };
}

/** Tables of phases by their places. @throws OPTION_INVALID for one that no phase would be trained on */
export function ownTables(
  { phases }: Recipe,
  given: readonly unknown[],
  domainTexts: TrainInput["domain_texts"],
): ReadonlyMap<number, GivenTable> {
  const last = phases.length - 1;
  const own = new Map<number, GivenTable>();
  phases.forEach(({ data, epochs }, place) => {
    if (data?.sha256 === undefined) return;
    const name = `phases.${place}.data`;
    const table = phaseDataOf(given[Number.parseInt(data.sha256, 16)], name);
    if (place === last)
      throw new LockstepError("OPTION_INVALID", `${name}: the last phase reads the training table; name it as data`);
    if (epochs === 0)
      throw new LockstepError("OPTION_INVALID", `${name} is named, and the phase has no epochs; give it some`);
    own.set(place, table);
  });
  if (domainTexts === undefined) return own;
  const table = phaseDataOf(domainTexts, "domain_texts");
  const readers = phases.flatMap((phase, place) =>
    place < last && phase.epochs > 0 && !own.has(place) && objectiveOf(phase).reading === "text" ? [place] : [],
  );
  // one that says more of them, such as their format, has them already
  if (readers.length === 0 && ![...own.values()].some(({ data }) => data === domainTexts))
    throw new LockstepError(
      "OPTION_INVALID",
      "domain_texts is named, and no phase before the last reads texts alone; begin with one that does, such as " +
        "masked-lm or causal-lm, with at least one epoch",
    );
  for (const place of readers) own.set(place, table);
  return own;
}

interface Reader {
  readonly name: string | undefined;
  readonly reading: Reading;
}

/** Reads them all, the training table first, and splits them. @throws naming the phase whose own table it is */
export async function readTables(
  asked: Recipe,
  input: TrainInput,
  own: ReadonlyMap<number, GivenTable>,
  { fraction, signal }: { readonly fraction: number | undefined; readonly signal: AbortSignal | undefined },
): Promise<TrainingTables> {
  const called = new Map(trainedPhases(asked).map(({ place }, index) => [place, phaseNames(asked)[index]]));
  const readers = asked.phases.map((phase, place) => ({
    name: called.get(place),
    reading: READINGS[objectiveOf(phase).reading],
  }));
  const seed = seedFrom(asked.seed);
  const read = async (given: GivenTable, of: readonly Reader[]): Promise<TrainingTable> => {
    const { reading } = of.at(-1)!;
    const table = await openTable(
      given,
      of.map((one) => one.reading),
      signal,
    );
    const texts = reading.texts(table);
    const share = given.validation_fraction ?? fraction ?? defaultValidationFraction(texts.length);
    const split = splitByHash(texts, { fraction: share, seed });
    if (split.train.length < MINIMUM_EXAMPLES)
      throw new LockstepError(
        "DATA_INVALID",
        `${table.path} leaves ${split.train.length} texts to train on after the validation split; at least ` +
          `${MINIMUM_EXAMPLES} are needed`,
        { path: table.path, texts: split.train.length },
      );
    return { table, phases: of.flatMap(({ name }) => name ?? []), reading, texts, fraction: share, split };
  };
  const { data, text, label, columns, format, sha256 } = input;
  const main = await read(
    { data, text, label, columns, format, sha256, name: MAIN },
    readers.filter((_, place) => !own.has(place)),
  );
  const tables: TrainingTable[] = readers.map(() => main);
  const known = new Map<GivenTable, TrainingTable>();
  for (const [place, given] of own) {
    const sharing = readers.filter((_, other) => own.get(other) === given);
    const made = known.get(given) ?? (await inPhase(readers[place]!.name, () => read(given, sharing)));
    known.set(given, made);
    tables[place] = made;
  }
  return tables;
}

/** What goes wrong with a phase's own table is said with the phase. */
export async function inPhase<T>(name: string | undefined, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (name === undefined || !isLockstepError(thrown) || thrown.code === "CANCELLED") throw thrown;
    const { code, message, details } = thrown;
    throw new LockstepError(code, `${name}: ${message}`, { ...details, phase: name }, { cause: thrown });
  }
}

/** What the recipe says of a table. */
export function factsOf({ sha256, columns: { text, label, roles } }: Table) {
  return {
    sha256,
    text,
    ...(label === undefined ? {} : { label }),
    ...(Object.keys(roles).length === 0 ? {} : { columns: roles }),
  };
}

/** The recipe with what its phases' own tables were. */
export function recordTables(recipe: Recipe, tables: TrainingTables, own: ReadonlySet<number>): Recipe {
  const phases = recipe.phases.map((phase, place) => {
    if (!own.has(place)) return phase;
    const { table, fraction } = tables[place]!;
    return { ...phase, data: { ...factsOf(table), format: table.format, validation_fraction: fraction } };
  });
  return Object.freeze({ ...recipe, phases });
}

/** Those that a tokenizer is trained on: the training texts of all phases, each table once. */
export function tokenizerTexts(tables: TrainingTables): readonly string[] {
  const distinct = new Map(tables.map((one) => [JSON.stringify(factsOf(one.table)), one]));
  return [...distinct.values()].flatMap(({ texts, split }) => split.train.map((row) => texts[row]!));
}

/** Texts held out of the last phase's table that an earlier phase is trained on. */
export function seenBefore(tables: TrainingTables): string[] {
  const main = tables.at(-1)!;
  const held = new Set(main.split.validation.map((row) => splitKey(main.texts[row]!)));
  return [...new Set(tables)].flatMap(({ table, phases, texts, split }) => {
    if (table === main.table) return [];
    const seen = split.train.filter((row) => held.has(splitKey(texts[row]!))).length;
    return seen === 0
      ? []
      : [
          `${seen} of the texts of ${table.path} (${phases.join(", ")}) are held out of ${main.table.path}: what is ` +
            "measured there is not of texts that were never seen",
        ];
  });
}

async function openTable(given: GivenTable, readings: readonly Reading[], signal?: AbortSignal): Promise<Table> {
  const { data, name, format, sha256 } = given;
  const chosen = columnsFor(readings, given);
  if (name !== MAIN && given.label !== undefined && chosen.label === false)
    throw new LockstepError("OPTION_INVALID", `${name}.label is named, and the phase reads none; leave it out`, {
      field: "label",
    });
  if (typeof data === "string") {
    if (sha256 !== undefined) requireHash(data, "file", await hashOf(data), sha256);
    return await readTable(data, { ...chosen, ...(format === undefined ? formatOf(readings, data) : { format }) });
  }
  const misplaced = (["text", "label", "columns", "format"] as const).find((field) => given[field] !== undefined);
  if (misplaced !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `${misplaced} is named, and ${name} is rows, whose fields are text, label, ${ROLES.join(", ")}; leave it out`,
      { field: misplaced },
    );
  const { roles, textNames } = chosen;
  const table = await readRows(data, { name, label: chosen.label !== false, roles, textNames, signal });
  if (sha256 !== undefined) requireHash(name, "rows", table.sha256, sha256);
  return table;
}

function requireHash(path: string, kind: "file" | "rows", actual: string, expected: string): void {
  if (actual === expected) return;
  throw new LockstepError(
    "DATA_INVALID",
    `${path} is not the ${kind} that the recipe was made for: the SHA-256 is ${actual}, and ${expected} was ` +
      `expected; give the ${kind} of then, or take the hash out`,
    { path, actual, expected },
  );
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash).catch((error: NodeJS.ErrnoException) => {
    throw new LockstepError(
      error.code === "ENOENT" ? "NOT_FOUND" : "DATA_INVALID",
      `cannot read ${path}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      { path },
      { cause: error },
    );
  });
  return hash.digest("hex");
}

/** A .txt file is paragraphs where texts alone are read, otherwise a table like any other. */
function formatOf(readings: readonly Reading[], path: string): { readonly format?: "text" } {
  const isAlone = readings.every(({ label, roles }) => !label && !Object.values(roles).includes("needed"));
  return isAlone && /\.txt$/i.test(path) ? { format: "text" } : {};
}

type Columns = Pick<TrainInput, "text" | "label" | "columns">;

/** What is to be read of a table for all phases together. */
export function columnsFor(
  readings: readonly Reading[],
  { text, label, columns = {} }: Columns,
): {
  readonly text?: string;
  readonly textNames: readonly string[];
  readonly label?: string | false;
  readonly roles: RoleChoices;
} {
  const roles: Partial<Record<Role, RoleChoices[Role]>> = {};
  for (const role of ROLES) {
    const needs = readings.flatMap(({ roles: own }) => own[role] ?? []);
    const name = columns[role];
    if (needs.length === 0 && name !== undefined)
      throw new LockstepError("OPTION_INVALID", `columns.${role} is named, and no phase reads one`, { role });
    const need = (["needed", "guessed", "named"] as const).find((one) => needs.includes(one));
    if (need !== undefined) roles[role] = { name, need };
  }
  const hasLabel = readings.some((reading) => reading.label);
  return {
    ...(text === undefined ? {} : { text }),
    textNames: readings.findLast(({ textNames }) => textNames !== undefined)?.textNames ?? [],
    ...(hasLabel ? (label === undefined ? {} : { label }) : { label: false as const }),
    roles,
  };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
