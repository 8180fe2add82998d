/**
 * `config.json` of the BERT family in the Hugging Face layout, checked field by field. A folder may come from a
 * stranger: every size is bounded before anything is allocated from it.
 */
import { z } from "zod";
import { LABEL_LIMITS, LockstepError } from "../../base/index.ts";
import { refusedField, shown } from "./config-fields.ts";

const size = (maximum: number, standard: number) => z.int().min(1).max(maximum).default(standard);

/** Sizes have the defaults of `transformers`' BertConfig: the weights' shapes are held to them. */
const bertConfigSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  vocab_size: size(2_000_000, 30_522),
  hidden_size: size(16_384, 768),
  num_hidden_layers: size(256, 12),
  num_attention_heads: size(256, 12),
  intermediate_size: size(131_072, 3072),
  max_position_embeddings: size(131_072, 512),
  type_vocab_size: size(1024, 2),
  layer_norm_eps: z.number().positive().max(1).nullish(),
  initializer_range: z.number().positive().max(10).nullish(),
  hidden_dropout_prob: z.number().min(0).max(0.9).nullish(),
  attention_probs_dropout_prob: z.number().min(0).max(0.9).nullish(),
  classifier_dropout: z.number().min(0).max(0.9).nullish(),
  pad_token_id: z.int().min(-1).nullish(),
  problem_type: z.string().nullish(),
  num_labels: z.int().min(1).max(LABEL_LIMITS.count).nullish(),
  id2label: z.record(z.string(), z.union([z.string(), z.number()])).nullish(),
});

/** Field names are those of `config.json`. Sizes are counts; rates are probabilities. */
export interface BertConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
  readonly initializer_range: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  /** Before the classifier; `hidden_dropout_prob` where the file has none. */
  readonly classifier_dropout: number;
  readonly pad_token_id: number;
}

/** What `config.json` says: the sizes, and what the folder's head is. */
export interface ParsedConfig {
  readonly config: BertConfig;
  /** The names in `id2label`, by class id. */
  readonly labels: readonly string[] | undefined;
  readonly architecture: string | undefined;
  readonly problemType: string | undefined;
  /** `num_labels`, which counts where there are no names. */
  readonly numLabels: number | undefined;
}

/** Families that are read, by `model_type`. */
const MODEL_TYPES: readonly string[] = ["bert"];

/** @throws MODEL_INVALID naming the field: one that is wrong, or one that might change answers and is not followed. */
export function parseBertConfig(json: unknown): ParsedConfig {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new LockstepError("MODEL_INVALID", `config.json is ${shown(json)}, not an object of fields`, { field: "" });
  requireFamily(json as Readonly<Record<string, unknown>>);
  const refused = refusedField(json as Readonly<Record<string, unknown>>);
  if (refused !== undefined) throw invalid(refused.field, refused.because);
  const parsed = bertConfigSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(issue?.path.join(".") ?? "", `it is not that of a BERT model: ${issue?.message ?? "invalid"}`);
  }
  const raw = parsed.data;
  if (raw.hidden_size % raw.num_attention_heads !== 0)
    throw invalid(
      "hidden_size",
      `${raw.hidden_size} is not a multiple of "num_attention_heads" ${raw.num_attention_heads}`,
    );
  return {
    config: bertConfig(raw),
    labels: labelsOf(raw.id2label),
    architecture: raw.architectures?.[0],
    problemType: raw.problem_type ?? undefined,
    numLabels: raw.num_labels ?? undefined,
  };
}

function requireFamily({ model_type: found }: Readonly<Record<string, unknown>>): void {
  if (typeof found === "string" && MODEL_TYPES.includes(found)) return;
  throw invalid(
    "model_type",
    `${found === undefined ? "the file has none" : `the model is of the family ${shown(found)}`}; this version reads ` +
      MODEL_TYPES.map((known) => `"${known}"`).join(", "),
  );
}

function invalid(field: string, because: string): LockstepError {
  return new LockstepError("MODEL_INVALID", `config.json: ${field === "" ? "" : `"${field}": `}${because}`, { field });
}

type RequiredSizes = Pick<
  BertConfig,
  | "vocab_size"
  | "hidden_size"
  | "num_hidden_layers"
  | "num_attention_heads"
  | "intermediate_size"
  | "max_position_embeddings"
  | "type_vocab_size"
>;
type OptionalFields = {
  readonly [Field in Exclude<keyof BertConfig, keyof RequiredSizes>]?: number | null | undefined;
};

