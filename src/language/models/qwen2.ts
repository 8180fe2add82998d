/** Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's layers with biases on queries, keys and values. */
import type { FieldRule } from "./config-fields.ts";
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
  head_dim: null,
  max_position_embeddings: 32_768,
  sliding_window: null,
} as const;
const decoder = gatedDecoder(SIZES, () => ({
  queryKeyValueBias: true,
  outputBias: false,
  feedForwardBias: false,
  headNorms: false,
}));

export const QWEN2: Family<GatedDecoderConfig> = {
  ...decoder,
  tokenizerClass: "Qwen2Tokenizer",
  textLayout: "decoder",
  title: "Qwen2",
  fields: new Map<string, FieldRule>([...GATED_DECODER_FIELDS, ...FULL_ATTENTION]),
  architectures: {
    Qwen2ForCausalLM: "causal-lm",
    Qwen2ForSequenceClassification: "sequence",
    Qwen2ForTokenClassification: "token",
    Qwen2Model: "encoder",
  },
  parse: (json) => decoder.parse({ ...json, sliding_window: null }),
  format: (config) => ({ ...formatGatedDecoder(config), use_sliding_window: false, sliding_window: null }),
};
