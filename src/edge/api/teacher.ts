/**
 * Who a training learns from: a version or a folder. What a phase asks of it about whole texts is asked here, before
 * the first step, in the form that a version answers in, so that it depends on the text alone; it is kept in the run's
 * folder. What is asked of it in every step goes to the workers as weights.
 */
import { join } from "node:path";
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { matchWeights, modelParameters, type Head, type ModelConfig } from "../../language/models/index.ts";
import type { Tokenizer } from "../../language/text/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import { readEncoder, type Encoder } from "../../work/infer/index.ts";
import { Model } from "../../work/model/index.ts";
import { loadLatestCheckpoint, saveCheckpoint, type FileSystem, type NamedFiles } from "../../work/store/index.ts";
import type { Question } from "../../work/tasks/index.ts";
import {
  objectiveOf,
  recipeHash,
  trainedPhases,
  type Dataset,
  type PhaseRecipe,
  type Recipe,
  type Teacher,
} from "../../work/train/index.ts";
import { openSource } from "./source.ts";

export interface OpenedTeacher {
  readonly path: string;
  /** Its name is that of the version that it is, or would be. */
  readonly source: NamedFiles;
  readonly encoder: Encoder;
}

/** @throws as opening a version does */
export async function openTeacher(path: string, maxTokens: number): Promise<OpenedTeacher> {
  const { name, files } = await openSource(path, undefined);
  return { path, source: { name, files }, encoder: readEncoder(files, maxTokens) };
}

/** The phases with a teacher who is asked in every step; such a teacher and its student have one vocabulary. */
export function asksInSteps(recipe: Recipe): boolean {
  return trainedPhases(recipe).some(({ phase }) => isTaught(phase) && taskBefore(phase) === undefined);
}

function isTaught(phase: PhaseRecipe): boolean {
  return objectiveOf(phase).teaching?.isUsed(phase) === true;
}

function taskBefore(phase: PhaseRecipe): "classify" | "embed" | undefined {
  return objectiveOf(phase).teaching?.before(phase);
}

/** @throws OPTION_INVALID for a phase that needs a teacher where none is named, or a teacher that no phase asks */
export function requireTeacher({ phases, teacher }: Recipe): void {
  const place = phases.findIndex(isTaught);
  if ((teacher === undefined) === place < 0) return;
  if (teacher !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      "there is a teacher, and no phase that learns from it: give one the objective embedding-distillation, or a " +
        "phase that can its setting distillation",
      { teacher },
    );
  throw new LockstepError(
    "OPTION_INVALID",
    `phases.${place} (${phases[place]!.objective}) learns from a teacher; say who it is (--teacher, a version or a ` +
      "folder)",
    { place },
  );
}

export interface Student {
  readonly recipe: Recipe;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
}

/**
 * The teacher as each phase that learns from it has it, by the phase's place.
 * @throws OPTION_INVALID where the student cannot learn from it; WEIGHTS_INVALID where it lacks a head
 */
export function teachersOf(
  { recipe, config, tokenizer }: Student,
  opened: OpenedTeacher,
): Readonly<Record<number, Teacher>> {
  const { encoder } = opened;
  return Object.fromEntries(
    trainedPhases(recipe).flatMap(({ phase, place }) => {
      if (!isTaught(phase)) return [];
      if (taskBefore(phase) !== undefined) return [[place, { config: encoder.config, weights: {} }]];
      requireVocabulary(tokenizer, config, opened, phase);
      const context = { phase, config: encoder.config, pooling: encoder.pooling, labels: 0 };
      const head = objectiveOf(phase).teaching!.inSteps!.head(context);
      return [[place, { config: encoder.config, weights: weightsOf(opened, head) }]];
    }),
  );
}

