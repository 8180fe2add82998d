/**
 * The fields of a decoder's `config.json` beside those that every family shares. From published folders (Llama 2 and 3,
 * Mistral, SmolLM, TinyLlama, Qwen2, Qwen2.5, Qwen3) and the configuration classes of
 * https://github.com/huggingface/transformers.
 */
import { followed, harmless, oneOf, only, SHARED_FIELDS, type FieldRow } from "./config-fields.ts";
import { ROPE_FIELDS } from "./rotary.ts";

/** Of every decoder. */
export const DECODER_FIELDS: readonly FieldRow[] = [
  ...SHARED_FIELDS,
  // Which tokenizer a folder has is read from its own files.
  ...harmless("tokenizer_class"),
  ...only("is_decoder", oneOf(false), "there is no other text to attend to"),
];

const allFull = (value: unknown): boolean => Array.isArray(value) && value.every((one) => one === "full_attention");
const sliding = (value: unknown): boolean => Array.isArray(value) && value.every((one) => one === "sliding_attention");

/** Of the Llama-like ones. */
export const GATED_DECODER_FIELDS: readonly FieldRow[] = [
  ...DECODER_FIELDS,
  ...followed(
    `vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim
     max_position_embeddings rms_norm_eps initializer_range attention_dropout hidden_dropout classifier_dropout
     tie_word_embeddings pad_token_id ${ROPE_FIELDS}`,
  ),
  // Marks of conversions: what they say is said by `model_type`.
  ...harmless("is_llama_config"),
  ...only("hidden_act", oneOf("silu", "swish"), "the gate has SiLU here"),
  ...only("pretraining_tp", oneOf(1), "products are whole here"),
  ...only("rope_interleaved", oneOf(false), "an element is turned with the one half a head away here"),
  ...only("partial_rotary_factor", oneOf(1), "whole heads are turned here"),
];

/** Every layer sees all tokens before it. */
export const FULL_ATTENTION: readonly FieldRow[] = [
  ...only("use_sliding_window", oneOf(false), "every layer sees the whole text before a token here"),
  ...only("layer_types", allFull, "every layer sees the whole text before a token here"),
  // Without `use_sliding_window` they are not looked at.
  ...harmless("sliding_window max_window_layers"),
];

/** Every layer has the window, where there is one. */
export const SLIDING_ATTENTION: readonly FieldRow[] = [
  ...followed("sliding_window"),
  ...only(
    "layer_types",
    (value, all) => (all["sliding_window"] === null ? allFull(value) : sliding(value)),
    'all layers see "sliding_window" tokens here, or all of them see all',
  ),
];
