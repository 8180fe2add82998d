/**
 * A GGUF file as the folder that it was converted from: weights in their places, config, and what is refused. Long: a
 * table of refusals.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { matchWeights, modelParameters, parseModelConfig, withDropout } from "../../src/language/models/index.ts";
import { encodeSafetensors, readSafetensors, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { openFolder, openGgufFile } from "../../src/work/store/index.ts";
import {
  f32,
  floats,
  floatTensor,
  ggufBytes,
  ints,
  paired,
  string,
  strings,
  u32,
  type Entry,
  type Info,
} from "../tensor/gguf-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "gguf-file-"));
after(() => rmSync(folder, { recursive: true }));

const SIZES = { V: 11, C: 12, F: 10, H: 3, G: 1, D: 4, P: 16, L: 2 };
const { V, C, F, H, G, D, P, L } = SIZES;

/** Values that are all different, so that no wrong place goes unseen. */
let next = 1;
const filled = (...shape: number[]): HostTensor<"float32"> =>
  tensor(
    "float32",
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next++),
  );
const dataOf = (one: HostTensor | undefined): Float32Array => one?.data as Float32Array;

/** A folder's tensors, and what each is called in the file. */
function llamaWeights(extra: Readonly<Record<string, readonly [string, ...number[]]>> = {}): {
  readonly weights: Map<string, HostTensor<"float32">>;
  readonly sources: Map<string, string>;
} {
  const weights = new Map<string, HostTensor<"float32">>();
  const sources = new Map<string, string>();
  const add = (name: string, source: string, ...shape: number[]): void => {
    weights.set(name, filled(...shape));
    sources.set(name, source);
  };
  add("model.embed_tokens.weight", "token_embd.weight", V, C);
  add("model.norm.weight", "output_norm.weight", C);
  for (let layer = 0; layer < L; layer++) {
    const at = `model.layers.${layer}`;
    const blk = `blk.${layer}`;
    add(`${at}.input_layernorm.weight`, `${blk}.attn_norm.weight`, C);
    add(`${at}.self_attn.q_proj.weight`, `${blk}.attn_q.weight`, H * D, C);
    add(`${at}.self_attn.k_proj.weight`, `${blk}.attn_k.weight`, G * D, C);
    add(`${at}.self_attn.v_proj.weight`, `${blk}.attn_v.weight`, G * D, C);
    add(`${at}.self_attn.o_proj.weight`, `${blk}.attn_output.weight`, C, H * D);
    add(`${at}.post_attention_layernorm.weight`, `${blk}.ffn_norm.weight`, C);
    add(`${at}.mlp.gate_proj.weight`, `${blk}.ffn_gate.weight`, F, C);
    add(`${at}.mlp.up_proj.weight`, `${blk}.ffn_up.weight`, F, C);
    add(`${at}.mlp.down_proj.weight`, `${blk}.ffn_down.weight`, C, F);
    for (const [name, [source, ...shape]] of Object.entries(extra)) add(`${at}.${name}`, `${blk}.${source}`, ...shape);
  }
  return { weights, sources };
}

const TOKENS = ["<unk>", "<s>", "</s>", "<0x41>", "\u2581", "a", "b", "ab", "\u2581ab", "c", "<pad>"];
const TOKENIZER: readonly Entry[] = [
  string("tokenizer.ggml.model", "llama"),
  strings("tokenizer.ggml.tokens", TOKENS),
  floats(
    "tokenizer.ggml.scores",
    TOKENS.map((_, i) => -i),
  ),
  ints("tokenizer.ggml.token_type", [2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 3]),
  u32("tokenizer.ggml.bos_token_id", 1),
  u32("tokenizer.ggml.eos_token_id", 2),
  u32("tokenizer.ggml.padding_token_id", 10),
];
function entriesOf(name: string, more: readonly Entry[] = []): readonly Entry[] {
  return [
    string("general.architecture", name),
    string("general.name", "anything"),
    u32(`${name}.context_length`, P),
    u32(`${name}.embedding_length`, C),
    u32(`${name}.block_count`, L),
    u32(`${name}.feed_forward_length`, F),
    u32(`${name}.attention.head_count`, H),
    ...more,
    ...TOKENIZER,
  ];
}
const gated = (name: string, more: readonly Entry[] = []): readonly Entry[] =>
  entriesOf(name, [
    u32(`${name}.attention.head_count_kv`, G),
    f32(`${name}.attention.layer_norm_rms_epsilon`, 1e-5),
    f32(`${name}.rope.freq_base`, 500_000),
    ...more,
  ]);

