/** Any family with any of its heads, small: what it is expected to have, and its program over a few rows. */
import { seedFrom } from "../../src/base/index.ts";
import {
  batchInputs,
  initializeParameters,
  modelGraph,
  modelParameters,
  newModelConfig,
  withDropout,
  type FamilyName,
  type Head,
  type HeadKind,
  type ModelConfig,
} from "../../src/language/models/index.ts";
import { createExecutor, type Executor, type Session } from "../../src/numeric/runtime/index.ts";
import { elements, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

export interface Expected {
  /** What a token's state depends on: all tokens of its row, or those up to it. */
  readonly sees: "all" | "before";
  /** In the order of `HEADS`. */
  readonly heads: readonly HeadKind[];
}
const ENCODER: Expected = { sees: "all", heads: ["masked-lm", "sequence", "token", "encoder"] };
const DECODER: Expected = { sees: "before", heads: ["causal-lm", "sequence", "token", "encoder"] };
export const FAMILIES: { readonly [F in FamilyName]: Expected } = {
  bert: ENCODER,
  distilbert: ENCODER,
  roberta: ENCODER,
  "xlm-roberta": ENCODER,
  gpt2: DECODER,
  llama: DECODER,
  mistral: DECODER,
  qwen2: DECODER,
  qwen3: DECODER,
};

export const HEADS: readonly Head[] = [
  { kind: "masked-lm" },
  { kind: "causal-lm" },
  { kind: "sequence", labels: 3, pooling: "first" },
  { kind: "sequence", labels: 3, pooling: "mean" },
  { kind: "sequence", labels: 3, pooling: "last" },
  { kind: "token", labels: 4 },
  { kind: "encoder", pooling: "first" },
  { kind: "encoder", pooling: "mean" },
  { kind: "encoder", pooling: "last" },
];
export const SIZES = {
  vocab_size: 40,
  hidden_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 24,
  max_position_embeddings: 20,
  pad_token_id: 1,
  initializer_range: 0.3,
};
export const ROWS = [
  [5, 6, 7, 8, 9, 10, 11],
  [12, 13, 14],
  [15, 16, 17, 18, 19],
];

const reference = await createExecutor("reference");

/** The head's program with weights in it, as versions are served. */
export function load(executor: Executor, config: ModelConfig, head: Head): Promise<Session> {
  const weights = initializeParameters(modelParameters(config, head), 0.3, seedFrom("families"));
  return executor.load(modelGraph(config, head), { form: "packed", weights: Object.fromEntries(weights) });
}

export async function runOnce(config: ModelConfig, head: Head, rows: readonly (readonly number[])[], T: number) {
  const session = await load(reference, config, head);
  const rowOf = await run(session, "float64", config, head, rows, T);
  await session.dispose();
  return rowOf;
}

/** The one output of the head's program over these rows; the language models are asked for every position. */
export async function run(
  session: Session,
  real: "float32" | "float64",
  config: ModelConfig,
  head: Head,
  rows: readonly (readonly number[])[],
  T: number,
) {
  const batch = rows.map((ids) => ({ ids: Int32Array.from(ids) }));
  const N = rows.length * T;
  const inputs: Record<string, HostTensor> = batchInputs(batch, config, head, {
    tokens: T,
    minimumRows: 1,
    padId: config.pad_token_id,
    real,
  });
  if (head.kind.endsWith("-lm"))
    inputs["positions"] = tensor(
      "int32",
      [N],
      Int32Array.from({ length: N }, (_, i) => i),
    );
  const perToken = head.kind.endsWith("-lm") || head.kind === "token";
  const width = "labels" in head ? head.labels : head.kind === "encoder" ? config.hidden_size : config.vocab_size;
  const shape = [perToken ? N : rows.length, width];
  const data = real === "float32" ? new Float32Array(elements(shape)) : new Float64Array(elements(shape));
  await session.run(inputs, { [head.kind === "encoder" ? "pooled" : "logits"]: { dtype: real, shape, data } });
  /** Of row b: all its tokens' numbers, or the row's own. */
  return (b: number): number[] =>
    perToken
      ? Array.from(data.subarray(b * T * width, (b * T + rows[b]!.length) * width))
      : Array.from(data.subarray(b * width, (b + 1) * width));
}

export function smallConfig(name: FamilyName): ModelConfig {
  return withDropout(newModelConfig(name, SIZES), { hidden: 0.1, attention: 0.2, classifier: 0.3 });
}

/** Every family with the heads that it has. */
export function eachFamily(visit: (name: FamilyName, config: ModelConfig, heads: readonly Head[]) => void): void {
  for (const [name, { heads }] of Object.entries(FAMILIES) as [FamilyName, Expected][])
    visit(
      name,
      smallConfig(name),
      HEADS.filter(({ kind }) => heads.includes(kind)),
    );
}
