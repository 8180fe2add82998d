/** From a table to what training needs: labels, split, tokenizer, token ids, and the encoder to start from. */
import { canonicalJson, LockstepError } from "../../base/index.ts";
import { labelIds, labelWarnings, READINGS, type Reading, type Split, type Table } from "../../language/data/index.ts";
import {
  familyTextLayout,
  matchWeights,
  modelParameters,
  newModelConfig,
  withDropout,
  type ModelConfig,
} from "../../language/models/index.ts";
import { presentExecutor, type ServingExecutor } from "../../numeric/runtime/index.ts";
import { loadTokenizer, openTokenizer, requireOwnTokenizer, type Tokenizer } from "../../language/text/index.ts";
import { digestTensors, type HostTensor } from "../../numeric/tensor/index.ts";
import { readEncoder, type Encoder } from "../../work/infer/index.ts";
import {
  objectiveOf,
  phaseNames,
  recordShards,
  requireTask,
  requireWeightFunctions,
  resolveRecipe,
  trainedPhases,
  trainTokenizer,
  type Dataset,
  type PhaseRecipe,
  type Teacher,
  type Recipe,
  type RecipeInput,
  type ShardWeightFunctions,
} from "../../work/train/index.ts";
import { openSource } from "./source.ts";
import { asksInSteps, openTeacher, requireTeacher, teachersOf, type OpenedTeacher } from "./teacher.ts";
import type { Stage, TrainInput } from "./train-options.ts";
import {
  factsOf,
  inPhase,
  ownTables,
  readTables,
  recordTables,
  seenBefore,
  takeTables,
  tokenizerTexts,
  type TrainingTable,
  type TrainingTables,
} from "./training-tables.ts";

export interface Prepared {
  readonly recipe: Recipe;
  /** Of the last phase; so are labels and split. */
  readonly table: Table;
  /** Class names by id. */
  readonly labels: readonly string[];
  /** Class of each row; empty where a text has no single one. */
  readonly labelIds: Int32Array;
  readonly split: Split;
  readonly tokenizer: Tokenizer;
  /** What each phase of the recipe is trained on. */
  readonly datasets: readonly Dataset[];
  /** Class names of each phase. */
  readonly names: readonly (readonly string[])[];
  readonly tables: TrainingTables;
  /** Who is learned from, if anybody, and how phases have it, by their places. */
  readonly teacher: OpenedTeacher | undefined;
  readonly teachers: Readonly<Record<number, Teacher>>;
  readonly config: ModelConfig;
  /** By parameter name; absent: from nothing. */
  readonly from: ReadonlyMap<string, HostTensor<"float32">> | undefined;
}

export interface PrepareOptions {
  readonly onPhases: (names: readonly string[]) => void;
  readonly onStage: (stage: Stage) => void;
  /** Told of each, where there are several. */
  readonly onTable: (table: TrainingTable) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal | undefined;
  readonly shardWeights?: ShardWeightFunctions | undefined;
}

const MINIMUM_CLASSES = 2;

/** In place of the hash of weights that are not read yet. */
const ANY_HASH = "0".repeat(64);

