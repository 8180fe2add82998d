/**
 * How a sentence encoder makes one vector of a text, as the library sentence-transformers stores it beside the model:
 * `1_Pooling/config.json` and `sentence_bert_config.json`, field by field. It is where a fine-tuning starts from, so a
 * pooling that is not followed has to be replaced by name. Format: `models/Pooling.py` and `models/Transformer.py` of
 * https://github.com/huggingface/sentence-transformers.
 */
import { LockstepError } from "../../base/index.ts";
import type { Pooling } from "./head.ts";
import { shown } from "./config-fields.ts";

const POOLING = "1_Pooling/config.json";
const TRANSFORMER = "sentence_bert_config.json";

/** The switches of older files and the names of newer ones; null: known, and not followed here. */
const SWITCHES: ReadonlyMap<string, Pooling | null> = new Map([
  ["pooling_mode_cls_token", "first"],
  ["pooling_mode_mean_tokens", "mean"],
  ["pooling_mode_max_tokens", null],
  ["pooling_mode_mean_sqrt_len_tokens", null],
  ["pooling_mode_weightedmean_tokens", null],
  ["pooling_mode_lasttoken", null],
]);
const NAMES: ReadonlyMap<unknown, Pooling | null> = new Map<unknown, Pooling | null>([
  ["cls", "first"],
  ["mean", "mean"],
  ["max", null],
  ["mean_sqrt_len_tokens", null],
  ["weightedmean", null],
  ["lasttoken", null],
]);

/** Fields that say nothing about the vector of a text without a prompt. */
const HARMLESS: readonly string[] = ["word_embedding_dimension", "embedding_dimension", "include_prompt"];

/**
 * `sentence_bert_config.json`, parsed (undefined where there is none), says what the encoder is given, whatever its
 * pooling is: how long a text may be, which the recipe decides here, and whether Python's `lower()` comes before the
 * tokenizer.
 * @throws MODEL_INVALID naming the field that is not followed
 */
export function requireSentenceInput(transformer: unknown): void {
  for (const [field, value] of fieldsOf(transformer, TRANSFORMER)) {
    if (field === "max_seq_length" || (field === "do_lower_case" && value === false)) continue;
    throw new LockstepError(
      "MODEL_INVALID",
      `${TRANSFORMER}: "${field}" ${shown(value)} is not followed here, so the encoder would be given other text ` +
        (field === "do_lower_case"
          ? "than it was made for; where its tokenizer lowercases by itself, set the field to false"
          : "than it was made for; if it changes no text, take the field out of the file"),
      { file: TRANSFORMER, field },
    );
  }
}

/**
 * `pooling`: `1_Pooling/config.json`, parsed. Undefined where the folder has no pooling of its own.
 * @throws MODEL_INVALID naming the field that is not followed
 */
export function readSentencePooling(pooling: unknown): Pooling | undefined {
  const found = new Set<Pooling>();
  for (const [field, value] of fieldsOf(pooling, POOLING)) {
    if (HARMLESS.includes(field)) continue;
    const known = field === "pooling_mode" ? NAMES.get(value) : value === true ? SWITCHES.get(field) : null;
    const off = value === false && SWITCHES.has(field);
    if (off) continue;
    if (known === undefined || known === null) throw refused(field, value);
    found.add(known);
  }
  if (found.size > 1) throw refused("pooling_mode_mean_tokens", "two ways at once");
  return [...found][0];
}

/** Without what is null, which is the same as no field. */
function fieldsOf(json: unknown, file: string): readonly (readonly [string, unknown])[] {
  if (json === undefined) return [];
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new LockstepError("MODEL_INVALID", `${file} is ${shown(json)}, not an object of fields`, { file });
  return Object.entries(json).filter(([, value]) => value !== null);
}

function refused(field: string, value: unknown): LockstepError {
  return new LockstepError(
    "MODEL_INVALID",
    `${POOLING}: "${field}" ${shown(value)} is not followed here, so the fine-tuning would start from another ` +
      'vector; say which pooling to start with ("pooling" in the recipe: "mean" or "first")',
    { file: POOLING, field },
  );
}
