/**
 * BERT (Devlin et al. 2019): post-LN encoder, learned positions, token types, exact GELU; parameter names and layouts
 * are those of Hugging Face `transformers`, so that folders move both ways. The encoder is in bert-encoder.ts.
 * Heads: masked LM (decoder tied to the word embeddings), sequence classification from the first token (pooler + tanh,
 * as there) or from the mean over tokens (no pooler; ours), token classification, and the bare encoder.
 */
import type { ValueId } from "../../numeric/graph/index.ts";
import { inputIds, positionIds, tokenTypeIds } from "./batch.ts";
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
import { BERT_FIELDS } from "./bert-fields.ts";
import type { Family } from "./family.ts";
import type { Head, Pooling } from "./head.ts";
import { pool, type LayerContext } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";
import { maskedWords, prefixAliases, type WordsNames } from "./post-norm.ts";

const DEFAULTS: BertDefaults = { vocab_size: 30_522, pad_token_id: 0 };
const ENCODER: BertEncoder = {
  prefix: "bert",
  positionRows: (config) => config.max_position_embeddings,
  positionPadding: () => -1,
};
const WORDS: WordsNames = {
  dense: "cls.predictions.transform.dense",
  norm: "cls.predictions.transform.LayerNorm",
  bias: "cls.predictions.bias",
  table: "bert.embeddings.word_embeddings",
};

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
  tokenizerClass: undefined,
  textLayout: "bert",
  parse: (json) => parseBertConfig(json, DEFAULTS),
  format: formatBertConfig,
  create: (sizes) => completeBertConfig({ ...sizes, type_vocab_size: 2 }, DEFAULTS),
  withDropout: withBertDropout,
  parameters,
  // the decoder's bias has had both names
  aliases: (name) => [
    ...prefixAliases("bert.", name),
    ...(name === WORDS.bias ? ["cls.predictions.decoder.bias"] : []),
  ],
  inputs: (_, batch) => ({
    ...inputIds(batch),
    ...tokenTypeIds(batch),
    ...positionIds(batch),
    ...batch.sight({ sees: "all" }),
  }),
  hidden: (context, config) => encode(context, ENCODER, config),
  features,
  logits,
};

function parameters(config: BertConfig, head: Head): readonly ParameterInfo[] {
  const list = new ParameterList();
  const C = config.hidden_size;
  encoderParameters(list, ENCODER, config);
  if (head.kind === "sequence" && head.pooling === "first") list.linear("bert.pooler.dense", C, C, "head");
  if (head.kind === "sequence" || head.kind === "token") list.linear("classifier", C, head.labels, "head");
  if (head.kind === "masked-lm") {
    list.add(WORDS.bias, [config.vocab_size], "zeros", "head");
    list.linear(WORDS.dense, C, C, "head");
    list.layerNorm(WORDS.norm, C, "head");
  }
  return list.items;
}

/** With the first token's pooling, BERT's dense layer and tanh come after it. */
function features(context: LayerContext, config: BertConfig, pooling: Pooling, states: ValueId): ValueId {
  const pooled = pool(context, states, pooling, config.hidden_size); // [B, C]
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
      : maskedWords(context, states, WORDS, {
          vocab: config.vocab_size,
          width: config.hidden_size,
          epsilon: config.layer_norm_eps,
        }); // [P, V]
}

function classified(context: LayerContext, config: BertConfig, x: ValueId, labels: number): ValueId {
  return context.linear(context.dropout(x, config.classifier_dropout), "classifier", config.hidden_size, labels);
}
