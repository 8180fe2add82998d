/**
 * How a sentence encoder makes one vector of a text, as the library sentence-transformers stores it beside the model:
 * `modules.json`, `1_Pooling/config.json` and others, field by field. It is where a fine-tuning starts from, so a
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
  ["pooling_mode_lasttoken", "last"],
]);
const NAMES: ReadonlyMap<unknown, Pooling | null> = new Map<unknown, Pooling | null>([
  ["cls", "first"],
  ["mean", "mean"],
  ["max", null],
  ["mean_sqrt_len_tokens", null],
  ["weightedmean", null],
  ["lasttoken", "last"],
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

/** How a folder of sentence-transformers makes one vector of a text. */
export interface SentenceEncoder {
  readonly pooling: Pooling;
  /** Whether the vector is scaled to length 1. */
  readonly normalize: boolean;
  /** Longest row in tokens, where the folder says it. */
  readonly maxTokens: number | undefined;
}

/** The files of sentence-transformers, parsed; undefined for one that the folder has not. */
export interface SentenceFiles {
  readonly modules: unknown;
  readonly transformer: unknown;
  readonly pooling: unknown;
  readonly prompts: unknown;
}

const MODULES = "modules.json";
const PROMPTS = "config_sentence_transformers.json";
/** The last word of a module's type: what it is. */
const STEPS: readonly string[] = ["Transformer", "Pooling", "Normalize"];

/**
 * Undefined where the folder has no modules of its own.
 * @throws MODEL_INVALID naming the module or the field that is not followed
 */
export function readSentenceEncoder({
  modules,
  transformer,
  pooling,
  prompts,
}: SentenceFiles): SentenceEncoder | undefined {
  if (modules === undefined) return undefined;
  const steps = stepsOf(modules);
  requireSentenceInput(transformer);
  for (const [field, value] of fieldsOf(prompts, PROMPTS)) {
    const harmless = field === "__version__" || field === "prompts" || field === "model_type";
    if (!harmless && !(field === "similarity_fn_name" && value === "cosine"))
      throw notFollowed(PROMPTS, `"${field}" ${shown(value)}`, field);
  }
  const most = fieldsOf(transformer, TRANSFORMER).find(([field]) => field === "max_seq_length")?.[1];
  return {
    pooling: readSentencePooling(pooling) ?? "mean",
    normalize: steps.includes("Normalize"),
    maxTokens: typeof most === "number" && Number.isInteger(most) && most >= 2 ? most : undefined,
  };
}

function stepsOf(modules: unknown): readonly string[] {
  const steps = (Array.isArray(modules) ? modules : [modules]).map((module: unknown) => {
    const type: unknown = typeof module === "object" && module !== null && "type" in module ? module.type : module;
    const step = typeof type === "string" ? (type.split(".").at(-1) ?? "") : "";
    if (!STEPS.includes(step)) throw notFollowed(MODULES, `the module ${shown(type)}`, "type");
    return step;
  });
  if (steps.join() === STEPS.slice(0, steps.length).join()) return steps;
  throw notFollowed(MODULES, `the order ${steps.join(", ")}`, "type");
}

function notFollowed(file: string, what: string, field: string): LockstepError {
  return new LockstepError(
    "MODEL_INVALID",
    `${file}: ${what} is not followed here, so the vectors would be others than the model's own`,
    { file, field },
  );
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
