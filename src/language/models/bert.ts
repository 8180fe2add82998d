/**
 * BERT (Devlin et al. 2019): post-LN encoder, learned positions, token types, exact GELU; parameter names and layouts
 * are those of Hugging Face `transformers`, so that folders move both ways. One file: config in, graph out.
 * Heads: masked LM (decoder tied to the word embeddings), sequence classification from the first token (pooler + tanh,
 * as there) or from the mean over tokens (no pooler; ours), token classification, and the bare encoder.
 */
import { z } from "zod";
import { mulDims, type ValueId } from "../../numeric/graph/index.ts";
import { inputIds, keyBias, positionIds, tokenTypeIds } from "./batch.ts";
import { BERT_FIELDS } from "./bert-fields.ts";
import { requireWholeHeads, size } from "./config-sizes.ts";
import type { CommonConfig, Family } from "./family.ts";
import type { Head, Pooling } from "./head.ts";
import { attention, pool, type LayerContext } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";

/** Field names are those of `config.json`. Sizes are counts; rates are probabilities. */
export interface BertConfig extends CommonConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly type_vocab_size: number;
  readonly layer_norm_eps: number;
  readonly hidden_dropout_prob: number;
  readonly attention_probs_dropout_prob: number;
  /** Before the classifier; `hidden_dropout_prob` where the file has none. */
  readonly classifier_dropout: number;
}

/** Sizes have the defaults of `transformers`' BertConfig: the weights' shapes are held to them. */
const schema = z.object({
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
});

/** A complete config from the sizes and whatever else is given. */
function complete(fields: z.infer<typeof schema>): BertConfig {
  const hidden_dropout_prob = fields.hidden_dropout_prob ?? 0.1;
  return {
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
  };
}

export const BERT: Family<BertConfig> = {
  title: "BERT",
  fields: BERT_FIELDS,
  architectures: {
    BertForSequenceClassification: "sequence",
    BertForTokenClassification: "token",
    BertForMaskedLM: "masked-lm",
    BertModel: "encoder",
    // with heads that only training needs
    BertForPreTraining: "masked-lm",
    BertLMHeadModel: "masked-lm",
  },
  pooling: "first",
  classifier: "classifier",
  parse: (json) => {
    const config = complete(schema.parse(json));
    requireWholeHeads(config);
    return config;
  },
  format: (config) => ({
    vocab_size: config.vocab_size,
    hidden_size: config.hidden_size,
    num_hidden_layers: config.num_hidden_layers,
    num_attention_heads: config.num_attention_heads,
    intermediate_size: config.intermediate_size,
    max_position_embeddings: config.max_position_embeddings,
    type_vocab_size: config.type_vocab_size,
    layer_norm_eps: config.layer_norm_eps,
    initializer_range: config.initializer_range,
    hidden_dropout_prob: config.hidden_dropout_prob,
    attention_probs_dropout_prob: config.attention_probs_dropout_prob,
    classifier_dropout: config.classifier_dropout,
    pad_token_id: config.pad_token_id,
    hidden_act: "gelu",
    position_embedding_type: "absolute",
    tie_word_embeddings: true,
  }),
  create: (sizes) => complete({ ...sizes, type_vocab_size: 2 }),
  withDropout: (config, { hidden, attention: weights, classifier }) => ({
    ...config,
    hidden_dropout_prob: hidden,
    attention_probs_dropout_prob: weights,
    classifier_dropout: classifier,
  }),
  parameters,
  // the prefix may be missing, and layer norms had other names in the first published weights
  aliases: (name) => {
    const old = name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
    return [name, old].flatMap((one) => [one, one.replace(/^bert\./, "")]);
  },
  inputs: (_, batch) => ({ ...inputIds(batch), ...tokenTypeIds(batch), ...positionIds(batch), ...keyBias(batch) }),
  hidden,
  features,
  logits,
};

function parameters(config: BertConfig, head: Head): readonly ParameterInfo[] {
  const list = new ParameterList();
  const C = config.hidden_size;
  list.add("bert.embeddings.word_embeddings.weight", [config.vocab_size, C], "normal", "encoder");
  list.add("bert.embeddings.position_embeddings.weight", [config.max_position_embeddings, C], "normal", "encoder");
  list.add("bert.embeddings.token_type_embeddings.weight", [config.type_vocab_size, C], "normal", "encoder");
  list.layerNorm("bert.embeddings.LayerNorm", C);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `bert.encoder.layer.${layer}`;
    for (const part of ["query", "key", "value"]) list.linear(`${at}.attention.self.${part}`, C, C);
    list.linear(`${at}.attention.output.dense`, C, C);
    list.layerNorm(`${at}.attention.output.LayerNorm`, C);
    list.linear(`${at}.intermediate.dense`, C, config.intermediate_size);
    list.linear(`${at}.output.dense`, config.intermediate_size, C);
    list.layerNorm(`${at}.output.LayerNorm`, C);
  }
  if (head.kind === "sequence" && head.pooling === "first") list.linear("bert.pooler.dense", C, C, "head");
  if (head.kind === "sequence" || head.kind === "token") list.linear("classifier", C, head.labels, "head");
  if (head.kind === "masked-lm") {
    list.add("cls.predictions.bias", [config.vocab_size], "zeros", "head");
    list.linear("cls.predictions.transform.dense", C, C, "head");
    list.layerNorm("cls.predictions.transform.LayerNorm", C, "head");
  }
  return list.items;
}

