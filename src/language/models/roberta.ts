/**
 * RoBERTa (Liu et al. 2019) and XLM-R (Conneau et al. 2020): BERT's encoder with one token type and without next
 * sentences. Positions are counted from the pad token's id + 1 on, and the pad token itself stands at its own id,
 * wherever it is; so a table of P positions is for rows of P − id − 1 tokens. Names and layouts are those of Hugging
 * Face `transformers`, where both families have the same parameters.
 * Heads: masked LM (decoder tied to the word embeddings), sequence classification from the first token (dense, tanh and
 * `out_proj`, as there) or from the mean over tokens (`out_proj` alone; ours), token classification, the bare encoder.
 */
import type { ValueId } from "../../numeric/graph/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import { inputIds, tokenInts, tokenTypeIds, type Batch } from "./batch.ts";
import {
  completeBertConfig,
  encode,
  encoderParameters,
  formatBertConfig,
  parseBertConfig,
  withBertDropout,
  type BertConfig,
  type BertDefaults,
  type BertEncoder,
} from "./bert-encoder.ts";
import { ROBERTA_FIELDS } from "./bert-fields.ts";
import { invalidField } from "./config-sizes.ts";
import type { Family } from "./family.ts";
import type { Head, Pooling } from "./head.ts";
import { pool, type LayerContext } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";
import { maskedWords, prefixAliases, type WordsNames } from "./post-norm.ts";

/** `max_position_embeddings` is the longest row here, and in the file the rows of the table. */
export type RobertaConfig = BertConfig;

const ENCODER: BertEncoder = {
  prefix: "roberta",
  positionRows: (config) => config.max_position_embeddings + config.pad_token_id + 1,
  positionPadding: (config) => config.pad_token_id,
};
const WORDS: WordsNames = {
  dense: "lm_head.dense",
  norm: "lm_head.layer_norm",
  bias: "lm_head.bias",
  table: "roberta.embeddings.word_embeddings",
};

/** `classes`: what the names of its classes in `transformers` begin with. */
function family(title: string, classes: string, vocab_size: number): Family<RobertaConfig> {
  const defaults: BertDefaults = { vocab_size, pad_token_id: 1 };
  return {
    title,
    fields: ROBERTA_FIELDS,
    architectures: {
      [`${classes}ForSequenceClassification`]: "sequence",
      [`${classes}ForTokenClassification`]: "token",
      [`${classes}ForMaskedLM`]: "masked-lm",
      [`${classes}Model`]: "encoder",
    },
    pooling: "first",
    classifier: "classifier.out_proj",
    tokenizerClass: `${classes}Tokenizer`,
    textLayout: "encoder",
    parse: (json) => parse(json, defaults),
    format: (config) => ({ ...formatBertConfig(config), max_position_embeddings: ENCODER.positionRows(config) }),
    create: (sizes) => completeBertConfig({ ...sizes, type_vocab_size: 1 }, defaults),
    withDropout: withBertDropout,
    parameters,
    aliases: (name) => [...prefixAliases("roberta.", name), ...(name === WORDS.bias ? ["lm_head.decoder.bias"] : [])],
    inputs,
    hidden: (context, config) => encode(context, ENCODER, config),
    features,
    logits,
  };
}
export const ROBERTA = family("RoBERTa", "Roberta", 50_265);
export const XLM_ROBERTA = family("XLM-R", "XLMRoberta", 30_522);

function parse(json: Readonly<Record<string, unknown>>, defaults: BertDefaults): RobertaConfig {
  const config = parseBertConfig(json, defaults);
  if (config.pad_token_id < 0)
    throw invalidField("pad_token_id", "there is none, and positions are counted from the pad token's id + 1 on");
  const longest = config.max_position_embeddings - config.pad_token_id - 1;
  if (longest < 1)
    throw invalidField(
      "max_position_embeddings",
      `${config.max_position_embeddings} positions leave none for a token after the pad token's ${config.pad_token_id}`,
    );
  return { ...config, max_position_embeddings: longest };
}

/** There is one type of token, whatever a row says. */
function inputs(config: RobertaConfig, batch: Batch): Record<string, HostTensor> {
  return {
    ...inputIds(batch),
    ...tokenTypeIds({ ...batch, rows: [] }),
    ...positionIds(config, batch),
    ...batch.sight({ sees: "all" }),
  };
}

function positionIds({ pad_token_id: pad }: RobertaConfig, batch: Batch): Record<string, HostTensor> {
  const positions = batch.rows.map(({ ids }) => {
    let position = pad;
    return ids.map((id) => (id === pad ? pad : ++position));
  });
  return tokenInts("position_ids", batch, positions, pad);
}

function parameters(config: RobertaConfig, head: Head): readonly ParameterInfo[] {
  const list = new ParameterList();
  const C = config.hidden_size;
  encoderParameters(list, ENCODER, config);
  if (head.kind === "sequence") {
    if (head.pooling === "first") list.linear("classifier.dense", C, C, "head");
    list.linear("classifier.out_proj", C, head.labels, "head");
  }
  if (head.kind === "token") list.linear("classifier", C, head.labels, "head");
  if (head.kind === "masked-lm") {
    list.add(WORDS.bias, [config.vocab_size], "zeros", "head");
    list.linear(WORDS.dense, C, C, "head");
    list.layerNorm(WORDS.norm, C, "head");
  }
  return list.items;
}

function features(context: LayerContext, config: RobertaConfig, pooling: Pooling, states: ValueId): ValueId {
  const C = config.hidden_size;
  const pooled = pool(context, states, pooling, C); // [B, C]
  if (pooling !== "first") return pooled;
  const dropped = context.dropout(pooled, config.classifier_dropout);
  return context.builder.tanh(context.linear(dropped, "classifier.dense", C, C));
}

function logits(
  context: LayerContext,
  config: RobertaConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  states: ValueId,
): ValueId {
  const C = config.hidden_size;
  const last = (x: ValueId, name: string, labels: number) =>
    context.linear(context.dropout(x, config.classifier_dropout), name, C, labels);
  return head.kind === "sequence"
    ? last(features(context, config, head.pooling, states), "classifier.out_proj", head.labels) // [B, L]
    : head.kind === "token"
      ? last(states, "classifier", head.labels) // [N, L]
      : maskedWords(context, states, WORDS, { vocab: config.vocab_size, width: C, epsilon: config.layer_norm_eps });
}
