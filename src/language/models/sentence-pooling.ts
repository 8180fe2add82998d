/**
 * How a sentence encoder makes one vector of a text, as the library sentence-transformers stores it beside the model:
 * `1_Pooling/config.json` and `sentence_bert_config.json`, field by field. It is where a fine-tuning starts from, so a
 * pooling that is not followed has to be replaced by name. Format: `models/Pooling.py` and `models/Transformer.py` of
 * https://github.com/huggingface/sentence-transformers.
 */
import { LockstepError } from "../../base/index.ts";
import type { Pooling } from "./bert.ts";
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

/** Fields that say nothing about the vector of a text without a prompt, or that the recipe decides. */
const HARMLESS: Readonly<Record<typeof POOLING | typeof TRANSFORMER, readonly string[]>> = {
  [POOLING]: ["word_embedding_dimension", "embedding_dimension", "include_prompt"],
  [TRANSFORMER]: ["max_seq_length"],
};

export interface SentenceFiles {
  /** `1_Pooling/config.json`, parsed; undefined where there is none. */
  readonly pooling: unknown;
  /** `sentence_bert_config.json`, parsed; undefined where there is none. */
  readonly transformer: unknown;
}

/** Undefined where the folder has no pooling of its own. @throws MODEL_INVALID naming the field that is not followed */
export function readSentencePooling({ pooling, transformer }: SentenceFiles): Pooling | undefined {
  for (const [field, value] of fieldsOf(transformer, TRANSFORMER)) {
    if (HARMLESS[TRANSFORMER].includes(field) || (field === "do_lower_case" && value === false)) continue;
    throw refused(TRANSFORMER, field, value);
  }
  const found = new Set<Pooling>();
  for (const [field, value] of fieldsOf(pooling, POOLING)) {
    if (HARMLESS[POOLING].includes(field)) continue;
    const known = field === "pooling_mode" ? NAMES.get(value) : value === true ? SWITCHES.get(field) : null;
    const off = value === false && SWITCHES.has(field);
    if (off) continue;
    if (known === undefined || known === null) throw refused(POOLING, field, value);
    found.add(known);
  }
  if (found.size > 1) throw refused(POOLING, "pooling_mode_mean_tokens", "two ways at once");
  return [...found][0];
}

/** Without what is null, which is the same as no field. */
function fieldsOf(json: unknown, file: string): readonly (readonly [string, unknown])[] {
  if (json === undefined) return [];
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new LockstepError("MODEL_INVALID", `${file} is ${shown(json)}, not an object of fields`, { file });
  return Object.entries(json).filter(([, value]) => value !== null);
}

function refused(file: string, field: string, value: unknown): LockstepError {
  return new LockstepError(
    "MODEL_INVALID",
    `${file}: "${field}" ${shown(value)} is not followed here, so the fine-tuning would start from another vector; ` +
      'say which pooling to start with ("pooling" in the recipe: "mean" or "first")',
    { file, field },
  );
}
