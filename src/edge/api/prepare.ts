/** From a table to what training needs: labels, split, tokenizer, token ids, and the encoder to start from. */
import { LockstepError, seedFrom } from "../../base/index.ts";
import {
  encodeDataset,
  labelSpace,
  labelWarnings,
  readTable,
  requireLabels,
  splitByHash,
  type PackedDataset,
  type Split,
  type Table,
} from "../../language/data/index.ts";
import {
  matchWeights,
  modelParameters,
  newModelConfig,
  withDropout,
  type ModelConfig,
} from "../../language/models/index.ts";
import { presentExecutor, type ServingExecutor } from "../../numeric/runtime/index.ts";
import { loadTokenizer, requireOwnTokenizer, type Tokenizer } from "../../language/text/index.ts";
import { digestTensors, type HostTensor } from "../../numeric/tensor/index.ts";
import { readEncoder, type Encoder } from "../../work/infer/index.ts";
import {
  defaultValidationFraction,
  phaseNames,
  recordShards,
  resolveRecipe,
  trainTokenizer,
  type Recipe,
  type RecipeInput,
} from "../../work/train/index.ts";
import { openSource } from "./source.ts";
import type { Stage, TrainInput } from "./train-options.ts";

export interface Prepared {
  readonly recipe: Recipe;
  readonly table: Table;
  /** Class names by id. */
  readonly labels: readonly string[];
  readonly labelIds: Int32Array;
  readonly split: Split;
  readonly tokenizer: Tokenizer;
  readonly dataset: PackedDataset;
  readonly config: ModelConfig;
  /** By parameter name; absent: from nothing. */
  readonly from: ReadonlyMap<string, HostTensor<"float32">> | undefined;
}

export interface PrepareOptions {
  readonly onPhases: (names: readonly string[]) => void;
  readonly onStage: (stage: Stage) => void;
  readonly warn: (message: string) => void;
  readonly signal: AbortSignal | undefined;
}

const MINIMUM_EXAMPLES = 8;

/** In place of the hash of weights that are not read yet. */
const ANY_HASH = "0".repeat(64);

export async function prepare(
  input: TrainInput,
  { onPhases, onStage, warn, signal }: PrepareOptions,
): Promise<Prepared> {
  const { data, text, label, from, test: _, ...settings } = input;
  // A wrong setting is refused before any file is read.
  const asked = resolveRecipe({ ...settings, ...(from === undefined ? {} : { from: ANY_HASH }) });
  checkSettings(asked);
  onPhases(phaseNames(asked));
  onStage("read");
  const executor = await chooseExecutor(settings.executor, warn);
  const table = await readTable(data, {
    ...(text === undefined ? {} : { text }),
    ...(label === undefined ? {} : { label }),
  });
  const { labels: cells, columns } = requireLabels(table);
  const { names: labels, ids: labelIds } = labelSpace(cells);
  const encoder = from === undefined ? undefined : await openEncoder(from, settings);
  // What is trained is measured and served in the same profile.
  if (executor === "portable") requireOwnTokenizer(encoder?.tokenizer.library);
  const fraction = settings.validation_fraction ?? defaultValidationFraction(table.texts.length);
  const recipe = resolveRecipe({
    ...settings,
    executor,
    validation_fraction: fraction,
    data: { sha256: table.sha256, ...columns },
    ...(encoder === undefined
      ? {}
      : { from: digestTensors(encoder.tensors), pooling: settings.pooling ?? encoder.pooling }),
  });
  const split = splitByHash(table.texts, { fraction, seed: seedFrom(recipe.seed) });
  if (split.train.length < MINIMUM_EXAMPLES)
    throw new LockstepError(
      "DATA_INVALID",
      `${data} leaves ${split.train.length} texts to train on after the validation split; at least ` +
        `${MINIMUM_EXAMPLES} are needed`,
      { path: data, texts: split.train.length },
    );
  for (const message of labelWarnings(labels, labelIds, split.train)) warn(message);

  onStage("tokenizer");
  const tokenizer =
    encoder?.tokenizer ??
    (await newTokenizer(
      recipe,
      split.train.map((row) => table.texts[row]!),
      signal,
    ));
  onStage("encode");
  const dataset = await encodeDataset(tokenizer, table.texts, labelIds, {
    maxLength: Math.min(recipe.max_tokens, tokenizer.maxLength),
    ...(signal === undefined ? {} : { signal }),
  });
  const config = configOf(recipe, encoder, tokenizer);
  const complete = recordShards(recipe, {
    ids: dataset.ids,
    offsets: dataset.offsets,
    labels: labelIds,
    examples: Int32Array.from(split.train),
  });
  return {
    recipe: complete,
    table,
    labels,
    labelIds,
    split,
    tokenizer,
    dataset,
    config,
    from: encoder === undefined ? undefined : encoderWeights(encoder, config),
  };
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
  const { vocab_size: vocabSize, min_frequency: minFrequency, lowercase } = recipe.tokenizer;
  const { tokenizerJson, tokenizerConfig } = await trainTokenizer(
    { texts, vocabSize, minFrequency, lowercase, maxLength: recipe.max_tokens },
    signal,
  );
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

function checkSettings({ from, model, phases }: Recipe): void {
  const last = phases.length - 1;
  if (phases[last]?.epochs === 0)
    throw new LockstepError(
      "OPTION_INVALID",
      `phases.${last}.epochs is 0: a model whose last phase was never trained answers at random; give at least 1`,
      { [`phases.${last}.epochs`]: 0 },
    );
  const { hidden_size, num_attention_heads } = model;
  if (from !== undefined || hidden_size % num_attention_heads === 0) return;
  throw new LockstepError(
    "OPTION_INVALID",
    `model.hidden_size ${hidden_size} is not a multiple of model.num_attention_heads ${num_attention_heads}`,
    { hidden_size, num_attention_heads },
  );
}

function configOf(recipe: Recipe, encoder: Encoder | undefined, tokenizer: Tokenizer): ModelConfig {
  const config =
    encoder?.config ??
    newModelConfig("bert", {
      ...recipe.model,
      vocab_size: tokenizer.vocabSize,
      max_position_embeddings: recipe.max_tokens,
      pad_token_id: tokenizer.special.pad,
    });
  return withDropout(config, {
    hidden: recipe.hidden_dropout,
    attention: recipe.attention_dropout,
    classifier: recipe.classifier_dropout,
  });
}

/** The encoder's own parameters; whatever head the folder has belongs to another task. */
function encoderWeights(encoder: Encoder, config: ModelConfig): ReadonlyMap<string, HostTensor<"float32">> {
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
  return weights;
}
