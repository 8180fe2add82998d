/** An encoder's reference embeddings (PyTorch, float64; mean pooled, then L2-normalised), and ours beside them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  batchInputs,
  modelGraph,
  modelParameters,
  matchWeights,
  parseModelConfig,
  type Head,
} from "../../src/language/models/index.ts";
import { loadTokenizer } from "../../src/language/text/index.ts";
import { createExecutor } from "../../src/numeric/runtime/index.ts";
import { readSafetensors, tensor } from "../../src/numeric/tensor/index.ts";
import { rowLength } from "../../src/work/infer/index.ts";

export interface EncoderFolder {
  /** config.json, model.safetensors, reference.json. */
  readonly folder: string;
  /** tokenizer.json, tokenizer_config.json. */
  readonly tokenizer: string;
  /** Longest row in tokens. */
  readonly maxLength: number;
}

export interface Embedded {
  readonly texts: readonly string[];
  readonly expectedIds: readonly (readonly number[])[];
  readonly ids: readonly (readonly number[])[];
  /** Over all elements of all embeddings. */
  readonly largestDifference: number;
}

export async function compareEmbeddings(
  { folder, tokenizer: words, maxLength }: EncoderFolder,
  executorName: "native" | "portable",
): Promise<Embedded> {
  const json = (path: string): unknown => JSON.parse(readFileSync(path, "utf8"));
  const { items } = json(join(folder, "reference.json")) as {
    readonly items: readonly {
      readonly text: string;
      readonly input_ids: readonly number[];
      readonly embedding: readonly number[];
    }[];
  };
  const tokenizer = loadTokenizer(
    {
      tokenizerJson: readFileSync(join(words, "tokenizer.json"), "utf8"),
      tokenizerConfig: json(join(words, "tokenizer_config.json")) as object,
    },
    { maxLength },
  );
  const rows = items.map(({ text }) => tokenizer.encode(text));

  const { config } = parseModelConfig(json(join(folder, "config.json")));
  const head: Head = { kind: "encoder", pooling: "mean" };
  const { weights, missing } = matchWeights(
    config,
    modelParameters(config, head),
    readSafetensors(join(folder, "model.safetensors")).tensors,
  );
  if (missing.length > 0) throw new Error(`missing: ${missing.map(({ name }) => name).join()}`);
  const session = await (
    await createExecutor(executorName)
  ).load(modelGraph(config, head), { form: "packed", weights: Object.fromEntries(weights) });
  let largestDifference = 0;
  for (const [index, row] of rows.entries()) {
    const pooled = new Float32Array(config.hidden_size).fill(NaN);
    const inputs = batchInputs([row], config, head, {
      tokens: rowLength(row),
      minimumRows: 1,
      padId: tokenizer.special.pad,
      real: "float32",
    });
    await session.run(inputs, { pooled: tensor("float32", [1, config.hidden_size], pooled) });
    const norm = Math.sqrt(pooled.reduce((sum, value) => sum + value * value, 0));
    const { embedding } = items[index]!;
    if (embedding.length !== pooled.length)
      throw new Error(`${embedding.length} reference elements, ${pooled.length} of ours`);
    for (const [at, value] of embedding.entries()) {
      largestDifference = Math.max(largestDifference, Math.abs(value - pooled[at]! / norm)); // a NaN stays
    }
  }
  await session.dispose();
  return {
    texts: items.map(({ text }) => text),
    expectedIds: items.map(({ input_ids }) => input_ids),
    ids: rows.map(({ ids }) => Array.from(ids)),
    largestDifference,
  };
}
