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
import { stories, storiesReference } from "./stories.ts";

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

for (const executorName of EXECUTORS)
  test(`stories260K in ${executorName}: logits, likelihoods, and the greedy text`, async (t) => {
    const reference = storiesReference();
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