function written(entries: readonly Entry[], tensors: readonly Info[], name = "model.gguf"): string {
  const path = join(folder, name);
  writeFileSync(path, ggufBytes({ entries, tensors }));
  return path;
}

async function opened(
  path: string,
): Promise<{ readonly config: Record<string, unknown>; readonly weights: ReadonlyMap<string, HostTensor> }> {
  const { files } = await openGgufFile(path, {
    allocate: (_, bytes) => new Uint8Array(new SharedArrayBuffer(bytes)),
  });
  assert.deepEqual([...files.keys()], ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]);
  assert.ok(files.get("model.safetensors")!.buffer instanceof SharedArrayBuffer);
  return {
    config: JSON.parse(new TextDecoder().decode(files.get("config.json"))) as Record<string, unknown>,
    weights: readSafetensors(files.get("model.safetensors")!).tensors,
  };
}

function sameWeights(found: ReadonlyMap<string, HostTensor>, expected: ReadonlyMap<string, HostTensor>): void {
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { shape, data }] of expected)
    assert.deepEqual({ ...found.get(name) }, { dtype: "float32", shape, data }, name);
}

test("Llama: rows of queries and keys go back to their places, biases too; the config", async () => {
  const biases = {
    "self_attn.q_proj.bias": ["attn_q.bias", H * D],
    "self_attn.k_proj.bias": ["attn_k.bias", G * D],
    "self_attn.v_proj.bias": ["attn_v.bias", G * D],
    "self_attn.o_proj.bias": ["attn_output.bias", C],
  } as const;
  const { weights, sources } = llamaWeights(biases);
  weights.set("lm_head.weight", filled(V, C));
  sources.set("lm_head.weight", "output.weight");
  const heads = (name: string): number | undefined =>
    name.includes("q_proj") ? H : name.includes("k_proj") ? G : undefined;
  const tensors = [...weights].map(([name, one]): Info => {
    const stored = heads(name) === undefined ? one : paired(one, heads(name)!);
    return floatTensor(sources.get(name)!, stored.shape, stored.data);
  });
  const { config, weights: found } = await opened(written(gated("llama"), tensors));
  sameWeights(found, weights);
  assert.deepEqual(config, {
    model_type: "llama",
    architectures: ["LlamaForCausalLM"],
    vocab_size: V,
    hidden_size: C,
    intermediate_size: F,
    num_hidden_layers: L,
    num_attention_heads: H,
    num_key_value_heads: G,
    head_dim: D,
    max_position_embeddings: P,
    rms_norm_eps: 1e-5,
    hidden_act: "silu",
    tie_word_embeddings: false,
    rope_theta: 500_000,
    rope_scaling: null,
    attention_bias: true,
    mlp_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    pad_token_id: 10,
    dtype: "float32",
  });
});

test("Qwen: rows lie as in the folder; norms of single heads; a missing output is the table of words", async () => {
  const { weights, sources } = llamaWeights({
    "self_attn.q_norm.weight": ["attn_q_norm.weight", D],
    "self_attn.k_norm.weight": ["attn_k_norm.weight", D],
  });
  const tensors = [...weights].map(([name, { shape, data }]) => floatTensor(sources.get(name)!, shape, data));
  const { config, weights: found } = await opened(
    written(gated("qwen3", [u32("qwen3.attention.key_length", D), u32("qwen3.attention.value_length", D)]), tensors),
  );
  sameWeights(found, weights);
  assert.deepEqual(
    [config["model_type"], config["head_dim"], config["tie_word_embeddings"], config["architectures"]],
    ["qwen3", D, true, ["Qwen3ForCausalLM"]],
  );
});