function weightsOf({ encoder, path }: OpenedTeacher, head: Head): Readonly<Record<string, HostTensor<"float32">>> {
  const parameters = modelParameters(encoder.config, head);
  const { weights, missing } = matchWeights(encoder.config, parameters, encoder.tensors, encoder.unread);
  const first = missing[0];
  if (first !== undefined)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `the teacher ${path} has no tensor "${first.name}", so it has no whole head "${head.kind}" to learn from`,
      { tensor: first.name },
    );
  return Object.fromEntries([...weights].map(([name, { shape, data }]) => [name, shared(shape, data)]));
}

/** One copy for all workers. */
function shared(shape: readonly number[], data: Float32Array): HostTensor<"float32"> {
  if (data.buffer instanceof SharedArrayBuffer) return tensor("float32", shape, data);
  const copy = new Float32Array(new SharedArrayBuffer(data.byteLength));
  copy.set(data);
  return tensor("float32", shape, copy);
}

/** Its tokens have to be the student's, id for id, where it is asked about tokens. */
function requireVocabulary(
  student: Tokenizer,
  config: ModelConfig,
  { encoder, path }: OpenedTeacher,
  phase: PhaseRecipe,
): void {
  const refuse = (how: string): LockstepError =>
    new LockstepError(
      "OPTION_INVALID",
      `the student cannot learn tokens (${phase.objective}) from ${path}: ${how}; what it says of whole texts ` +
        "(classes, embeddings) can be learned with any vocabulary",
      { teacher: path },
    );
  const [own, its] = [idsOf(student), idsOf(encoder.tokenizer)];
  const other = [...its].find(([token, id]) => own.get(token) !== id) ?? [...own].find(([token]) => !its.has(token));
  if (other !== undefined) {
    const [token] = other;
    const where = (ids: ReadonlyMap<string, number>): string => String(ids.get(token) ?? "none");
    throw refuse(`its token ${JSON.stringify(token)} has the id ${where(its)}, the student's ${where(own)}`);
  }
  if (encoder.config.vocab_size !== config.vocab_size)
    throw refuse(`its table has ${encoder.config.vocab_size} rows, the student's ${config.vocab_size}`);
  if (encoder.config.max_position_embeddings < student.maxLength)
    throw refuse(
      `it reads ${encoder.config.max_position_embeddings} tokens at most, the student ${student.maxLength}; lower ` +
        "max_tokens",
    );
}

function idsOf({ files }: Tokenizer): ReadonlyMap<string, number> {
  const { model, added_tokens: added = [] } = JSON.parse(files["tokenizer.json"]) as {
    readonly model: { readonly vocab: Readonly<Record<string, number>> | readonly (readonly [string, number])[] };
    readonly added_tokens?: readonly { readonly content: string; readonly id: number }[];
  };
  const { vocab } = model;
  const ids = new Map(
    Array.isArray(vocab) ? vocab.map(([token], id) => [token as string, id] as const) : Object.entries(vocab),
  );
  for (const { content, id } of added) ids.set(content, id);
  return ids as ReadonlyMap<string, number>;
}

export interface AskOptions {
  readonly threads: number;
  /** Where answers are kept; those that are there are taken. */
  readonly folder: string;
  readonly resume: boolean;
  readonly fs: FileSystem | undefined;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (done: number, total: number) => void;
}

/** A phase before its teacher was asked. */
interface Taught {
  readonly phase: PhaseRecipe;
  readonly place: number;
  readonly dataset: Dataset;
  /** Class names by id. */
  readonly labels: readonly string[];
  /** One for each row of its table. */
  readonly questions: readonly Question<"classify">[];
}

/** Texts of the teacher at a time: between them a training can be stopped. */
const CHUNK = 512;

/**
 * The data of a phase with what the teacher says of each of its texts. @throws OPTION_INVALID where it has no answer to
 * such questions, or its classes are others; CANCELLED
 */
