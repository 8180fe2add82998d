/**
 * A row's logits do not depend on its mates, its place, or how many there are, for every decoder in packed form and
 * both libraries' builds. Heads are 10 wide and layers 20, which no vector register divides, so that a kernel whose
 * remainder is computed otherwise is seen.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import {
  batchInputs,
  initializeParameters,
  modelGraph,
  modelParameters,
  parseModelConfig,
  type Head,
  type ModelConfig,
} from "../../src/language/models/index.ts";
import { createExecutor, selfCheckRows } from "../../src/numeric/runtime/index.ts";
import { tensor } from "../../src/numeric/tensor/index.ts";

const T = 7,
  V = 37;
const GATED = {
  vocab_size: V,
  hidden_size: 20,
  intermediate_size: 27,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 10,
};
const CONFIGS: Readonly<Record<string, object>> = {
  gpt2: { vocab_size: V, n_embd: 20, n_layer: 2, n_head: 2, n_inner: 27, n_positions: T },
  llama: GATED,
  mistral: { ...GATED, sliding_window: 3 },
  qwen2: { ...GATED, tie_word_embeddings: true },
  qwen3: GATED,
};
const rows = Array.from({ length: 4 }, (_, row) =>
  Int32Array.from({ length: T - row }, (_, t) => (11 * row * row + 7 * t + row * t) % V),
);

async function check(executorName: "native" | "portable", config: ModelConfig, head: Head, width: number) {
  const weights = Object.fromEntries(initializeParameters(modelParameters(config, head), 0.3, seedFrom(5)));
  const executor = await createExecutor(executorName);
  const session = await executor.load(modelGraph(config, head), { form: "packed", weights });
  const run = async (batch: readonly Int32Array[]): Promise<Float32Array[]> => {
    const inputs = batchInputs(
      batch.map((ids) => ({ ids })),
      config,
      head,
      { tokens: T, padId: 0, real: "float32" },
    );
    const B = inputs["input_ids"]!.shape[0]!;
    // each row's last token, as decoding asks for it
    const last = Int32Array.from({ length: B }, (_, b) => b * T + (batch[b]?.length ?? 1) - 1);
    const logits = tensor("float32", [B, width], new Float32Array(B * width));
    const positions = head.kind === "causal-lm" ? { positions: tensor("int32", [B], last) } : {};
    await session.run({ ...inputs, ...positions }, { logits });
    return batch.map((_, b) => logits.data.slice(b * width, (b + 1) * width));
  };
  try {
    return await selfCheckRows({ run, probes: rows, what: `${config.model_type} (${head.kind})` });
  } finally {
    await session.dispose();
  }
}

for (const [model_type, sizes] of Object.entries(CONFIGS))
  for (const executorName of ["native", "portable"] as const)
    describe(`${model_type} in ${executorName}`, () => {
      const { config } = parseModelConfig({ model_type, ...sizes });
      test("the next token's logits", async () => {
        assert.deepEqual(await check(executorName, config, { kind: "causal-lm" }, V), { runs: 10, rows: 26 });
      });
      test("a classifier on the last token", async () => {
        assert.deepEqual(await check(executorName, config, { kind: "sequence", labels: 3, pooling: "last" }, 3), {
          runs: 10,
          rows: 26,
        });
      });
    });