const GPT2 = entriesOf("gpt2", [f32("gpt2.attention.layer_norm_epsilon", 1e-5)]);
/** Tensors of the file, and of the folder. */
function gpt2Weights(): { readonly tensors: Info[]; readonly weights: Map<string, HostTensor<"float32">> } {
  const weights = new Map<string, HostTensor<"float32">>();
  const tensors: Info[] = [];
  const add = (name: string, source: string, turned: boolean, ...shape: number[]): void => {
    const one = filled(...shape);
    weights.set(name, one);
    const [rows = 0, columns = 0] = shape;
    const stored = turned
      ? Float32Array.from({ length: rows * columns }, (_, i) => one.data[(i % rows) * columns + Math.floor(i / rows)]!)
      : one.data;
    tensors.push(floatTensor(source, turned ? [columns, rows] : shape, stored));
  };
  add("transformer.wte.weight", "token_embd.weight", false, V, C);
  add("transformer.wpe.weight", "position_embd.weight", false, P, C);
  for (let layer = 0; layer < L; layer++) {
    const [at, blk] = [`transformer.h.${layer}`, `blk.${layer}`];
    for (const [name, source] of [
      ["ln_1", "attn_norm"],
      ["ln_2", "ffn_norm"],
    ] as const)
      for (const kind of ["weight", "bias"]) add(`${at}.${name}.${kind}`, `${blk}.${source}.${kind}`, false, C);
    for (const [name, source, inputs, outputs] of [
      ["attn.c_attn", "attn_qkv", C, 3 * C],
      ["attn.c_proj", "attn_output", C, C],
      ["mlp.c_fc", "ffn_up", C, F],
      ["mlp.c_proj", "ffn_down", F, C],
    ] as const) {
      add(`${at}.${name}.weight`, `${blk}.${source}.weight`, true, inputs, outputs);
      add(`${at}.${name}.bias`, `${blk}.${source}.bias`, false, outputs);
    }
  }
  for (const kind of ["weight", "bias"]) add(`transformer.ln_f.${kind}`, `output_norm.${kind}`, false, C);
  return { tensors, weights };
}

test("GPT-2: linear layers are turned back; a copy of the table of words must be one", async () => {
  const { tensors, weights } = gpt2Weights();
  const { config, weights: found } = await opened(written(GPT2, tensors));
  sameWeights(found, weights);
  assert.deepEqual(
    [config["n_embd"], config["n_layer"], config["n_head"], config["n_inner"], config["n_positions"]],
    [C, L, H, F, P],
  );
  const words = weights.get("transformer.wte.weight")!;
  const copy = floatTensor("output.weight", [V, C], words.data);
  sameWeights((await opened(written(GPT2, [...tensors, copy]))).weights, weights);
  const other = floatTensor(
    "output.weight",
    [V, C],
    words.data.map((x, i) => (i === 7 ? 0 : x)),
  );
  await assert.rejects(openGgufFile(written(GPT2, [...tensors, other])), {
    code: "MODEL_INVALID",
    message: /"output.weight" and "token_embd.weight" with other values/,
  });
});

