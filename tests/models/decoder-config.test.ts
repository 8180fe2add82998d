/** `config.json` of decoders: both dialects, what is followed, what is refused by its name, and reading back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import {
  architectureOf,
  formatModelConfig,
  modelParameters,
  newModelConfig,
  parseModelConfig,
  withDropout,
  type FamilyName,
  type Head,
} from "../../src/language/models/index.ts";

/** As published folders have them; the second one as transformers 5 writes it. */
const PUBLISHED: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "Llama 3.2": {
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    attention_dropout: 0.0,
    bos_token_id: 128000,
    eos_token_id: [128001, 128008, 128009],
    head_dim: 64,
    hidden_act: "silu",
    hidden_size: 2048,
    initializer_range: 0.02,
    intermediate_size: 8192,
    max_position_embeddings: 131072,
    mlp_bias: false,
    model_type: "llama",
    num_attention_heads: 32,
    num_hidden_layers: 16,
    num_key_value_heads: 8,
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_scaling: {
      factor: 32.0,
      high_freq_factor: 4.0,
      low_freq_factor: 1.0,
      original_max_position_embeddings: 8192,
      rope_type: "llama3",
    },
    rope_theta: 500000.0,
    tie_word_embeddings: true,
    torch_dtype: "bfloat16",
    transformers_version: "4.45.0.dev0",
    use_cache: true,
    vocab_size: 128256,
  },
  "Llama 3.2 of transformers 5": {
    architectures: ["LlamaForCausalLM"],
    dtype: "bfloat16",
    head_dim: 64,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 8192,
    max_position_embeddings: 131072,
    model_type: "llama",
    num_attention_heads: 32,
    num_hidden_layers: 16,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_parameters: {
      factor: 32.0,
      high_freq_factor: 4.0,
      low_freq_factor: 1.0,
      original_max_position_embeddings: 8192,
      rope_theta: 500000.0,
      rope_type: "llama3",
    },
    tie_word_embeddings: true,
    vocab_size: 128256,
  },
  SmolLM: {
    architectures: ["LlamaForCausalLM"],
    bos_token_id: 0,
    eos_token_id: 0,
    hidden_act: "silu",
    hidden_size: 576,
    initializer_range: 0.041666666666666664,
    intermediate_size: 1536,
    is_llama_config: true,
    max_position_embeddings: 8192,
    model_type: "llama",
    num_attention_heads: 9,
    num_hidden_layers: 30,
    num_key_value_heads: 3,
    pretraining_tp: 1,
    rms_norm_eps: 1e-5,
    rope_interleaved: false,
    rope_scaling: null,
    rope_theta: 100000,
    tie_word_embeddings: true,
    vocab_size: 49152,
  },
  Mistral: {
    architectures: ["MistralForCausalLM"],
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 32768,
    model_type: "mistral",
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_theta: 10000.0,
    sliding_window: 4096,
    tie_word_embeddings: false,
    vocab_size: 32000,
  },
  "Qwen2.5": {
    architectures: ["Qwen2ForCausalLM"],
    attention_dropout: 0.0,
    hidden_act: "silu",
    hidden_size: 896,
    intermediate_size: 4864,
    max_position_embeddings: 32768,
    max_window_layers: 24,
    model_type: "qwen2",
    num_attention_heads: 14,
    num_hidden_layers: 24,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 1000000.0,
    sliding_window: 32768,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
  Qwen3: {
    architectures: ["Qwen3ForCausalLM"],
    attention_bias: false,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 1024,
    intermediate_size: 3072,
    max_position_embeddings: 40960,
    max_window_layers: 28,
    model_type: "qwen3",
    num_attention_heads: 16,
    num_hidden_layers: 28,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    tie_word_embeddings: true,
    use_sliding_window: false,
    vocab_size: 151936,
  },
  "GPT-2": {
    activation_function: "gelu_new",
    architectures: ["GPT2LMHeadModel"],
    attn_pdrop: 0.1,
    bos_token_id: 50256,
    embd_pdrop: 0.1,
    eos_token_id: 50256,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: "gpt2",
    n_ctx: 1024,
    n_embd: 768,
    n_head: 12,
    n_layer: 12,
    n_positions: 1024,
    resid_pdrop: 0.1,
    summary_activation: null,
    summary_first_dropout: 0.1,
    summary_proj_to_labels: true,
    summary_type: "cls_index",
    summary_use_proj: true,
    task_specific_params: { "text-generation": { do_sample: true, max_length: 50 } },
    vocab_size: 50257,
  },
};
const CAUSAL: Head = { kind: "causal-lm" };

