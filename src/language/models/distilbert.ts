/**
 * DistilBERT (Sanh et al. 2019): BERT's block without token types and without a pooler; names, layouts and the places
 * of dropout are those of Hugging Face `transformers`, so that folders move both ways.
 * Heads: masked LM (decoder tied to the word embeddings), sequence classification from the first token
 * (`pre_classifier` and ReLU, as there) or from the mean over tokens (`classifier` alone; ours), token classification,
 * and the bare encoder.
 */
import { z } from "zod";
import type { ValueId } from "../../numeric/graph/index.ts";
import { inputIds, positionIds } from "./batch.ts";
import { ENCODER_FIELDS } from "./bert-fields.ts";
import { followed, harmless, oneOf, only, type FieldRule } from "./config-fields.ts";
import { requireWholeHeads, size } from "./config-sizes.ts";
import type { CommonConfig, Family } from "./family.ts";
import type { Head, Pooling } from "./head.ts";
import { pool, type LayerContext } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";
import {
  block,
  blockParameters,
  embedded,
  lookUp,
  maskedWords,
  prefixAliases,
  type BlockNames,
  type BlockShape,
  type WordsNames,
} from "./post-norm.ts";

/** Sizes are counts; rates are probabilities. In the file, sizes have other names: see `parse`. */
export interface DistilBertConfig extends CommonConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly dropout: number;
  readonly attention_dropout: number;
  /** Before the classifier of texts. */
  readonly seq_classif_dropout: number;
}

/** The same in every DistilBERT: no field of the file. */
const EPSILON = 1e-12;

/** Sizes have the defaults of the configuration class in `transformers`. */
const schema = z.object({
  vocab_size: size(2_000_000, 30_522),
  dim: size(16_384, 768),
  n_layers: size(256, 6),
  n_heads: size(256, 12),
  hidden_dim: size(131_072, 3072),
  max_position_embeddings: size(131_072, 512),
  initializer_range: z.number().positive().max(10).nullish(),
  dropout: z.number().min(0).max(0.9).nullish(),
  attention_dropout: z.number().min(0).max(0.9).nullish(),
  seq_classif_dropout: z.number().min(0).max(0.9).nullish(),
  pad_token_id: z.int().min(-1).nullish(),
});

const FIELDS = new Map<string, FieldRule>([
  ...ENCODER_FIELDS,
  ...followed(
    `vocab_size dim n_layers n_heads hidden_dim max_position_embeddings initializer_range dropout attention_dropout
     seq_classif_dropout pad_token_id`,
  ),
  // Where the first values of the table of positions came from (the table itself is in the weights), another head's
  // dropout, and an old name of tied embeddings.
  ...harmless("sinusoidal_pos_embds qa_dropout tie_weights_"),
  ...only("activation", oneOf("gelu"), "the feed-forward layers have the exact GELU here"),
]);

const WORDS: WordsNames = {
  dense: "vocab_transform",
  norm: "vocab_layer_norm",
  bias: "vocab_projector.bias",
  table: "distilbert.embeddings.word_embeddings",
};

export const DISTILBERT: Family<DistilBertConfig> = {
  title: "DistilBERT",
  fields: FIELDS,
  architectures: {
    DistilBertForSequenceClassification: "sequence",
    DistilBertForTokenClassification: "token",
    DistilBertForMaskedLM: "masked-lm",
    DistilBertModel: "encoder",
  },
  pooling: "first",
  classifier: "classifier",
  tokenizerClass: undefined,
  textLayout: "bert",
  parse: (json) => {
    const { dim, n_layers, n_heads, hidden_dim, ...fields } = schema.parse(json);
    const sizes = {
      hidden_size: dim,
      num_hidden_layers: n_layers,
      num_attention_heads: n_heads,
      intermediate_size: hidden_dim,
    };
    requireWholeHeads(sizes, { width: "dim", heads: "n_heads" });
    return {
      ...sizes,
      vocab_size: fields.vocab_size,
      max_position_embeddings: fields.max_position_embeddings,
      initializer_range: fields.initializer_range ?? 0.02,
      dropout: fields.dropout ?? 0.1,
      attention_dropout: fields.attention_dropout ?? 0.1,
      seq_classif_dropout: fields.seq_classif_dropout ?? 0.2,
      pad_token_id: fields.pad_token_id ?? 0,
    };
  },
  format: (config) => ({
    vocab_size: config.vocab_size,
    dim: config.hidden_size,
    n_layers: config.num_hidden_layers,
    n_heads: config.num_attention_heads,
    hidden_dim: config.intermediate_size,
    max_position_embeddings: config.max_position_embeddings,
    initializer_range: config.initializer_range,
    dropout: config.dropout,
    attention_dropout: config.attention_dropout,
    seq_classif_dropout: config.seq_classif_dropout,
    pad_token_id: config.pad_token_id,
    activation: "gelu",
    sinusoidal_pos_embds: false,
    tie_word_embeddings: true,
  }),
  create: (sizes) => ({ ...sizes, dropout: 0.1, attention_dropout: 0.1, seq_classif_dropout: 0.2 }),
  withDropout: (config, { hidden: dropout, attention, classifier }) => ({
    ...config,
    dropout,
    attention_dropout: attention,
    seq_classif_dropout: classifier,
  }),
  parameters,
  aliases: (name) => prefixAliases("distilbert.", name),
  inputs: (_, batch) => ({ ...inputIds(batch), ...positionIds(batch), ...batch.sight({ sees: "all" }) }),
  hidden,
  features,
  logits,
};