export async function prepare(
  input: TrainInput,
  { onPhases, onStage, onTable, warn, signal, shardWeights }: PrepareOptions,
): Promise<Prepared> {
  const { from, teacher, domain_texts: domainTexts } = input;
  const { settings, given } = takeTables(input);
  const resolve = (own: RecipeInput) => resolveRecipe({ ...settings, ...own }, { adapts: domainTexts !== undefined });
  // A wrong setting is refused before any file is read.
  const asked = resolve({
    ...(from === undefined ? {} : { from: ANY_HASH }),
    ...(teacher === undefined ? {} : { teacher: ANY_HASH }),
  });
  checkSettings(asked);
  requireWeightFunctions(asked, shardWeights);
  const own = ownTables(asked, given, domainTexts);
  onPhases(phaseNames(asked));
  onStage("read");
  const executor = await chooseExecutor(settings.executor, warn);
  const tables = await readTables(asked, input, own, { fraction: settings.validation_fraction ?? undefined, signal });
  const main = tables.at(-1)!;
  const { table, split, reading } = main;
  const labels = reading.names(table);
  const ids = reading.label ? labelIds(table.labels ?? [], labels, table) : new Int32Array(0);
  const encoder = from === undefined ? undefined : await openEncoder(from, settings);
  const opened = teacher === undefined ? undefined : await openTeacher(teacher, asked.max_tokens);
  // What is trained is measured and served in the same profile.
  if (executor === "portable") requireOwnTokenizer((encoder ?? opened?.encoder)?.tokenizer.library);
  const resolved = resolve({
    executor,
    validation_fraction: main.fraction,
    data: { ...factsOf(table), ...(input.format === undefined ? {} : { format: input.format }) },
    ...(encoder === undefined
      ? {}
      : { from: digestTensors(encoder.tensors), pooling: settings.pooling ?? encoder.pooling }),
    ...(opened === undefined ? {} : { teacher: opened.source.name }),
  });
  const recipe = recordTables(resolved, tables, new Set(own.keys()));
  if (reading.label) for (const message of labelWarnings(labels, ids, split.train)) warn(message);
  for (const message of seenBefore(tables)) warn(message);
  if (own.size > 0) for (const one of new Set(tables)) onTable(one);

  onStage("tokenizer");
  const tokenizer = recipe.phases.reduce(
    (so, phase) => readingOf(phase).tokenizer?.(so) ?? so,
    encoder?.tokenizer ??
      teacherTokenizer(recipe, opened) ??
      (await newTokenizer(recipe, tokenizerTexts(tables), signal)),
  );
  onStage("encode");
  const names = await namesOf(recipe, tables);
  const datasets = await datasetsOf(recipe, tables, names, { tokenizer, signal });
  const config = configOf(recipe, encoder, tokenizer, asksInSteps(recipe) ? opened : undefined);
  return {
    recipe: recordShards(
      recipe,
      datasets.map(({ train, ...dataset }) => ({ ...dataset, examples: train })),
    ),
    table,
    labels,
    labelIds: ids,
    split,
    tokenizer,
    datasets,
    names,
    tables,
    teacher: opened,
    teachers: opened === undefined ? {} : teachersOf({ recipe, config, tokenizer }, opened),
    config,
    from: encoder === undefined ? undefined : encoderWeights(encoder, config, recipe),
  };
}

/** Classes of each phase, by what it reads of its table. */
async function namesOf({ phases }: Recipe, tables: TrainingTables): Promise<readonly (readonly string[])[]> {
  return await Promise.all(
    phases.map((phase, place) => {
      const { table, phases: called } = tables[place]!;
      return inPhase(phase.data === undefined ? undefined : called[0], () => readingOf(phase).names(table));
    }),
  );
}

function readingOf(phase: PhaseRecipe): Reading {
  return READINGS[objectiveOf(phase).reading];
}

interface Encoding {
  readonly tokenizer: Tokenizer;
  readonly signal: AbortSignal | undefined;
}

/** What each phase is trained on; phases that read the same of the same table share it. */
export async function datasetsOf(
  recipe: Recipe,
  tables: readonly Pick<TrainingTable, "table" | "phases" | "split">[],
  names: readonly (readonly string[])[],
  { tokenizer, signal }: Encoding,
): Promise<readonly Dataset[]> {
  const length = Math.min(recipe.max_tokens, tokenizer.maxLength);
  const made = new Map<object, Map<string, Dataset>>();
  const datasets: Dataset[] = [];
  for (const [place, phase] of recipe.phases.entries()) {
    const { table, phases: called, split } = tables[place]!;
    const { arrange } = objectiveOf(phase);
    const key = dataKey(phase);
    const ofTable = made.get(table) ?? new Map<string, Dataset>();
    made.set(table, ofTable);
    if (!ofTable.has(key)) {
      const reading = readingOf(phase);
      const reader = arrange?.whole === true ? withoutLimit(tokenizer) : tokenizer;
      const encoded = await inPhase(phase.data === undefined ? undefined : called[0], () =>
        reading.encode(table, reader, names[place]!, {
          maxLength: arrange?.whole === true ? reader.maxLength : length,
          ...(signal === undefined ? {} : { signal }),
        }),
      );
      const rows = { train: sharedInts(split.train), validation: sharedInts(split.validation) };
      const dataset = { ...encoded, rowsEach: reading.rowsEach(table), ...rows };
      ofTable.set(key, arrange?.rows(dataset, length, tokenizer.special, phase) ?? dataset);
    }
    datasets.push(ofTable.get(key)!);
  }
  return datasets;
}

/** The same for phases that are trained on the same of one table. */
function dataKey(phase: PhaseRecipe): string {
  const { reading, arrange } = objectiveOf(phase);
  return arrange === undefined ? reading : canonicalJson(phase);
}

/** Tokens of a text at most, before it is cut into rows. */
const WHOLE = 1_000_000;

function withoutLimit({ files }: Tokenizer): Tokenizer {
  const config = JSON.parse(files["tokenizer_config.json"]) as object;
  return openTokenizer(
    { tokenizerJson: files["tokenizer.json"], tokenizerConfig: { ...config, model_max_length: WHOLE } },
    { maxLength: WHOLE },
  );
}

function sharedInts(values: readonly number[]): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(values.length * 4));
  shared.set(values);
  return shared;
}

