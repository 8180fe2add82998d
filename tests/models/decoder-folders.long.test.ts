/**
 * Folders of decoders that are written here open in Python's `transformers`, with the same logits, for every head.
 * @concurrent
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seedFrom } from "../../src/base/index.ts";
import {
  batchInputs,
  formatModelConfig,
  initializeParameters,
  modelGraph,
  modelParameters,
  newModelConfig,
  parseModelConfig,
  type FamilyName,
  type Head,
  type ModelConfig,
} from "../../src/language/models/index.ts";
import { createExecutor, type Executor } from "../../src/numeric/runtime/index.ts";
import { encodeSafetensors, tensor } from "../../src/numeric/tensor/index.ts";

const PYTHON = process.env["LOCKSTEP_PEER_PYTHON"] ?? "python3";
const PEER = join(import.meta.dirname, "peers/decoders_peer.py");
const { status } = spawnSync(PYTHON, ["-c", "import torch, transformers"], { stdio: "ignore" });
const skip =
  status === 0 ? false : `${PYTHON} has no torch and transformers; name a Python that has both in LOCKSTEP_PEER_PYTHON`;

const HEADS: readonly Head[] = [
  { kind: "causal-lm" },
  { kind: "sequence", labels: 3, pooling: "last" },
  { kind: "token", labels: 3 },
];
const LLAMA3 = {
  rope_type: "llama3",
  rope_theta: 500,
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};
/** What a model from nothing does not have. */
const OTHERWISE: Partial<Record<FamilyName, object>> = {
  llama: {
    num_key_value_heads: 2,
    tie_word_embeddings: false,
    attention_bias: true,
    mlp_bias: true,
    rope_theta: null,
    rope_parameters: LLAMA3,
  },
  mistral: { sliding_window: 3 },
  qwen3: { head_dim: 6 },
};
const IDS = [
  [3, 7, 9, 22, 5],
  [8, 1, 39, 4, 4],
];
const [N, T] = [10, 5];

function configOf(name: FamilyName, head: Head): ModelConfig {
  const config = newModelConfig(name, {
    vocab_size: 40,
    hidden_size: 16,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 24,
    max_position_embeddings: 32,
    pad_token_id: 0,
    initializer_range: 0.2,
  });
  const written = JSON.parse(formatModelConfig(config, head, undefined)) as object;
  return parseModelConfig({ ...written, ...OTHERWISE[name] }).config;
}

/** Writes the folder, and gives its logits. */
async function write(folder: string, executor: Executor, config: ModelConfig, head: Head): Promise<readonly number[]> {
  const weights = initializeParameters(modelParameters(config, head), 0.2, seedFrom(folder.length));
  mkdirSync(folder);
  writeFileSync(
    join(folder, "config.json"),
    formatModelConfig(config, head, "labels" in head ? ["a", "b", "c"] : undefined),
  );
  writeFileSync(join(folder, "model.safetensors"), encodeSafetensors(weights, { format: "pt" }));
  const session = await executor.load(modelGraph(config, head), {
    form: "packed",
    weights: Object.fromEntries(weights),
  });
  const rows = IDS.map((ids) => ({ ids: Int32Array.from(ids) }));
  const shape = [head.kind === "sequence" ? IDS.length : N, head.kind === "causal-lm" ? config.vocab_size : 3];
  const logits = tensor("float32", shape, new Float32Array(shape[0]! * shape[1]!));
  const everywhere = tensor(
    "int32",
    [N],
    Int32Array.from({ length: N }, (_, i) => i),
  );
  await session.run(
    {
      ...batchInputs(rows, config, head, { tokens: T, padId: 0, real: "float32" }),
      ...(head.kind === "causal-lm" ? { positions: everywhere } : {}),
    },
    { logits },
  );
  await session.dispose();
  return [...logits.data];
}

test("every decoder and head", { skip }, async (t) => {
  const root = mkdtempSync(join(tmpdir(), "lockstep-decoders-"));
  t.after(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const executor = await createExecutor("native");
  const cases: { readonly folder: string; readonly ids: typeof IDS; readonly logits: readonly number[] }[] = [];
  for (const name of ["gpt2", "llama", "mistral", "qwen2", "qwen3"] satisfies FamilyName[])
    for (const head of HEADS) {
      const folder = join(root, `${name}-${head.kind}`);
      cases.push({ folder, ids: IDS, logits: await write(folder, executor, configOf(name, head), head) });
    }
  const list = join(root, "cases.json");
  writeFileSync(list, JSON.stringify(cases.map(({ folder, ids }) => ({ folder, ids }))));
  const { stdout, stderr, status: code } = spawnSync(PYTHON, [PEER, list], { encoding: "utf8" });
  assert.equal(code, 0, stderr);
  const answers = JSON.parse(stdout) as { architecture: string; unread: string[]; logits: number[] }[];
  answers.forEach(({ architecture, unread, logits }, i) => {
    const largest = Math.max(...logits.map(Math.abs));
    const gap = Math.max(...logits.map((logit, k) => Math.abs(logit - cases[i]!.logits[k]!))) / largest;
    t.diagnostic(`${architecture} ${gap.toExponential(1)}`);
    assert.deepEqual(unread, [], architecture);
    assert.equal(logits.length, cases[i]!.logits.length);
    assert.ok(gap <= 1e-5, `${architecture}: ${gap}`);
  });
  assert.equal(answers.length, cases.length);
});