function parameters(config: DistilBertConfig, head: Head): readonly ParameterInfo[] {
  const list = new ParameterList();
  const C = config.hidden_size;
  list.add("distilbert.embeddings.word_embeddings.weight", [config.vocab_size, C], "normal", "encoder");
  list.add(
    "distilbert.embeddings.position_embeddings.weight",
    [config.max_position_embeddings, C],
    "normal",
    "encoder",
  );
  list.layerNorm("distilbert.embeddings.LayerNorm", C);
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    blockParameters(list, blockNames(layer), blockShape(config));
  if (head.kind === "sequence" && head.pooling === "first") list.linear("pre_classifier", C, C, "head");
  if (head.kind === "sequence" || head.kind === "token") list.linear("classifier", C, head.labels, "head");
  if (head.kind === "masked-lm") {
    list.add(WORDS.bias, [config.vocab_size], "zeros", "head");
    list.linear(WORDS.dense, C, C, "head");
    list.layerNorm(WORDS.norm, C, "head");
  }
  return list.items;
}

/** Inputs: `input_ids`, `position_ids` int [B, T]; `attention_bias` [B, 1, 1, T]. → [N, C] */
function hidden(context: LayerContext, config: DistilBertConfig): ValueId {
  const g = context.builder;
  const { hidden_size: C, vocab_size: V, max_position_embeddings: P, pad_token_id } = config;
  const shape = blockShape(config);
  const attend = context.layout.attention(context, { sees: "all" });
  const words = lookUp(context, "distilbert.embeddings.word_embeddings", [V, C], "input_ids", pad_token_id);
  const positions = lookUp(context, "distilbert.embeddings.position_embeddings", [P, C], "position_ids");
  let x = embedded(context, g.add(words, positions), "distilbert.embeddings.LayerNorm", shape); // [N, C]
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    x = block(context, x, attend, blockNames(layer), shape);
  return x;
}

function blockNames(layer: number): BlockNames {
  const at = `distilbert.transformer.layer.${layer}`;
  return {
    query: `${at}.attention.q_lin`,
    key: `${at}.attention.k_lin`,
    value: `${at}.attention.v_lin`,
    attended: `${at}.attention.out_lin`,
    attendedNorm: `${at}.sa_layer_norm`,
    inner: `${at}.ffn.lin1`,
    outer: `${at}.ffn.lin2`,
    outerNorm: `${at}.output_layer_norm`,
  };
}

/** There is no dropout between attention and the sum. */
function blockShape(config: DistilBertConfig): BlockShape {
  return {
    width: config.hidden_size,
    heads: config.num_attention_heads,
    inner: config.intermediate_size,
    epsilon: EPSILON,
    attentionDropout: config.attention_dropout,
    attendedDropout: 0,
    outerDropout: config.dropout,
  };
}

function features(context: LayerContext, config: DistilBertConfig, pooling: Pooling, states: ValueId): ValueId {
  const C = config.hidden_size;
  const pooled = pool(context, states, pooling, C); // [B, C]
  return pooling === "first" ? context.builder.relu(context.linear(pooled, "pre_classifier", C, C)) : pooled;
}

function logits(
  context: LayerContext,
  config: DistilBertConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  states: ValueId,
): ValueId {
  const C = config.hidden_size;
  const last = (x: ValueId, rate: number, labels: number) =>
    context.linear(context.dropout(x, rate), "classifier", C, labels);
  return head.kind === "sequence"
    ? last(features(context, config, head.pooling, states), config.seq_classif_dropout, head.labels) // [B, L]
    : head.kind === "token"
      ? last(states, config.dropout, head.labels) // [N, L]
      : maskedWords(context, states, WORDS, { vocab: config.vocab_size, width: C, epsilon: EPSILON }); // [P, V]
}
