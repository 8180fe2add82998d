/** From a table to what training needs: labels, split, tokenizer, token ids, and the encoder to start from. */
import { canonicalJson, LockstepError, seedFrom } from "../../base/index.ts";
import {
  labelIds,
  labelWarnings,
  READINGS,
  ROLES,
  readTable,
  splitByHash,
  type Reading,
  type Role,
  type RoleChoices,
  type Split,
  type Table,
} from "../../language/data/index.ts";
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
  defaultValidationFraction,
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
  type Recipe,
  type RecipeInput,
  type ShardWeightFunctions,
} from "../../work/train/index.ts";
import { openSource } from "./source.ts";
import type { Stage, TrainInput } from "./train-options.ts";

export interface Prepared {
  readonly recipe: Recipe;
  readonly table: Table;
  /** Class names by id. */
  readonly labels: readonly string[];
  /** Class of each row; empty where a text has no single one. */
  readonly labelIds: Int32Array;
  readonly split: Split;
  readonly tokenizer: Tokenizer;
  /** What each phase of the recipe is trained on. */
  readonly datasets: readonly Dataset[];
  readonly config: ModelConfig;
  /** By parameter name; absent: from nothing. */
  readonly from: ReadonlyMap<string, HostTensor<"float32">> | undefined;
}

export interface PrepareOptions {
  readonly onPhases: (names: readonly string[]) => void;
  readonly onStage: (stage: Stage) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal | undefined;
  readonly shardWeights?: ShardWeightFunctions | undefined;
}

const MINIMUM_EXAMPLES = 8;
const MINIMUM_CLASSES = 2;

/** In place of the hash of weights that are not read yet. */
const ANY_HASH = "0".repeat(64);

export async function prepare(
  input: TrainInput,
  { onPhases, onStage, warn, signal, shardWeights }: PrepareOptions,
): Promise<Prepared> {
  const { data, text: _text, label: _label, columns: _columns, from, test: _test, ...settings } = input;
  // A wrong setting is refused before any file is read.
  const asked = resolveRecipe({ ...settings, ...(from === undefined ? {} : { from: ANY_HASH }) });
  checkSettings(asked);
  requireWeightFunctions(asked, shardWeights);
  onPhases(phaseNames(asked));
  onStage("read");
  const executor = await chooseExecutor(settings.executor, warn);
  const readings = asked.phases.map((phase) => READINGS[objectiveOf(phase).reading]);
  const table = await readTable(data, { ...columnsFor(readings, input), ...formatOf(readings, data) });
  const main = readings.at(-1)!;
  const labels = main.names(table);
  const ids = main.label ? labelIds(table.labels ?? [], labels, table) : new Int32Array(0);
  const encoder = from === undefined ? undefined : await openEncoder(from, settings);
  // What is trained is measured and served in the same profile.
  if (executor === "portable") requireOwnTokenizer(encoder?.tokenizer.library);
  const fraction = settings.validation_fraction ?? defaultValidationFraction(table.texts.length);
  const recipe = resolveRecipe({
    ...settings,
    executor,
    validation_fraction: fraction,
    data: { sha256: table.sha256, ...columnsOf(table) },
    ...(encoder === undefined
      ? {}
      : { from: digestTensors(encoder.tensors), pooling: settings.pooling ?? encoder.pooling }),
  });
  const texts = main.texts(table);
  const split = splitByHash(texts, { fraction, seed: seedFrom(recipe.seed) });
  if (split.train.length < MINIMUM_EXAMPLES)
    throw new LockstepError(
      "DATA_INVALID",
      `${data} leaves ${split.train.length} texts to train on after the validation split; at least ` +
        `${MINIMUM_EXAMPLES} are needed`,
      { path: data, texts: split.train.length },
    );
  if (main.label) for (const message of labelWarnings(labels, ids, split.train)) warn(message);

  onStage("tokenizer");
  const tokenizer = readings.reduce(
    (so, reading) => reading.tokenizer?.(so) ?? so,
    encoder?.tokenizer ??
      (await newTokenizer(
        recipe,
        split.train.map((row) => texts[row]!),
        signal,
      )),
  );
  onStage("encode");
  const rows = { train: sharedInts(split.train), validation: sharedInts(split.validation) };
  const datasets = await datasetsOf(recipe, table, labels, { tokenizer, rows, signal });
  const config = configOf(recipe, encoder, tokenizer);
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
    config,
    from: encoder === undefined ? undefined : encoderWeights(encoder, config, recipe),
  };
}

interface Encoding {
  readonly tokenizer: Tokenizer;
  /** Rows of the table that are trained on, and those that are held out. */
  readonly rows: Pick<Dataset, "train" | "validation">;
  readonly signal: AbortSignal | undefined;
}

/** What each phase is trained on; phases that read the same share it. */
export async function datasetsOf(
  { phases, max_tokens }: Recipe,
  table: Table,
  labels: readonly string[],
  { tokenizer, rows, signal }: Encoding,
): Promise<readonly Dataset[]> {
  const length = Math.min(max_tokens, tokenizer.maxLength);
  const made = new Map<string, Dataset>();
  for (const phase of phases) {
    const { reading: name, arrange } = objectiveOf(phase);
    const key = dataKey(phase);
    if (made.has(key)) continue;
    const reading = READINGS[name];
    const reader = arrange?.whole === true ? withoutLimit(tokenizer) : tokenizer;
    const encoded = await reading.encode(table, reader, labels, {
      maxLength: arrange?.whole === true ? reader.maxLength : length,
      ...(signal === undefined ? {} : { signal }),
    });
    const dataset = { ...encoded, rowsEach: reading.rowsEach(table), ...rows };
    made.set(key, arrange?.rows(dataset, length, tokenizer.special, phase) ?? dataset);
  }
  return phases.map((phase) => made.get(dataKey(phase))!);
}

/** The same for phases that are trained on the same. */
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

/** A .txt file is paragraphs where texts alone are read, otherwise a table like any other. */
function formatOf(readings: readonly Reading[], path: string): { readonly format?: "text" } {
  const isAlone = readings.every(({ label, roles }) => !label && !Object.values(roles).includes("needed"));
  return isAlone && /\.txt$/i.test(path) ? { format: "text" } : {};
}

/** What is to be read of a table for all phases together. */
export function columnsFor(
  readings: readonly Reading[],
  { text, label, columns = {} }: Pick<TrainInput, "text" | "label" | "columns">,
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

function columnsOf({ columns: { text, label, roles } }: Table) {
  return {
    text,
    ...(label === undefined ? {} : { label }),
    ...(Object.keys(roles).length === 0 ? {} : { columns: roles }),
  };
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

function configOf(recipe: Recipe, encoder: Encoder | undefined, tokenizer: Tokenizer): ModelConfig {
  const config =
    encoder?.config ?? newConfig(recipe, { vocab_size: tokenizer.vocabSize, pad_token_id: tokenizer.special.pad });
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
