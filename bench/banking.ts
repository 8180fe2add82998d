/** BANKING77 ready to train on, by the default recipes: a small model from nothing, and MiniLM fine-tuned. */
import { join } from "node:path";
import { invariant, seedFrom } from "../src/base/index.ts";
import { encodeDataset, labelSpace, readTable, splitByHash } from "../src/language/data/index.ts";
import {
  modelParameters,
  initializeParameters,
  matchWeights,
  newModelConfig,
  withDropout,
} from "../src/language/models/index.ts";
import { trainWordPiece, type Tokenizer } from "../src/language/text/index.ts";
import type { HostTensor } from "../src/numeric/tensor/index.ts";
import { readEncoder } from "../src/work/infer/index.ts";
import { openFolder } from "../src/work/store/index.ts";
import { defaultValidationFraction, resolveRecipe, type Recipe } from "../src/work/train/index.ts";
// Rooms' private parts: rounds of single steps cannot be had through the door, which trains to the end.
import { objectiveOf, type PhaseRecipe } from "../src/work/train/objectives/index.ts";
import { Phase } from "../src/work/train/phase.ts";
import { defaultShards } from "../src/work/train/plan.ts";
import type { Context } from "../src/work/train/program.ts";
import type { TrainingData } from "../src/work/train/training-data.ts";

/** The last phase of a recipe. */
export interface Task extends Context {
  readonly recipe: Recipe;
  readonly phase: Extract<PhaseRecipe, { readonly objective: "classify" }>;
  readonly tokenizer: Tokenizer;
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
  const phase = recipe.phases.at(-1)!;
  invariant(phase.objective === "classify", "the default recipe ends with classes");
  const { batch_size: batchSize, epochs } = phase;
  const context = {
    phase,
    config,
    special: tokenizer.special,
    pooling: recipe.pooling,
    labels: names.length,
    names,
    data,
    plan: {
      batchSize,
      shards: phase.shards ?? defaultShards(data, batchSize),
      epochs,
      seed: seedFrom(recipe.seed),
    },
  };
  const parameters = modelParameters(config, objectiveOf(phase).head(context));
  const known =
    encoder === undefined
      ? new Map<string, HostTensor<"float32">>()
      : matchWeights(config, modelParameters(config, { kind: "encoder", pooling: recipe.pooling }), encoder.tensors)
          .weights;
  const drawn = initializeParameters(
    parameters.filter(({ name }) => !known.has(name)),
    config.initializer_range,
    context.plan.seed,
  );
  return {
    ...context,
    recipe,
    tokenizer,
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
  const phase = await Phase.open({
    ...task,
    name: task.phase.objective,
    executor: "native",
    threads,
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
