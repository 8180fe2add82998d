/** BANKING77 ready to train on, by the default recipes: a small model from nothing, and MiniLM fine-tuned. */
import { join } from "node:path";
import { seedFrom } from "../src/base/index.ts";
import { encodeDataset, labelSpace, readTable, splitByHash } from "../src/language/data/index.ts";
import {
  modelParameters,
  initializeParameters,
  matchWeights,
  newModelConfig,
  withDropout,
  type ModelConfig,
} from "../src/language/models/index.ts";
import { trainWordPiece, type Tokenizer } from "../src/language/text/index.ts";
import type { HostTensor } from "../src/numeric/tensor/index.ts";
import { readEncoder } from "../src/work/infer/index.ts";
import { openFolder } from "../src/work/store/index.ts";
import { defaultValidationFraction, resolveRecipe, type Recipe } from "../src/work/train/index.ts";
// Rooms' private parts: rounds of single steps cannot be had through the door, which trains to the end.
import { headOf, type ObjectiveOptions } from "../src/work/train/objectives.ts";
import { Phase } from "../src/work/train/phase.ts";
import { defaultShards, type PlanOptions, type TrainingData } from "../src/work/train/plan.ts";

export interface Task {
  readonly recipe: Recipe;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly labels: readonly string[];
  readonly data: TrainingData;
  readonly plan: PlanOptions;
  readonly objective: Extract<ObjectiveOptions, { kind: "classify" }>;
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
}

/** `minilm`: folder of the encoder to start from; absent: from nothing. */
export async function bankingTask(minilm?: string): Promise<Task> {
  const recipe = resolveRecipe(minilm === undefined ? {} : { from: "0".repeat(64), pooling: "mean" });
  const table = await readTable(join(import.meta.dirname, "../examples/banking77/train.csv"));
  const { names, ids } = labelSpace(table.labels!);
  const split = splitByHash(table.texts, {
    fraction: recipe.validation_fraction ?? defaultValidationFraction(table.texts.length),
    seed: seedFrom(recipe.seed),
  });
  const encoder = minilm === undefined ? undefined : readEncoder((await openFolder(minilm)).files, recipe.max_tokens);
  const { vocab_size: vocabSize, min_frequency: minFrequency } = recipe.tokenizer;
  const tokenizer =
    encoder?.tokenizer ??
    trainWordPiece(
      split.train.map((row) => table.texts[row]!),
      { vocabSize, minFrequency, maxLength: recipe.max_tokens },
    );
  const dataset = await encodeDataset(tokenizer, table.texts, ids);
  const config = withDropout(
    encoder?.config ??
      newModelConfig("bert", {
        ...recipe.model,
        vocab_size: tokenizer.vocabSize,
        max_position_embeddings: recipe.max_tokens,
        pad_token_id: tokenizer.special.pad,
      }),
    { hidden: recipe.hidden_dropout, attention: recipe.attention_dropout, classifier: recipe.classifier_dropout },
  );
  const data: TrainingData = {
    ids: dataset.ids,
    offsets: dataset.offsets,
    labels: dataset.labels!,
    examples: shared(split.train),
  };
  const {
    batch_size: batchSize,
    shards,
    epochs,
    label_smoothing: labelSmoothing,
    token_dropout: tokenDropout,
  } = recipe.finetune;
  const plan = { batchSize, shards: shards ?? defaultShards(data, batchSize), epochs, seed: seedFrom(recipe.seed) };
  const objective = {
    kind: "classify",
    labels: names.length,
    pooling: recipe.pooling,
    labelSmoothing,
    tokenDropout,
  } as const;
  const parameters = modelParameters(config, headOf(objective));
  const known =
    encoder === undefined
      ? new Map<string, HostTensor<"float32">>()
      : matchWeights(config, modelParameters(config, { kind: "encoder", pooling: recipe.pooling }), encoder.tensors)
          .weights;
  const drawn = initializeParameters(
    parameters.filter(({ name }) => !known.has(name)),
    config.initializer_range,
    plan.seed,
  );
  return {
    recipe,
    config,
    tokenizer,
    labels: names,
    data,
    plan,
    objective,
    weights: new Map(parameters.map(({ name }) => [name, known.get(name) ?? drawn.get(name)!])),
  };
}

/**
 * Workers ready to train the task's fine-tuning; `trained` counts the tokens of the steps done since it was last read.
 */
export async function openTraining(
  task: Task,
  threads: number,
): Promise<{ readonly phase: Phase; readonly trained: () => { tokens: number; loss: number } }> {
  let tokens = 0;
  let loss = 0;
  const { recipe, config, tokenizer, objective, data, plan, weights } = task;
  const phase = await Phase.open({
    name: "finetune",
    executor: "native",
    config,
    objective,
    special: tokenizer.special,
    data,
    plan,
    rates: recipe.finetune,
    threads,
    weights,
    onStep: (report) => {
      tokens += report.tokens;
      loss = report.loss;
    },
  });
  return {
    phase,
    trained: () => {
      const done = { tokens, loss };
      tokens = 0;
      return done;
    },
  };
}

function shared(values: readonly number[]): Int32Array {
  const out = new Int32Array(new SharedArrayBuffer(values.length * 4));
  out.set(values);
  return out;
}
