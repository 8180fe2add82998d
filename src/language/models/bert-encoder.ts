/**
 * What BERT and RoBERTa share: the fields of their `config.json`, and the encoder under the prefix that each has. They
 * differ in their defaults, in how positions are counted, and in their heads.
 */
import { z } from "zod";
import type { ValueId } from "../../numeric/graph/index.ts";
import { requireWholeHeads, size } from "./config-sizes.ts";
import type { CommonConfig, DropoutRates } from "./family.ts";
import type { LayerContext } from "./layers.ts";
import type { ParameterList } from "./parameters.ts";
import { block, blockParameters, embedded, lookUp, type BlockNames, type BlockShape } from "./post-norm.ts";

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

/** Sizes have the defaults of the configuration class in `transformers`: the weights' shapes are held to them. */
const schemaOf = (vocabulary: number) =>
  z.object({
    vocab_size: size(2_000_000, vocabulary),
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
type BertFields = z.infer<ReturnType<typeof schemaOf>>;

/** What a family's configuration class has where the file has nothing. */
export interface BertDefaults {
  readonly vocab_size: number;
  readonly pad_token_id: number;
}

export function parseBertConfig(json: Readonly<Record<string, unknown>>, defaults: BertDefaults): BertConfig {
  const config = completeBertConfig(schemaOf(defaults.vocab_size).parse(json), defaults);
  requireWholeHeads(config);
  return config;
}

/** A complete config from the sizes and whatever else is given. */
export function completeBertConfig(fields: BertFields, defaults: BertDefaults): BertConfig {
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
    pad_token_id: fields.pad_token_id ?? defaults.pad_token_id,
  };
}

export function formatBertConfig(config: BertConfig): Readonly<Record<string, unknown>> {
  return {
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
  };
}

export function withBertDropout(config: BertConfig, { hidden, attention, classifier }: DropoutRates): BertConfig {
  return {
    ...config,
    hidden_dropout_prob: hidden,
    attention_probs_dropout_prob: attention,
    classifier_dropout: classifier,
  };
}

/** How an encoder's parts are called, and the table of its positions. */
export interface BertEncoder {
  /** "bert" or "roberta". */
  readonly prefix: string;
  /** Rows of the table of positions. */
  positionRows(config: BertConfig): number;
  /** The position of padding, which has no gradient; −1: none. */
  positionPadding(config: BertConfig): number;
}

export function encoderParameters(list: ParameterList, encoder: BertEncoder, config: BertConfig): void {
  const at = `${encoder.prefix}.embeddings`;
  const C = config.hidden_size;
  list.add(`${at}.word_embeddings.weight`, [config.vocab_size, C], "normal", "encoder");
  list.add(`${at}.position_embeddings.weight`, [encoder.positionRows(config), C], "normal", "encoder");
  list.add(`${at}.token_type_embeddings.weight`, [config.type_vocab_size, C], "normal", "encoder");
  list.layerNorm(`${at}.LayerNorm`, C);
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    blockParameters(list, blockNames(encoder, layer), blockShape(config));
}

/** Inputs: `input_ids`, `position_ids`, `token_type_ids` int [B, T]; `attention_bias` [B, 1, 1, T]. → [N, C] */
export function encode(context: LayerContext, encoder: BertEncoder, config: BertConfig): ValueId {
  const g = context.builder;
  const at = `${encoder.prefix}.embeddings`;
  const C = config.hidden_size;
  const shape = blockShape(config);
  const attend = context.layout.attention(context, { sees: "all" });
  const words = lookUp(context, `${at}.word_embeddings`, [config.vocab_size, C], "input_ids", config.pad_token_id);
  const positions = lookUp(
    context,
    `${at}.position_embeddings`,
    [encoder.positionRows(config), C],
    "position_ids",
    encoder.positionPadding(config),
  );
  const types = lookUp(context, `${at}.token_type_embeddings`, [config.type_vocab_size, C], "token_type_ids");
  let x = embedded(context, g.add(g.add(words, types), positions), `${at}.LayerNorm`, shape); // [N, C]
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    x = block(context, x, attend, blockNames(encoder, layer), shape);
  return x;
}

function blockNames({ prefix }: BertEncoder, layer: number): BlockNames {
  const at = `${prefix}.encoder.layer.${layer}`;
  return {
    query: `${at}.attention.self.query`,
    key: `${at}.attention.self.key`,
    value: `${at}.attention.self.value`,
    attended: `${at}.attention.output.dense`,
    attendedNorm: `${at}.attention.output.LayerNorm`,
    inner: `${at}.intermediate.dense`,
    outer: `${at}.output.dense`,
    outerNorm: `${at}.output.LayerNorm`,
  };
}

function blockShape(config: BertConfig): BlockShape {
  return {
    width: config.hidden_size,
    heads: config.num_attention_heads,
    inner: config.intermediate_size,
    epsilon: config.layer_norm_eps,
    attentionDropout: config.attention_probs_dropout_prob,
    attendedDropout: config.hidden_dropout_prob,
    outerDropout: config.hidden_dropout_prob,
  };
}