test("the divisors of Llama 3.1's frequencies become its scaling, and any others are refused", async () => {
  const { weights, sources } = llamaWeights();
  const plain = [...weights].map(([name, { shape, data }]) => floatTensor(sources.get(name)!, shape, data));
  // For a base of 500,000: turns in 8,192 tokens are 1,303.8 and 1.84 (between 1 and 4, so in part).
  const smooth = (8192 / (2 * Math.PI * Math.sqrt(500_000)) - 1) / 3;
  const second = 1 / ((1 - smooth) / 8 + smooth);
  const scaled = (divisors: number[]): Promise<{ readonly config: Record<string, unknown> }> =>
    opened(written(gated("llama"), [...plain, floatTensor("rope_freqs.weight", [2], Float32Array.from(divisors))]));
  await assert.rejects(scaled([1, second]), { code: "MODEL_INVALID", message: /rope_freqs.weight are not those/ });
  await assert.rejects(scaled([1, 8]), { code: "MODEL_INVALID", message: /element 1: 8/ });
  assert.equal((await scaled([1, 1])).config["rope_scaling"], null);
  // With eight elements a head, the last one turns less than once.
  const wide = entriesOf("llama", [
    u32("llama.attention.head_count_kv", G),
    f32("llama.attention.layer_norm_rms_epsilon", 1e-6),
    f32("llama.rope.freq_base", 500_000),
    u32("llama.attention.key_length", 8),
  ]);
  const divisors = [0, 1, 2, 3].map((i) => {
    const turns = 8192 / (2 * Math.PI * Math.pow(500_000, i / 4));
    return turns > 4 ? 1 : turns < 1 ? 8 : 1 / ((4 - turns) / 3 / 8 + (turns - 1) / 3);
  });
  const { config } = await opened(
    written(wide, [...plain, floatTensor("rope_freqs.weight", [4], Float32Array.from(divisors))]),
  );
  assert.deepEqual(config["rope_scaling"], {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  });
});