/** [N, C] */
function hidden(context: LayerContext, config: BertConfig): ValueId {
  const g = context.builder;
  const bias = g.input("attention_bias", "real", ["B", 1, 1, "T"]);
  let x = embeddings(context, config); // [N, C]
  for (let layer = 0; layer < config.num_hidden_layers; layer++) x = encoderLayer(context, config, layer, x, bias);
  return x;
}

function embeddings(context: LayerContext, config: BertConfig): ValueId {
  const g = context.builder;
  const C = config.hidden_size;
  const look = (table: string, rows: number, input: string, paddingId: number) =>
    // [B, T, C]
    g.embedding(g.parameter(`bert.embeddings.${table}.weight`, [rows, C]), g.input(input, "int", ["B", "T"]), {
      paddingId,
    });
  const words = look("word_embeddings", config.vocab_size, "input_ids", config.pad_token_id);
  const positions = look("position_embeddings", config.max_position_embeddings, "position_ids", -1);
  const types = look("token_type_embeddings", config.type_vocab_size, "token_type_ids", -1);
  const sum = g.reshape(g.add(g.add(words, types), positions), [mulDims("B", "T"), C]); // [N, C]
  return context.dropout(
    context.layerNorm(sum, "bert.embeddings.LayerNorm", C, config.layer_norm_eps),
    config.hidden_dropout_prob,
  );
}

function encoderLayer(context: LayerContext, config: BertConfig, layer: number, x: ValueId, bias: ValueId): ValueId {
  const g = context.builder;
  const at = `bert.encoder.layer.${layer}`;
  const C = config.hidden_size;
  const F = config.intermediate_size;
  const project = (part: string) => context.linear(x, `${at}.attention.self.${part}`, C, C); // [N, C]
  const mixed = attention(context, project("query"), project("key"), project("value"), bias, {
    rows: "B",
    tokens: "T",
    heads: config.num_attention_heads,
    width: C / config.num_attention_heads,
    dropout: config.attention_probs_dropout_prob,
  });
  const attended = context.dropout(
    context.linear(mixed, `${at}.attention.output.dense`, C, C),
    config.hidden_dropout_prob,
  );
  const y = context.layerNorm(g.add(attended, x), `${at}.attention.output.LayerNorm`, C, config.layer_norm_eps);
  const inner = g.gelu(context.linear(y, `${at}.intermediate.dense`, C, F)); // [N, F]
  const out = context.dropout(context.linear(inner, `${at}.output.dense`, F, C), config.hidden_dropout_prob);
  return context.layerNorm(g.add(out, y), `${at}.output.LayerNorm`, C, config.layer_norm_eps);
}

/** With the first token's pooling, BERT's dense layer and tanh come after it. */
function features(context: LayerContext, config: BertConfig, pooling: Pooling, states: ValueId): ValueId {
  const pooled = pool(context.builder, states, pooling, config.hidden_size); // [B, C]
  const C = config.hidden_size;
  return pooling === "first" ? context.builder.tanh(context.linear(pooled, "bert.pooler.dense", C, C)) : pooled;
}

function logits(
  context: LayerContext,
  config: BertConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  states: ValueId,
): ValueId {
  return head.kind === "sequence"
    ? classified(context, config, features(context, config, head.pooling, states), head.labels) // [B, L]
    : head.kind === "token"
      ? classified(context, config, states, head.labels) // [N, L]
      : maskedWords(context, config, states); // [P, V]
}

function classified(context: LayerContext, config: BertConfig, x: ValueId, labels: number): ValueId {
  return context.linear(context.dropout(x, config.classifier_dropout), "classifier", config.hidden_size, labels);
}

/** [N, C] → [P, V]; the decoder is the table of word embeddings. */
function maskedWords(context: LayerContext, config: BertConfig, states: ValueId): ValueId {
  const g = context.builder;
  const C = config.hidden_size;
  const selected = g.gatherRows(states, g.input("positions", "int", ["P"])); // [P, C]
  const transformed = g.gelu(context.linear(selected, "cls.predictions.transform.dense", C, C));
  const normed = context.layerNorm(transformed, "cls.predictions.transform.LayerNorm", C, config.layer_norm_eps);
  const table = g.parameter("bert.embeddings.word_embeddings.weight", [config.vocab_size, C]);
  const bias = g.parameter("cls.predictions.bias", [config.vocab_size]);
  return g.add(g.matmul(normed, table, { transB: true }), bias); // [P, V]
}
