/**
 * Llama (Touvron et al. 2023; Llama 3 with its scaled rotations), and what is published in its layout: SmolLM,
 * TinyLlama, and Mistral, which has a window of tokens.
 */
import { followed, type FieldRule } from "./config-fields.ts";
import { GATED_DECODER_FIELDS, SLIDING_ATTENTION } from "./decoder-fields.ts";
import type { Family } from "./family.ts";
import { formatGatedDecoder, gatedDecoder, type GatedDecoderConfig } from "./gated-decoder.ts";

const LLAMA_SIZES = {
  vocab_size: 32_000,
  hidden_size: 4096,
  intermediate_size: 11_008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: null,
  head_dim: null,
  max_position_embeddings: 2048,
  sliding_window: null,
} as const;

export const LLAMA: Family<GatedDecoderConfig> = {
  ...gatedDecoder(LLAMA_SIZES, ({ attention_bias, mlp_bias }) => ({
    queryKeyValueBias: attention_bias,
    outputBias: attention_bias,
    feedForwardBias: mlp_bias,
    headNorms: false,
  })),
  title: "Llama",
  fields: new Map<string, FieldRule>([...GATED_DECODER_FIELDS, ...followed("attention_bias mlp_bias")]),
  architectures: {
    LlamaForCausalLM: "causal-lm",
    LlamaForSequenceClassification: "sequence",
    LlamaForTokenClassification: "token",
    LlamaModel: "encoder",
    // the name that early conversions have
    LLaMAForCausalLM: "causal-lm",
  },
  format: (config) => ({
    ...formatGatedDecoder(config),
    attention_bias: config.attention_bias,
    mlp_bias: config.mlp_bias,
  }),
};

export const MISTRAL: Family<GatedDecoderConfig> = {
  ...gatedDecoder(
    {
      ...LLAMA_SIZES,
      intermediate_size: 14_336,
      num_key_value_heads: 8,
      max_position_embeddings: 131_072,
      sliding_window: 4096,
    },
    () => ({ queryKeyValueBias: false, outputBias: false, feedForwardBias: false, headNorms: false }),
  ),
  title: "Mistral",
  fields: new Map<string, FieldRule>([...GATED_DECODER_FIELDS, ...SLIDING_ATTENTION]),
  architectures: {
    MistralForCausalLM: "causal-lm",
    MistralForSequenceClassification: "sequence",
    MistralForTokenClassification: "token",
    MistralModel: "encoder",
  },
  format: (config) => ({ ...formatGatedDecoder(config), sliding_window: config.sliding_window }),
};