async function openEncoder(path: string, settings: RecipeInput): Promise<Encoder> {
  const { files } = await openSource(path, undefined);
  return readEncoder(files, resolveRecipe(settings).max_tokens, { pooling: settings.pooling });
}

/** Trained in a worker thread: a second or two during which this one stays free. */
async function newTokenizer(
  recipe: Recipe,
  texts: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Tokenizer> {
  const { tokenizer: settings, model, max_tokens: maxLength } = recipe;
  const layout = familyTextLayout(model.model_type);
  const { tokenizerJson, tokenizerConfig } = await trainTokenizer({ texts, settings, layout, maxLength }, signal);
  return loadTokenizer(
    { tokenizerJson, tokenizerConfig: JSON.parse(tokenizerConfig) as object },
    { maxLength: recipe.max_tokens },
  );
}

/** What was asked for has to be there; where nothing was, what is there is used, and it is said. */
async function chooseExecutor(
  asked: ServingExecutor | undefined,
  warn: (message: string) => void,
): Promise<ServingExecutor> {
  const { name, missing } = await presentExecutor(asked);
  if (missing === undefined) return name;
  if (asked !== undefined) throw missing;
  warn(`the ${name} runtime is used, which is several times slower: ${missing.message}`);
  return name;
}

function checkSettings(recipe: Recipe): void {
  requireTask(recipe);
  requireTeacher(recipe);
  const { from, model, phases } = recipe;
  const last = phases.length - 1;
  if (phases[last]?.epochs === 0)
    throw new LockstepError(
      "OPTION_INVALID",
      `phases.${last}.epochs is 0: a model whose last phase was never trained answers at random; give at least 1`,
      { [`phases.${last}.epochs`]: 0 },
    );
  if (from !== undefined) return;
  const { hidden_size, num_attention_heads } = model;
  if (hidden_size % num_attention_heads !== 0)
    throw new LockstepError(
      "OPTION_INVALID",
      `model.hidden_size ${hidden_size} is not a multiple of model.num_attention_heads ${num_attention_heads}`,
      { hidden_size, num_attention_heads },
    );
  requireHeads(recipe, newConfig(recipe, { vocab_size: recipe.tokenizer.vocab_size, pad_token_id: 0 }));
}

/** @throws MODEL_INVALID where a phase needs a head that models of this family do not have */
function requireHeads({ pooling, phases }: Recipe, config: ModelConfig): void {
  for (const phase of phases)
    modelParameters(config, objectiveOf(phase).head({ phase, config, pooling, labels: MINIMUM_CLASSES }));
}

function newConfig(
  { model: { model_type, ...sizes }, max_tokens }: Recipe,
  vocabulary: Pick<ModelConfig, "vocab_size" | "pad_token_id">,
): ModelConfig {
  return newModelConfig(model_type, { ...sizes, ...vocabulary, max_position_embeddings: max_tokens });
}

/** A student from nothing that learns tokens has those of its teacher. */
function teacherTokenizer(recipe: Recipe, teacher: OpenedTeacher | undefined): Tokenizer | undefined {
  return asksInSteps(recipe) ? teacher?.encoder.tokenizer : undefined;
}

function configOf(
  recipe: Recipe,
  encoder: Encoder | undefined,
  tokenizer: Tokenizer,
  teacher: OpenedTeacher | undefined,
): ModelConfig {
  const config =
    encoder?.config ??
    newConfig(recipe, {
      vocab_size: teacher?.encoder.config.vocab_size ?? tokenizer.vocabSize,
      pad_token_id: tokenizer.special.pad,
    });
  return withDropout(config, {
    hidden: recipe.hidden_dropout,
    attention: recipe.attention_dropout,
    classifier: recipe.classifier_dropout,
  });
}

/**
 * The encoder's own parameters; whatever head the folder has belongs to another task, but for that of the next token,
 * which a decoder was trained with from the start.
 */
function encoderWeights(
  encoder: Encoder,
  config: ModelConfig,
  recipe: Recipe,
): ReadonlyMap<string, HostTensor<"float32">> {
  const { weights, missing } = matchWeights(
    config,
    modelParameters(config, { kind: "encoder", pooling: encoder.pooling }),
    encoder.tensors,
    encoder.unread,
  );
  const first = missing[0];
  if (first !== undefined)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `model.safetensors has no tensor "${first.name}" [${first.shape.join(", ")}], so there is no whole ` +
        `encoder to start from (${missing.length} tensors missing)`,
      { tensor: first.name },
    );
  const heads = trainedPhases(recipe).map(({ phase }) => objectiveOf(phase).task);
  if (!heads.includes("causal-lm")) return weights;
  const whole = modelParameters(config, { kind: "causal-lm" });
  return matchWeights(config, whole, encoder.tensors, encoder.unread).weights;
}