test("what is not followed is refused by name", async () => {
  const { weights, sources } = llamaWeights();
  const plain = [...weights].map(([name, { shape, data }]) => floatTensor(sources.get(name)!, shape, data));
  const refusals: readonly (readonly [readonly Entry[], readonly Info[], RegExp])[] = [
    [[string("general.architecture", "rwkv")], plain, /architecture is "rwkv"; llama, qwen2, qwen3, gpt2 are read/],
    [[], plain, /architecture is not said/],
    [gated("llama", [u32("split.count", 3)]), plain, /one of 3 parts/],
    [gated("llama"), [], /no tensor "token_embd.weight"/],
    [gated("llama", [u32("llama.expert_count", 8)]), plain, /expert_count/],
    [gated("llama", [f32("llama.logit_scale", 2)]), plain, /Unrecognized key: "logit_scale"/],
    [gated("llama", [string("llama.rope.scaling.type", "yarn")]), plain, /rope\.scaling\.type/],
    [gated("llama", [u32("llama.rope.dimension_count", 2)]), plain, /rope.dimension_count is 2, and a head has 4/],
    [gated("llama", [ints("llama.attention.head_count_kv2", [1])]), plain, /Unrecognized key/],
    [entriesOf("llama"), plain, /layer_norm_rms_epsilon/],
    [gated("llama"), [...plain, floatTensor("blk.0.attn_rot.weight", [1], filled(1).data)], /"blk.0.attn_rot.weight"/],
    [gated("llama"), [...plain, floatTensor("blk.00.attn_norm.weight", [1], filled(1).data)], /"blk.00.attn_norm/],
    [gated("llama"), [...plain, floatTensor("lm_head.weight", [1], filled(1).data)], /"lm_head.weight"/],
  ];
  for (const [entries, tensors, message] of refusals)
    await assert.rejects(openGgufFile(written(entries, tensors)), { code: "MODEL_INVALID", message });
  await assert.rejects(openGgufFile(join(folder, "gone.gguf")), { code: "NOT_FOUND" });
  await assert.rejects(openGgufFile(folder), { code: "MODEL_INVALID", message: /not a regular file/ });
});

test("limits come before memory, a link is followed, and a folder's complaint names the file in it", async () => {
  const { weights, sources } = llamaWeights();
  const tensors = [...weights].map(([name, { shape, data }]) => floatTensor(sources.get(name)!, shape, data));
  const path = written(gated("qwen2"), tensors);
  const bytes = 4 * tensors.reduce((sum, { data }) => sum + data.length / 4, 0);
  const seen: (number | string)[] = [];
  const allocate = (): never => assert.fail("memory was taken");
  await assert.rejects(openGgufFile(path, { maxWeightBytes: bytes - 1, allocate }), { code: "INPUT_TOO_LARGE" });
  await assert.rejects(
    openGgufFile(path, {
      allocate,
      beforeWeights: (files, size) => {
        seen.push(size, ...files.keys());
        throw new Error("no");
      },
    }),
    /no/,
  );
  assert.deepEqual(seen, [bytes, "config.json", "tokenizer.json", "tokenizer_config.json"]);
  symlinkSync(path, join(folder, "link.gguf"));
  assert.equal((await openGgufFile(join(folder, "link.gguf"))).name, (await openGgufFile(path)).name);
  await assert.rejects(openFolder(folder), { code: "NOT_FOUND", message: /name the file: .*\.gguf/ });
  const { files } = await openGgufFile(path);
  assert.deepEqual(
    files.get("model.safetensors"),
    encodeSafetensors(readSafetensors(files.get("model.safetensors")!).tensors, { format: "pt" }),
    "the bytes are those that any folder here is written with",
  );
  assert.equal(dataOf(readSafetensors(files.get("model.safetensors")!).tensors.get("model.norm.weight")).length, C);
});

/** What a parameter of a decoder is called in a GGUF file. */
function sourceOf(name: string): string {
  const [, layer, part = ""] = /^(?:model\.layers|transformer\.h)\.(\d+)\.(.+)\.(?:weight|bias)$/.exec(name) ?? [];
  const kind = name.slice(name.lastIndexOf(".") + 1);
  const own = layer === undefined ? name.slice(0, name.lastIndexOf(".")) : part;
  return `${layer === undefined ? "" : `blk.${layer}.`}${PARTS[own] ?? own}.${kind}`;
}
const PARTS: Readonly<Record<string, string>> = {
  "model.embed_tokens": "token_embd",
  "model.norm": "output_norm",
  lm_head: "output",
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.q_norm": "attn_q_norm",
  "self_attn.k_norm": "attn_k_norm",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

for (const name of ["llama", "qwen2", "qwen3"] as const) {
  test(`${name}: a folder of transformers, as a GGUF file, is the same model`, async () => {
    const golden = join(import.meta.dirname, `../fixtures/golden/${name}-causal-lm`);
    const theirs = parseModelConfig(JSON.parse(readFileSync(join(golden, "config.json"), "utf8"))).config;
    const { tensors } = readSafetensors(join(golden, "model.safetensors"));
    assert.ok("num_key_value_heads" in theirs);
    const heads = { q_proj: theirs.num_attention_heads, k_proj: theirs.num_key_value_heads };
    const infos = [...tensors].map(([parameter, one]) => {
      const [, part] = /self_attn\.(q_proj|k_proj)/.exec(parameter) ?? [];
      const whole = one as HostTensor<"float32">;
      const stored = name === "llama" && part !== undefined ? paired(whole, heads[part as keyof typeof heads]) : whole;
      return floatTensor(sourceOf(parameter), stored.shape, stored.data);
    });
    const key = (field: string): string => `${name}.${field}`;
    const entries = [
      string("general.architecture", name),
      u32(key("context_length"), theirs.max_position_embeddings),
      u32(key("embedding_length"), theirs.hidden_size),
      u32(key("block_count"), theirs.num_hidden_layers),
      u32(key("feed_forward_length"), theirs.intermediate_size),
      u32(key("attention.head_count"), theirs.num_attention_heads),
      u32(key("attention.head_count_kv"), theirs.num_key_value_heads),
      u32(key("attention.key_length"), theirs.head_dim),
      f32(key("attention.layer_norm_rms_epsilon"), theirs.rms_norm_eps),
      f32(key("rope.freq_base"), theirs.rope.rope_theta),
      ...TOKENIZER,
      u32("tokenizer.ggml.padding_token_id", theirs.pad_token_id),
    ];
    const { config, weights } = await opened(
      written(
        entries.filter(([one], at) => entries.findLastIndex(([other]) => other === one) === at),
        infos,
      ),
    );
    sameWeights(weights, tensors);
    const { config: ours } = parseModelConfig(config);
    // A GGUF file says nothing of dropout.
    const rates = { hidden: 0, attention: 0, classifier: 0 };
    assert.deepEqual(withDropout(ours, rates), withDropout(theirs, rates));
    const { missing } = matchWeights(ours, modelParameters(ours, { kind: "causal-lm" }), weights);
    assert.deepEqual(missing, []);
  });
}
