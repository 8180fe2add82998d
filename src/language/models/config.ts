/**
 * `config.json` of the BERT family in the Hugging Face layout, checked field by field. A folder may come from a
 * stranger: every size is bounded before anything is allocated from it.
 */
import { z } from "zod";
import { LockstepError } from "../../base/index.ts";

const size = (maximum: number) => z.int().min(1).max(maximum);

const bertConfigSchema = z.looseObject({
  model_type: z.literal("bert"),
  architectures: z.array(z.string()).nullish(),
  vocab_size: size(2_000_000),
  hidden_size: size(16_384),
  num_hidden_layers: size(256),
  num_attention_heads: size(256),
  intermediate_size: size(131_072),
  max_position_embeddings: size(131_072),
  type_vocab_size: size(1024),
  hidden_act: z.literal("gelu").default("gelu"),
  layer_norm_eps: z.number().positive().max(1).default(1e-12),
  initializer_range: z.number().positive().max(10).default(0.02),
  hidden_dropout_prob: z.number().min(0).max(0.9).default(0.1),
  attention_probs_dropout_prob: z.number().min(0).max(0.9).default(0.1),
  classifier_dropout: z.number().min(0).max(0.9).nullish(),
  pad_token_id: z.int().min(-1).nullish(),
  position_embedding_type: z.literal("absolute").optional(),
  is_decoder: z.literal(false).optional(),
  id2label: z.record(z.string(), z.string()).optional(),
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

/** What `config.json` says beside the sizes: how many labels there are and what they are called. */
export interface ParsedConfig {
  readonly config: BertConfig;
  readonly labels: readonly string[] | undefined;
  readonly architecture: string | undefined;
}

/** @throws MODEL_INVALID naming the field. */
export function parseBertConfig(json: unknown): ParsedConfig {
  const parsed = bertConfigSchema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const field = issue?.path.join(".") ?? "";
    throw new LockstepError(
      "MODEL_INVALID",
      `config.json: ${field === "" ? "the file" : `"${field}"`} is not that of a BERT encoder this version ` +
        `reads: ${issue?.message ?? "invalid"}`,
      { field },
    );
  }
  const raw = parsed.data;
  if (raw.hidden_size % raw.num_attention_heads !== 0) {
    throw new LockstepError(
      "MODEL_INVALID",
      `config.json: "hidden_size" ${raw.hidden_size} is not a multiple of "num_attention_heads" ` +
        `${raw.num_attention_heads}`,
      { hidden_size: raw.hidden_size, num_attention_heads: raw.num_attention_heads },
    );
  }
  return { config: bertConfig(raw), labels: labelsOf(raw.id2label), architecture: raw.architectures?.[0] };
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

function labelsOf(id2label: Readonly<Record<string, string>> | undefined): readonly string[] | undefined {
  if (id2label === undefined) return undefined;
  const count = Object.keys(id2label).length;
  return Array.from({ length: count }, (_, id) => {
    const label = id2label[String(id)];
    if (label === undefined)
      throw new LockstepError("MODEL_INVALID", `config.json: "id2label" has ${count} entries, but none for ${id}`, {
        id,
      });
    return label;
  });
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
