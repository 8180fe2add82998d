/**
 * Published decoders beside what others computed with them: stories260K (the
 * layout of llama2.c, with turned pairs side by side) and gpt-nano-sort (minGPT). The golden ladder makes the same
 * comparison with tiny models, everywhere.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  batchInputs,
  matchWeights,
  modelGraph,
  modelParameters,
  parseModelConfig,
  type Head,
} from "../../src/language/models/index.ts";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { elements, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const MODELS = join(import.meta.dirname, "../fixtures/models");
const EXECUTORS: readonly ExecutorName[] = ["reference", "native", "portable"];
const HEAD: Head = { kind: "causal-lm" };

/** Logits of every position of every row. */
async function logitsOf(
  executorName: ExecutorName,
  json: object,
  tensors: ReadonlyMap<string, HostTensor>,
  rows: readonly (readonly number[])[],
): Promise<{ readonly data: Float64Array; readonly width: number }> {
  const { config } = parseModelConfig(json);
  const { weights, missing } = matchWeights(config, modelParameters(config, HEAD), tensors);
  assert.deepEqual(missing, []);
  const executor = await createExecutor(executorName);
  const session = await executor.load(modelGraph(config, HEAD), {
    form: "packed",
    weights: Object.fromEntries(weights),
  });
  const T = rows[0]!.length;
  const N = rows.length * T;
  const inputs = batchInputs(
    rows.map((ids) => ({ ids: Int32Array.from(ids) })),
    config,
    HEAD,
    { tokens: T, padId: 0, real: executor.real, minimumRows: 1 },
  );
  const positions = tensor(
    "int32",
    [N],
    Int32Array.from({ length: N }, (_, i) => i),
  );
  const shape = [N, config.vocab_size];
  const logits: HostTensor<"float32" | "float64"> =
    executor.real === "float32"
      ? tensor("float32", shape, new Float32Array(elements(shape)))
      : tensor("float64", shape, new Float64Array(elements(shape)));
  await session.run({ ...inputs, positions }, { logits });
  await session.dispose();
  return { data: Float64Array.from(logits.data as Float32Array), width: config.vocab_size };
}

