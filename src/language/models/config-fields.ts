/**
 * What is known of the fields of a `config.json`, and what is done about each: followed, harmless (it changes no
 * answer), or harmless with certain values only. A field that is in no row is refused by its name, since nobody knows
 * whether answers depend on it. The rows come from published folders and from the configuration classes of
 * `transformers` 4 and 5 (https://github.com/huggingface/transformers, `configuration_utils.py`). Here are the rows
 * that every family shares; each family has its own beside them. Everywhere `null` is the same as no field.
 */

export type FieldRule =
  | { readonly kind: "followed" }
  | { readonly kind: "harmless" }
  /** Any other value would change the model; `because` says how. */
  | { readonly kind: "only"; readonly allows: Allows; readonly because: string };
export type FieldRules = ReadonlyMap<string, FieldRule>;
export type FieldRow = readonly [string, FieldRule];

type Fields = Readonly<Record<string, unknown>>;
type Allows = (value: unknown, all: Fields) => boolean;

export const oneOf =
  (...values: readonly unknown[]): Allows =>
  (value) =>
    values.includes(value);
export const isEmpty: Allows = (value) =>
  value === "" || (typeof value === "object" && value !== null && Object.keys(value).length === 0);

function rows(kind: "followed" | "harmless", names: string): readonly FieldRow[] {
  return names
    .trim()
    .split(/\s+/)
    .map((name) => [name, { kind }] as const);
}
export const followed = (names: string): readonly FieldRow[] => rows("followed", names);
export const harmless = (names: string): readonly FieldRow[] => rows("harmless", names);
export const only = (name: string, allows: Allows, because: string): readonly FieldRow[] => [
  [name, { kind: "only", allows, because }],
];

export const SHARED_FIELDS: readonly FieldRow[] = [
  ...followed("model_type architectures id2label num_labels problem_type"),
  // Who wrote the file, and from what.
  ...harmless(
    `_name_or_path name_or_path _commit_hash transformers_version transformers.js_config finetuning_task
     task_specific_params language name xla_device`,
  ),
  // The names of the classes the other way round; `id2label` decides. `_num_labels` is an old copy of its length.
  ...harmless("label2id _num_labels"),
  // How weights are stored and where they are computed: here always float32.
  ...harmless(
    `torch_dtype dtype use_bfloat16 torchscript gradient_checkpointing chunk_size_feed_forward
     attn_implementation _attn_implementation _attn_implementation_autoset _attn_implementation_internal`,
  ),
  // What a call returns beside the logits.
  ...harmless(
    `output_attentions output_hidden_states output_past output_scores return_dict use_return_dict use_cache
     return_dict_in_generate return_all_scores tf_legacy_loss`,
  ),
  // How text is generated, where nothing else is asked for: not the model.
  ...harmless(
    `bad_words_ids begin_suppress_tokens bos_token_id decoder_start_token_id diversity_penalty do_sample early_stopping
     encoder_no_repeat_ngram_size eos_token_id eos_token_ids exponential_decay_length_penalty forced_bos_token_id
     forced_eos_token_id length_penalty low_memory max_length max_new_tokens min_length min_new_tokens
     no_repeat_ngram_size num_beam_groups num_beams num_return_sequences penalty_alpha prefix remove_invalid_values
     renormalize_logits repetition_penalty sep_token_id cls_token_id mask_token_id unk_token_id suppress_tokens
     temperature top_k top_p typical_p`,
  ),
  // Of rerankers: the function over a single output, and a single output is refused.
  ...harmless("sentence_transformers sbert_ce_default_activation_function"),
  ...only("is_encoder_decoder", oneOf(false), "there is an encoder only"),
  ...only("add_cross_attention", oneOf(false), "there is no second text to attend to"),
  ...only("cross_attention_hidden_size", oneOf(), "there is no second text to attend to"),
  ...only("pruned_heads", isEmpty, "heads that were taken out of single layers are not read"),
  ...only("function_to_apply", oneOf("softmax"), "probabilities are a softmax here"),
];

export interface RefusedField {
  readonly field: string;
  readonly because: string;
}

/** The first field that is not known to leave answers alone; undefined where there is none. */
export function refusedField(rules: FieldRules, json: Fields): RefusedField | undefined {
  for (const [field, value] of Object.entries(json)) {
    if (value === null) continue;
    const rule = rules.get(field);
    if (rule === undefined)
      return {
        field,
        because:
          "it is a field that is not known here, so answers might depend on it; take it out of the file if the " +
          "model does not need it",
      };
    if (rule.kind === "only" && !rule.allows(value, json))
      return { field, because: `${shown(value)} would be another model: ${rule.because}` };
  }
  return undefined;
}

export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