function refused(json: object): { readonly field: unknown; readonly message: string } {
  try {
    parseModelConfig(json);
  } catch (thrown) {
    if (isLockstepError(thrown) && thrown.code === "MODEL_INVALID")
      return { field: thrown.details["field"], message: thrown.message };
    throw thrown;
  }
  return assert.fail(`not refused: ${JSON.stringify(json)}`);
}
const llama = PUBLISHED["Llama 3.2"]!;
const qwen3 = PUBLISHED["Qwen3"]!;

/** Elements of all parameters; sizes of the published checkpoints. */
const SIZES: Readonly<Record<string, number>> = {
  "Llama 3.2": 1_235_814_400,
  "Llama 3.2 of transformers 5": 1_235_814_400,
  SmolLM: 134_515_008,
  Mistral: 7_241_732_096,
  "Qwen2.5": 494_032_768,
  Qwen3: 596_049_920,
  "GPT-2": 124_439_808,
};

describe("config.json of decoders", () => {
  for (const [name, json] of Object.entries(PUBLISHED))
    test(`${name}: read, as large as published, and the same when it was written`, () => {
      const parsed = parseModelConfig(json);
      const count = modelParameters(parsed.config, CAUSAL).reduce(
        (sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1),
        0,
      );
      assert.equal(count, SIZES[name]);
      const written = JSON.parse(formatModelConfig(parsed.config, CAUSAL, undefined)) as object;
      assert.deepEqual(parseModelConfig(written), { ...parsed, architecture: architectureOf(parsed.config, CAUSAL) });
    });

  test("both dialects of the rotation say the same", () => {
    assert.deepEqual(parseModelConfig(PUBLISHED["Llama 3.2 of transformers 5"]).config, parseModelConfig(llama).config);
    const old = parseModelConfig({ ...llama, rope_scaling: { type: "linear", factor: 2 } }).config;
    const now = parseModelConfig({
      ...llama,
      rope_theta: null,
      rope_scaling: null,
      rope_parameters: { rope_type: "linear", factor: 2, rope_theta: 500000 },
    }).config;
    assert.deepEqual(now, old);
  });

  test("rotations that are not followed are refused by their kind, and two dialects that disagree by the field", () => {
    const { field, message } = refused({ ...llama, rope_scaling: { rope_type: "yarn", factor: 4 } });
    assert.equal(field, "rope_scaling");
    assert.match(message, /"yarn" is not followed here; default, linear, llama3 are/);
    assert.equal(
      refused({ ...llama, rope_scaling: { rope_type: "linear", factor: 4, beta: 1 } }).field,
      "rope_scaling",
    );
    assert.equal(
      refused({ ...llama, rope_scaling: { rope_type: "llama3", factor: 4 } }).field,
      "rope_scaling.low_freq_factor",
    );
    assert.equal(refused({ ...llama, rope_scaling: 3 }).field, "rope_scaling");
    assert.equal(refused({ ...llama, rope_theta: 0 }).field, "rope_theta");
    const newer = { rope_type: "default", rope_theta: 10000 };
    assert.equal(refused({ ...llama, rope_scaling: null, rope_parameters: newer }).field, "rope_theta");
    assert.equal(refused({ ...llama, rope_theta: null, rope_parameters: newer }).field, "rope_scaling");
    const both = { full_attention: newer, sliding_attention: newer };
    assert.match(refused({ ...qwen3, rope_theta: null, rope_parameters: both }).message, /rope_parameters/);
    const crossed = { ...(llama["rope_scaling"] as object), low_freq_factor: 5 };
    assert.equal(refused({ ...llama, rope_scaling: crossed }).field, "rope_scaling.high_freq_factor");
  });

  test("what would be another model is refused by name", () => {
    const cases: readonly (readonly [string, object])[] = [
      ["hidden_act", { ...llama, hidden_act: "gelu" }],
      ["sliding_window", { ...llama, sliding_window: 512 }],
      ["pretraining_tp", { ...llama, pretraining_tp: 2 }],
      ["rope_interleaved", { ...llama, rope_interleaved: true }],
      ["partial_rotary_factor", { ...llama, partial_rotary_factor: 0.5 }],
      ["mlp_bias", { ...PUBLISHED["Mistral"], mlp_bias: true }],
      ["use_sliding_window", { ...qwen3, use_sliding_window: true }],
      ["layer_types", { ...qwen3, layer_types: ["full_attention", "sliding_attention"] }],
      ["layer_types", { ...PUBLISHED["Mistral"], layer_types: ["full_attention"] }],
      ["activation_function", { ...PUBLISHED["GPT-2"], activation_function: "gelu" }],
      ["scale_attn_by_inverse_layer_idx", { ...PUBLISHED["GPT-2"], scale_attn_by_inverse_layer_idx: true }],
      ["num_experts", { ...qwen3, num_experts: 8 }],
      ["quantization_config", { ...llama, quantization_config: { bits: 4 } }],
    ];
    for (const [field, json] of cases) assert.equal(refused(json).field, field);
  });

  test("sizes are bounded, and have to go together", () => {
    const cases: readonly (readonly [string, object])[] = [
      ["vocab_size", { ...llama, vocab_size: 1e12 }],
      ["num_hidden_layers", { ...llama, num_hidden_layers: 257 }],
      ["head_dim", { ...llama, head_dim: 63 }],
      ["head_dim", { ...llama, head_dim: 1e6 }],
      ["hidden_size", { ...llama, head_dim: null, hidden_size: 2049 }],
      ["num_key_value_heads", { ...llama, num_key_value_heads: 5 }],
      ["num_key_value_heads", { ...llama, num_key_value_heads: 0 }],
      ["pad_token_id", { ...llama, pad_token_id: 128256 }],
      ["max_position_embeddings", { ...llama, max_position_embeddings: 1e9 }],
      ["sliding_window", { ...PUBLISHED["Mistral"], sliding_window: 0 }],
      ["hidden_size", { ...PUBLISHED["GPT-2"], n_embd: 767 }],
      ["n_inner", { ...PUBLISHED["GPT-2"], n_inner: 1e9 }],
    ];
    for (const [field, json] of cases) assert.equal(refused(json).field, field, JSON.stringify(json));
  });

  test("a head of its own instead of the table of words", () => {
    for (const json of [llama, PUBLISHED["GPT-2"]!]) {
      const names = (tied: boolean): string[] =>
        modelParameters(parseModelConfig({ ...json, tie_word_embeddings: tied }).config, CAUSAL).map(
          ({ name }) => name,
        );
      assert.deepEqual([names(true).at(-1)?.startsWith("lm_head"), names(false).at(-1)], [false, "lm_head.weight"]);
    }
  });

  test("Mistral without the field has the window of its class; null is none", () => {
    const { sliding_window: _, ...without } = PUBLISHED["Mistral"]!;
    const windowOf = (json: object) => (parseModelConfig(json).config as { sliding_window?: unknown }).sliding_window;
    assert.deepEqual([windowOf(without), windowOf({ ...without, sliding_window: null })], [4096, null]);
  });

  test("heads: which classes are opened, and that a decoder has no words to fill in", () => {
    const { config } = parseModelConfig(qwen3);
    const heads: readonly (readonly [Head, string])[] = [
      [CAUSAL, "Qwen3ForCausalLM"],
      [{ kind: "sequence", labels: 2, pooling: "last" }, "Qwen3ForSequenceClassification"],
      [{ kind: "sequence", labels: 2, pooling: "mean" }, "Qwen3Model"],
      [{ kind: "token", labels: 2 }, "Qwen3ForTokenClassification"],
      [{ kind: "encoder", pooling: "last" }, "Qwen3Model"],
    ];
    for (const [head, name] of heads) assert.equal(architectureOf(config, head), name);
    assert.throws(() => modelParameters(config, { kind: "masked-lm" }), /Qwen3 has no head "masked-lm"/);
  });

  test("a model that starts from nothing, and its dropout", () => {
    const sizes = {
      vocab_size: 50,
      hidden_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      intermediate_size: 24,
      max_position_embeddings: 12,
      pad_token_id: 3,
      initializer_range: 0.04,
    };
    for (const name of ["gpt2", "llama", "mistral", "qwen2", "qwen3"] satisfies FamilyName[]) {
      const config = withDropout(newModelConfig(name, sizes), { hidden: 0.1, attention: 0.2, classifier: 0.3 });
      const head: Head = { kind: "sequence", labels: 2, pooling: "last" };
      const written = parseModelConfig(JSON.parse(formatModelConfig(config, head, ["a", "b"])) as object);
      assert.deepEqual(written.config, config, name);
      assert.deepEqual(
        [config.hidden_size, config.max_position_embeddings, config.pad_token_id, config.initializer_range],
        [16, 12, 3, 0.04],
      );
    }
  });
});
