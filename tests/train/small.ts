/** A small training that takes seconds: a few hundred bank questions, a tiny model, 8 shards a step. */
import { join } from "node:path";
import { seedFrom } from "../../src/base/index.ts";
import { encodeDataset, labelSpace, readTable, splitByHash } from "../../src/language/data/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import {
  resolveRecipe,
  runTraining,
  type RecipeInput,
  type TrainedModel,
  type TrainingInput,
  type TrainingRun,
} from "../../src/work/train/index.ts";
import { bertConfig } from "../models/bert-config.ts";

export const SMALL: RecipeInput = {
  seed: 7,
  max_tokens: 32,
  validation_fraction: 0.1,
  model: { hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64 },
  tokenizer: { vocab_size: 400 },
  pretrain: { epochs: 1, batch_size: 24, shards: 8, learning_rate: 2e-3 },
  finetune: { epochs: 1, batch_size: 24, shards: 8, learning_rate: 2e-3, token_dropout: 0.1 },
};

export async function smallInput(recipe: RecipeInput = SMALL, rows = 160): Promise<TrainingInput> {
  const resolved = resolveRecipe(recipe);
  const table = await readTable(join(import.meta.dirname, "../../examples/banking77/test.csv"));
  const texts = table.texts.filter((_, row) => row % 7 === 0).slice(0, rows);
  const { names, ids: labels } = labelSpace(table.labels!.filter((_, row) => row % 7 === 0).slice(0, rows));
  const split = splitByHash(texts, { fraction: resolved.validation_fraction ?? 0.05, seed: seedFrom(resolved.seed) });
  const tokenizer = trainWordPiece(texts, { vocabSize: resolved.tokenizer.vocab_size, maxLength: resolved.max_tokens });
  const data = await encodeDataset(tokenizer, texts, labels);
  const config = bertConfig({
    ...resolved.model,
    vocab_size: tokenizer.vocabSize,
    max_position_embeddings: resolved.max_tokens,
    type_vocab_size: 2,
  });
  const dataset = {
    ids: data.ids,
    offsets: data.offsets,
    labels: data.labels!,
    train: shared(split.train),
    validation: shared(split.validation),
  };
  return {
    recipe: resolved,
    config,
    special: tokenizer.special,
    names: resolved.phases.map(() => names),
    datasets: resolved.phases.map(() => dataset),
  };
}

/**
 * With how many threads a training is repeated: LOCKSTEP_THREADS, numbers with commas between; or as few as show
 * something. threads.long.test.ts has them all.
 */
export function threadCounts(few: readonly number[]): readonly number[] {
  return process.env["LOCKSTEP_THREADS"]?.split(",").map(Number) ?? few;
}

export function shared(values: readonly number[]): Int32Array {
  const out = new Int32Array(new SharedArrayBuffer(values.length * 4));
  out.set(values);
  return out;
}

/** The state's digest after every step, in order, and the outcome. */
export async function digestsOf(
  input: TrainingInput,
  run: Omit<TrainingRun, "digests" | "onEvent">,
): Promise<{ readonly digests: readonly string[]; readonly losses: readonly number[]; readonly model: TrainedModel }> {
  const digests: string[] = [];
  const losses: number[] = [];
  const model = await runTraining(input, {
    ...run,
    digests: true,
    onEvent: (event) => {
      if (event.kind === "digest") digests.push(event.sha256);
      if (event.kind === "step") losses.push(event.loss);
    },
  });
  return { digests, losses, model };
}
