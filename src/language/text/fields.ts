/**
 * Every field of `tokenizer_config.json` and `special_tokens_map.json`: followed, known to be harmless, or refused by
 * its name. A field that is not here is refused, since it might change ids. What each does is that of Python's
 * `transformers` 5 (tokenization_utils_base.py, tokenization_utils_tokenizers.py, models/bert/tokenization_bert.py).
 */
import { invalidConfig } from "./schema.ts";

/** Why a field may stand there without being read. */
type Harmless = "where it came from" | "of decoding" | "of chats" | "of a caller's defaults" | "read by no version 5";

type Meaning =
  | "followed"
  | Harmless
  /** Refused unless it has this value, which says what happens anyway. */
  | { readonly only: readonly unknown[] };

export const CONFIG_FIELDS: Readonly<Record<string, Meaning>> = {
  tokenizer_class: "followed",
  do_lower_case: "followed",
  strip_accents: "followed",
  tokenize_chinese_chars: "followed",
  model_max_length: "followed",
  max_len: "followed",
  truncation_side: "followed",
  split_special_tokens: "followed",
  added_tokens_decoder: "followed",
  additional_special_tokens: "followed",
  extra_special_tokens: "followed",
  unk_token: "followed",
  sep_token: "followed",
  pad_token: "followed",
  cls_token: "followed",
  mask_token: "followed",
  bos_token: "followed",
  eos_token: "followed",

  add_bos_token: "followed",
  add_eos_token: "followed",
  add_prefix_space: "followed",
  trim_offsets: { only: [true, null] },
  add_special_tokens: { only: [true, null] },
  from_slow: { only: [false, null] },

  name_or_path: "where it came from",
  special_tokens_map_file: "where it came from",
  tokenizer_file: "where it came from",
  merges_file: "where it came from",
  sp_model_kwargs: "where it came from",
  extra_ids: "where it came from",
  vocab_file: "where it came from",
  full_tokenizer_file: "where it came from",
  init_inputs: "where it came from",
  processor_class: "where it came from",
  auto_map: "where it came from",
  backend: "where it came from",
  files_loaded: "where it came from",
  is_local: "where it came from",
  local_files_only: "where it came from",
  _commit_hash: "where it came from",
  transformers_version: "where it came from",
  use_fast: "where it came from",
  verbose: "where it came from",
  vocab_size: "where it came from",

  clean_up_tokenization_spaces: "of decoding",
  spaces_between_special_tokens: "of decoding",
  wordpieces_prefix: "of decoding",
  skip_special_tokens: "of decoding",

  chat_template: "followed",
  use_default_system_prompt: "of chats",
  response_template: "of chats",
  response_schema: "of chats",
  chat_control_tokens: "of chats",

  // A text is computed as if it stood alone, without padding, and cut to `model_max_length`.
  max_length: "of a caller's defaults",
  stride: "of a caller's defaults",
  truncation: "of a caller's defaults",
  truncation_strategy: "of a caller's defaults",
  padding: "of a caller's defaults",
  padding_side: "of a caller's defaults",
  pad_to_multiple_of: "of a caller's defaults",
  pad_token_type_id: "of a caller's defaults",
  pad_token_id: "of a caller's defaults",
  model_input_names: "of a caller's defaults",
  return_token_type_ids: "of a caller's defaults",
  return_attention_mask: "of a caller's defaults",

  do_basic_tokenize: "read by no version 5",
  basic_tokenizer: "read by no version 5",
  never_split: "read by no version 5",
  errors: "read by no version 5",
  legacy: "read by no version 5",
  clean_text: { only: [true, null] },
};

const MAP_FIELDS: readonly string[] = [
  "unk_token",
  "sep_token",
  "pad_token",
  "cls_token",
  "mask_token",
  "bos_token",
  "eos_token",
  "additional_special_tokens",
  "extra_special_tokens",
];

/** Throws TOKENIZER_INVALID for a field that is not known, or has a value that Lockstep does not follow. */
export function checkConfigFields(config: object): void {
  for (const [name, value] of Object.entries(config)) {
    const meaning = Object.hasOwn(CONFIG_FIELDS, name) ? CONFIG_FIELDS[name] : undefined;
    if (meaning === undefined) {
      if (isNamedToken(name, value)) continue;
      throw invalidConfig(unknownField(name));
    }
    if (typeof meaning === "object" && !meaning.only.includes(value))
      throw invalidConfig(
        `"${name}" is ${shown(value)}, which Lockstep does not follow; it takes ` +
          `${meaning.only.map(shown).join(" or ")}, or nothing`,
      );
  }
}

export function checkMapFields(map: object): void {
  for (const [name, value] of Object.entries(map)) {
    if (!MAP_FIELDS.includes(name) && !isNamedToken(name, value))
      throw invalidConfig(unknownField(name), "special_tokens_map.json");
  }
}

/** A special token under a name of the model's own, such as `image_token`. */
export function isNamedToken(name: string, value: unknown): boolean {
  return name.endsWith("_token") && (typeof value === "string" || (typeof value === "object" && value !== null));
}

const unknownField = (name: string): string =>
  `"${name.slice(0, 60)}" is not a field that Lockstep knows, and it might change the tokens; remove it if it does not`;

const shown = (value: unknown): string => (JSON.stringify(value) ?? "undefined").slice(0, 60);