/** A complete config from the sizes and whatever else is given. */
export function bertConfig(fields: RequiredSizes & OptionalFields): BertConfig {
  const hidden_dropout_prob = fields.hidden_dropout_prob ?? 0.1;
  return Object.freeze({
    vocab_size: fields.vocab_size,
    hidden_size: fields.hidden_size,
    num_hidden_layers: fields.num_hidden_layers,
    num_attention_heads: fields.num_attention_heads,
    intermediate_size: fields.intermediate_size,
    max_position_embeddings: fields.max_position_embeddings,
    type_vocab_size: fields.type_vocab_size,
    layer_norm_eps: fields.layer_norm_eps ?? 1e-12,
    initializer_range: fields.initializer_range ?? 0.02,
    hidden_dropout_prob,
    attention_probs_dropout_prob: fields.attention_probs_dropout_prob ?? 0.1,
    classifier_dropout: fields.classifier_dropout ?? hidden_dropout_prob,
    pad_token_id: fields.pad_token_id ?? 0,
  });
}

function labelsOf(
  id2label: Readonly<Record<string, string | number>> | null | undefined,
): readonly string[] | undefined {
  if (id2label === undefined || id2label === null) return undefined;
  const count = Object.keys(id2label).length;
  if (count > LABEL_LIMITS.count)
    throw invalid("id2label", `it names ${count} classes; at most ${LABEL_LIMITS.count} are read`);
  const ids = new Map<string, number>();
  for (let id = 0; id < count; id++) {
    const label = Object.hasOwn(id2label, String(id)) ? String(id2label[String(id)]) : undefined;
    if (label === undefined) throw invalid("id2label", `it has ${count} entries, but none for ${id}`);
    const other = ids.get(label);
    if (other !== undefined)
      throw invalid(
        "id2label",
        `${other} and ${id} are both ${shown(label)}, so an answer would not say which is meant`,
      );
    ids.set(label, id);
  }
  return [...ids.keys()];
}

/** Architectures whose head is one label a text. Without any, the weights decide. */
const CLASSIFIERS: readonly string[] = ["BertForSequenceClassification"];

/** Architectures without a head, or with one that only training needs. */
const ENCODERS: readonly string[] = ["BertModel", "BertForMaskedLM", "BertForPreTraining", "BertLMHeadModel"];

/**
 * The labels of a folder that classifies texts into one of two or more classes, as `transformers` numbers and names
 * them: LABEL_0, LABEL_1 … where `id2label` is missing.
 * @throws MODEL_INVALID for a head that answers something else, where a softmax would be a wrong answer
 */
export function classifierLabels({ labels, architecture, problemType, numLabels }: ParsedConfig): readonly string[] {
  requireSingleLabel(problemType);
  if (architecture !== undefined && ENCODERS.includes(architecture))
    throw new LockstepError(
      "MODEL_INVALID",
      `this folder is an encoder (${architecture}) without a classifier; fine-tune it first (train --from)`,
      { architecture },
    );
  if (architecture !== undefined && !CLASSIFIERS.includes(architecture))
    throw invalid(
      "architectures",
      `${shown(architecture)} does not answer with one label a text; its encoder can be fine-tuned (train --from)`,
    );
  const found = labels ?? Array.from({ length: numLabels ?? 2 }, (_, id) => `LABEL_${id}`);
  if (found.length < 2)
    throw invalid(
      labels === undefined ? "num_labels" : "id2label",
      "the model has one output, which is a score (of a cross-encoder or a regression) and no choice between " +
        "classes; this version classifies into two or more",
    );
  return found;
}

/** @throws MODEL_INVALID where the outputs are not one choice among the labels */
export function requireSingleLabel(problemType: string | undefined): void {
  if (problemType === undefined || problemType === "single_label_classification") return;
  throw invalid(
    "problem_type",
    `${shown(problemType)} is not read; this version gives each text one label out of two or more ` +
      `("single_label_classification")`,
  );
}

/**
 * The architecture name under which Python's `transformers` opens the folder. Mean pooling has no class there: it opens
 * as an encoder.
 */
export type Architecture =
  "BertForMaskedLM" | "BertForSequenceClassification" | "BertForTokenClassification" | "BertModel";

/** `config.json` as it is written. */
export function formatBertConfig(
  config: BertConfig,
  architecture: Architecture,
  labels: readonly string[] | undefined,
): string {
  const names =
    labels === undefined
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
          label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
        };
  const json = {
    architectures: [architecture],
    model_type: "bert",
    ...config,
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    tie_word_embeddings: true,
    dtype: "float32",
    ...names,
  };
  return `${JSON.stringify(json, null, 2)}\n`;
}