/** The checkpoint of llama2.c (version 0): seven sizes, then float32 tensors. */
function stories(): { readonly json: object; readonly tensors: ReadonlyMap<string, HostTensor> } {
  const file = readFileSync(join(MODELS, "stories260K/stories260K.bin"));
  const [C, F, layers, H, G, V, longest] = Array.from({ length: 7 }, (_, i) => file.readInt32LE(4 * i)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const D = C / H;
  const numbers = new Float32Array(file.buffer.slice(file.byteOffset + 28, file.byteOffset + file.length));
  const tensors = new Map<string, HostTensor>();
  let at = 0;
  const take = (shape: readonly number[]): Float32Array => numbers.subarray(at, (at += elements(shape)));
  const add = (name: string, shape: readonly number[], arrange = (data: Float32Array) => data): void => {
    tensors.set(name, tensor("float32", shape, arrange(take(shape))));
  };
  const inLayers = (name: string, shape: readonly number[], arrange?: (data: Float32Array) => Float32Array): void => {
    for (let layer = 0; layer < layers; layer++) add(`model.layers.${layer}.${name}.weight`, shape, arrange);
  };
  /** Rows 2i and 2i + 1 of a head become rows i and i + D/2. */
  const halves = (data: Float32Array): Float32Array => {
    const out = new Float32Array(data.length);
    for (let row = 0; row < data.length / C; row++) {
      const [head, i] = [Math.floor(row / D), row % D];
      const to = head * D + (i % 2 === 0 ? i / 2 : D / 2 + (i - 1) / 2);
      out.set(data.subarray(row * C, (row + 1) * C), to * C);
    }
    return out;
  };
  add("model.embed_tokens.weight", [V, C]);
  inLayers("input_layernorm", [C]);
  inLayers("self_attn.q_proj", [C, C], halves);
  inLayers("self_attn.k_proj", [G * D, C], halves);
  inLayers("self_attn.v_proj", [G * D, C]);
  inLayers("self_attn.o_proj", [C, C]);
  inLayers("post_attention_layernorm", [C]);
  inLayers("mlp.gate_proj", [F, C]);
  inLayers("mlp.down_proj", [C, F]);
  inLayers("mlp.up_proj", [F, C]);
  add("model.norm.weight", [C]);
  const json = {
    model_type: "llama",
    vocab_size: V,
    hidden_size: C,
    intermediate_size: F,
    num_hidden_layers: layers,
    num_attention_heads: H,
    num_key_value_heads: G,
    max_position_embeddings: longest,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
  };
  return { json, tensors };
}

for (const executorName of EXECUTORS)
  test(`stories260K in ${executorName}: logits, likelihoods, and the greedy text`, async (t) => {
    const reference = JSON.parse(readFileSync(join(MODELS, "stories260K/reference.json"), "utf8")) as {
      readonly ids: number[];
      readonly logits_pos0: number[];
      readonly nll_next: number[];
    };
    const { json, tensors } = stories();
    const { data, width } = await logitsOf(executorName, json, tensors, [reference.ids]);
    const first = Math.max(...reference.logits_pos0.map((logit, i) => Math.abs(logit - data[i]!)));
    let worst = 0;
    reference.nll_next.forEach((expected, t) => {
      const row = [...data.subarray(t * width, (t + 1) * width)];
      const largest = Math.max(...row);
      assert.equal(row.indexOf(largest), reference.ids[t + 1], `token ${t + 1}`);
      const total = largest + Math.log(row.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
      worst = Math.max(worst, Math.abs(total - row[reference.ids[t + 1]!]! - expected));
    });
    t.diagnostic(
      `${reference.ids.length} tokens; first logits ${first.toExponential(1)}, likelihoods ${worst.toExponential(1)}`,
    );
    assert.ok(first <= 5e-5 && worst <= 5e-5, `${first}, ${worst}`); // the file has six decimals
  });

interface Coded {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly data: string;
}

/** Tensors as base64; minGPT's linear layers store [outputs, inputs]. */
function decoded({ shape, dtype, data }: Coded): HostTensor<"float32" | "int32"> {
  const bytes = Buffer.from(data, "base64");
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return dtype === "torch.float32"
    ? tensor("float32", shape, new Float32Array(buffer))
    : tensor("int32", shape, Int32Array.from(new BigInt64Array(buffer), Number));
}

for (const executorName of EXECUTORS)
  test(`gpt-nano-sort in ${executorName}: the logits of three texts`, async (t) => {
    const read = (file: string) =>
      JSON.parse(readFileSync(join(MODELS, "gpt-nano-sort", file), "utf8")) as Readonly<Record<string, Coded>>;
    const { config, ...coded } = read("model.json");
    const { n_layer, n_head, n_embd, vocab_size, block_size } = config as unknown as Record<string, number>;
    const linear = /c_attn|c_proj|c_fc/;
    const tensors = new Map(
      Object.entries(coded).map(([name, one]): readonly [string, HostTensor] => {
        const found = decoded(one);
        return [name, linear.test(name) && found.shape.length === 2 ? transposed(found) : found];
      }),
    );
    const json = {
      model_type: "gpt2",
      vocab_size,
      n_positions: block_size,
      n_embd,
      n_layer,
      n_head,
      tie_word_embeddings: false,
    };
    const partials = read("logits.json");
    const ids = decoded(partials["idx"]!);
    const [rows, T] = ids.shape as [number, number];
    const texts = Array.from({ length: rows }, (_, b) => [...ids.data.slice(b * T, (b + 1) * T)]);
    const { data } = await logitsOf(executorName, json, tensors, texts);
    const expected = Float64Array.from(decoded(partials["lm_head"]!).data);
    const largest = expected.reduce((most, logit) => Math.max(most, Math.abs(logit)), 0);
    const gap = data.reduce((worst, logit, i) => Math.max(worst, Math.abs(logit - expected[i]!)), 0) / largest;
    t.diagnostic(`${rows} texts of ${T}; relative to the largest logit ${gap.toExponential(1)}`);
    assert.equal(data.length, expected.length);
    assert.ok(gap <= 5e-6, `${gap}`);
  });

function transposed({ shape, data }: HostTensor<"float32" | "int32">): HostTensor<"float32"> {
  const [rows, columns] = shape as [number, number];
  const out = new Float32Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return tensor("float32", [columns, rows], out);
}