export async function taught(
  recipe: Recipe,
  opened: OpenedTeacher,
  { phase, place, dataset, labels, questions }: Taught,
  options: AskOptions,
): Promise<Dataset> {
  const task = taskBefore(phase);
  if (!isTaught(phase) || task === undefined) return dataset;
  const kept = await load(recipe, place, options);
  if (kept !== undefined) return { ...dataset, values: kept };
  const { source, path } = opened;
  await using model = await Model.open(source, { threads: options.threads, executor: recipe.executor });
  const { info } = model;
  if (task === "classify") requireClasses(info.task === "classify" ? info.labels : undefined, labels, path);
  if (task === "embed" && info.task !== "embed")
    throw new LockstepError(
      "OPTION_INVALID",
      `the teacher ${path} was made for ${info.task} and gives no vectors; name a model for embed`,
      { teacher: path },
    );
  const width = task === "classify" ? labels.length : info.config.hidden_size;
  const order = labels.map((label) => info.labels.indexOf(label));
  const values = new Float32Array(new SharedArrayBuffer(4 * width * questions.length));
  for (let at = 0; at < questions.length; at += CHUNK) {
    const part = questions.slice(at, at + CHUNK);
    const answers =
      task === "classify"
        ? await model.outputs("classify", part, options.signal)
        : await model.outputs("embed", part as readonly string[], options.signal);
    answers.forEach(({ outputs: [output] }, row) => {
      const numbers = task === "classify" ? order.map((its) => output![its]!) : unit(output!, info.normalize);
      values.set(numbers, (at + row) * width);
    });
    options.onProgress(at + part.length, questions.length);
  }
  await save(recipe, place, values, options);
  return { ...dataset, values };
}
function requireClasses(its: readonly string[] | undefined, own: readonly string[], path: string): void {
  if (its === undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `the teacher ${path} was not made to tell classes apart; name a version for classify`,
      { teacher: path },
    );
  const unknown = own.filter((label) => !its.includes(label));
  const more = its.filter((label) => !own.includes(label));
  if (unknown.length + more.length === 0) return;
  const listed = (labels: readonly string[]): string =>
    labels
      .slice(0, 5)
      .map((label) => JSON.stringify(label))
      .join(", ") + (labels.length > 5 ? ` and ${labels.length - 5} more` : "");
  throw new LockstepError(
    "OPTION_INVALID",
    `the classes of the teacher ${path} are not those of the data: ` +
      [
        ...(unknown.length === 0 ? [] : [`it does not know ${listed(unknown)}`]),
        ...(more.length === 0 ? [] : [`the data has no ${listed(more)}`]),
      ].join("; "),
    { teacher: path, unknown: unknown.slice(0, 20), more: more.slice(0, 20) },
  );
}

function unit(vector: Float32Array, normalize: boolean): Float32Array {
  if (!normalize) return vector;
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return length === 0 ? vector : vector.map((x) => x / length);
}

const folderOf = ({ folder }: AskOptions, place: number): string => join(folder, `teacher-${place}`);

async function load(recipe: Recipe, place: number, options: AskOptions): Promise<Float32Array | undefined> {
  if (!options.resume) return undefined;
  const kept = await loadLatestCheckpoint(folderOf(options, place), options.fs).catch((thrown: unknown) => {
    if (isLockstepError(thrown) && thrown.code === "CHECKPOINT_INVALID") return undefined; // it is asked again
    throw thrown;
  });
  const bytes = kept?.buffers.get("values");
  if (bytes === undefined || (kept?.meta as { recipe?: unknown }).recipe !== recipeHash(recipe)) return undefined;
  const values = new Float32Array(new SharedArrayBuffer(bytes.byteLength));
  new Uint8Array(values.buffer).set(bytes);
  return values;
}

/** What the teacher said can be asked again: that there is no room for it stops nothing. */
async function save(recipe: Recipe, place: number, values: Float32Array, options: AskOptions): Promise<void> {
  const buffers = new Map([["values", new Uint8Array(values.buffer)]]);
  const content = { step: 0, meta: { recipe: recipeHash(recipe) }, buffers };
  await saveCheckpoint(folderOf(options, place), content, options.fs).catch((thrown: unknown) => {
    if (!isLockstepError(thrown) || thrown.code !== "DISK_FAILED") throw thrown;
  });
}
