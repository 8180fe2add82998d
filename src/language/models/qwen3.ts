/** Qwen3 (Yang et al. 2025): Llama's layers with an RMS norm of each head of queries and keys; heads of any width. */
import { followed, type FieldRule } from "./config-fields.ts";
import { FULL_ATTENTION, GATED_DECODER_FIELDS } from "./decoder-fields.ts";
import type { Family } from "./family.ts";
import { formatGatedDecoder, gatedDecoder, type GatedDecoderConfig } from "./gated-decoder.ts";

const SIZES = {
  vocab_size: 151_936,
  hidden_size: 4096,
  intermediate_size: 22_016,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 32,
  head_dim: 128,
  max_position_embeddings: 32_768,
  sliding_window: null,
} as const;
const decoder = gatedDecoder(SIZES, ({ attention_bias }) => ({
  queryKeyValueBias: attention_bias,
  outputBias: attention_bias,
  feedForwardBias: false,
  headNorms: true,
}));

export const QWEN3: Family<GatedDecoderConfig> = {
  ...decoder,
  tokenizerClass: "Qwen2Tokenizer",
  textLayout: "decoder",
  title: "Qwen3",
  fields: new Map<string, FieldRule>([...GATED_DECODER_FIELDS, ...FULL_ATTENTION, ...followed("attention_bias")]),
  architectures: {
    Qwen3ForCausalLM: "causal-lm",
    Qwen3ForSequenceClassification: "sequence",
    Qwen3ForTokenClassification: "token",
    Qwen3Model: "encoder",
  },
  parse: (json) => decoder.parse({ ...json, sliding_window: null }),
  format: (config) => ({
    ...formatGatedDecoder(config),
    attention_bias: config.attention_bias,
    use_sliding_window: false,
    sliding_window: null,
  }),
};
