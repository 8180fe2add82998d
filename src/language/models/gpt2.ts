/**
 * GPT-2 (Radford et al. 2019): pre-LN causal decoder, learned positions, the GELU with tanh, logits from the table of
 * word embeddings (or, in models of the same layout, from a matrix of their own). Its linear layers store
 * [inputs, outputs] ("Conv1D"), and one of them makes queries, keys and values. Parameter names are those of Hugging
 * Face `transformers`.
 *
 * Letters: B rows, T tokens (padded), N = B·T, C hidden_size, F inner width, H heads, D = C/H.
 */
import { z } from "zod";
import type { ValueId } from "../../numeric/graph/index.ts";
import { inputIds, positionIds } from "./batch.ts";
import { followed, harmless, oneOf, only, type FieldRule } from "./config-fields.ts";
import { requireWholeHeads, size } from "./config-sizes.ts";
import { DECODER_FIELDS } from "./decoder-fields.ts";
import type { CommonConfig, Family } from "./family.ts";
import type { Head } from "./head.ts";
import { pool, type Attend, type LayerContext, type Sight } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";

/** Sizes under the names that other families have; `config.json` calls them n_embd, n_layer, n_head, n_inner, … */
export interface Gpt2Config extends CommonConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
  readonly layer_norm_epsilon: number;
  /** Logits are products with the table of word embeddings. */
  readonly tie_word_embeddings: boolean;
  readonly embd_pdrop: number;
  readonly resid_pdrop: number;
  readonly attn_pdrop: number;
  readonly classifier_dropout: number;
}

const rate = z.number().min(0).max(0.9).nullish();
const schema = z.object({
  vocab_size: size(2_000_000, 50_257),
  n_positions: size(131_072, 1024),
  n_embd: size(16_384, 768),
  n_layer: size(256, 12),
  n_head: size(256, 12),
  n_inner: z.int().min(1).max(131_072).nullish(),
  layer_norm_epsilon: z.number().positive().max(1).nullish(),
  initializer_range: z.number().positive().max(10).nullish(),
  embd_pdrop: rate,
  resid_pdrop: rate,
  attn_pdrop: rate,
  classifier_dropout: rate,
  tie_word_embeddings: z.boolean().nullish(),
  pad_token_id: z.int().min(-1).nullish(),
});

function complete(fields: z.infer<typeof schema>): Gpt2Config {
  const config = {
    vocab_size: fields.vocab_size,
    hidden_size: fields.n_embd,
    num_hidden_layers: fields.n_layer,
    num_attention_heads: fields.n_head,
    intermediate_size: fields.n_inner ?? 4 * fields.n_embd,
    max_position_embeddings: fields.n_positions,
    layer_norm_epsilon: fields.layer_norm_epsilon ?? 1e-5,
    initializer_range: fields.initializer_range ?? 0.02,
    tie_word_embeddings: fields.tie_word_embeddings ?? true,
    embd_pdrop: fields.embd_pdrop ?? 0.1,
    resid_pdrop: fields.resid_pdrop ?? 0.1,
    attn_pdrop: fields.attn_pdrop ?? 0.1,
    classifier_dropout: fields.classifier_dropout ?? 0.1,
    pad_token_id: fields.pad_token_id ?? -1,
  };
  requireWholeHeads(config);
  return config;
}

const SIGHT: Sight = { sees: "before", window: null };

export const GPT2: Family<Gpt2Config> = {
  title: "GPT-2",
  fields: new Map<string, FieldRule>([
    ...DECODER_FIELDS,
    ...followed(
      `vocab_size n_positions n_embd n_layer n_head n_inner layer_norm_epsilon initializer_range embd_pdrop resid_pdrop
       attn_pdrop classifier_dropout tie_word_embeddings pad_token_id`,
    ),
    // An old copy of n_positions; a head for multiple choice; and float32 is what attention has here.
    ...harmless(
      `n_ctx summary_activation summary_first_dropout summary_proj_to_labels summary_type summary_use_proj
       reorder_and_upcast_attn predict_special_tokens`,
    ),
    ...only("activation_function", oneOf("gelu_new", "gelu_pytorch_tanh"), "the layers have the GELU with tanh here"),
    ...only("scale_attn_weights", oneOf(true), "scores are divided by the root of a head's width here"),
    ...only("scale_attn_by_inverse_layer_idx", oneOf(false), "all layers scale their scores alike here"),
  ]),
  architectures: {
    GPT2LMHeadModel: "causal-lm",
    GPT2ForSequenceClassification: "sequence",
    GPT2ForTokenClassification: "token",
    GPT2Model: "encoder",
  },
  pooling: "last",
  classifier: "score",
  tokenizerClass: "GPT2Tokenizer",
  textLayout: "decoder",
  parse: (json) => complete(schema.parse(json)),
  format: (config) => ({
    vocab_size: config.vocab_size,
    n_positions: config.max_position_embeddings,
    n_embd: config.hidden_size,
    n_layer: config.num_hidden_layers,
    n_head: config.num_attention_heads,
    n_inner: config.intermediate_size,
    layer_norm_epsilon: config.layer_norm_epsilon,
    initializer_range: config.initializer_range,
    embd_pdrop: config.embd_pdrop,
    resid_pdrop: config.resid_pdrop,
    attn_pdrop: config.attn_pdrop,
    classifier_dropout: config.classifier_dropout,
    pad_token_id: config.pad_token_id < 0 ? null : config.pad_token_id,
    activation_function: "gelu_new",
    scale_attn_weights: true,
    tie_word_embeddings: config.tie_word_embeddings,
  }),
  create: (sizes) =>
    complete({
      vocab_size: sizes.vocab_size,
      n_positions: sizes.max_position_embeddings,
      n_embd: sizes.hidden_size,
      n_layer: sizes.num_hidden_layers,
      n_head: sizes.num_attention_heads,
      n_inner: sizes.intermediate_size,
      initializer_range: sizes.initializer_range,
      pad_token_id: sizes.pad_token_id,
    }),
  withDropout: (config, { hidden: between, attention: weights, classifier }) => ({
    ...config,
    embd_pdrop: between,
    resid_pdrop: between,
    attn_pdrop: weights,
    classifier_dropout: classifier,
  }),
  parameters,
  aliases: (name) => [name, name.replace(/^transformer\./, "")],
  inputs: (_, batch) => ({
    // padding is seen by no token, so without a pad token any id may stand there
    ...inputIds({ ...batch, padId: Math.max(batch.padId, 0) }),
    ...positionIds(batch),
    ...batch.sight(SIGHT),
  }),
  hidden,
  features: (context, config, pooling, states) => pool(context, states, pooling, config.hidden_size),
  logits,
};

function parameters(config: Gpt2Config, head: Head): readonly ParameterInfo[] {
  const list = new ParameterList();
  const { hidden_size: C, intermediate_size: F } = config;
  const stored = (name: string, inputs: number, outputs: number): void => {
    list.add(`${name}.weight`, [inputs, outputs], "normal", "encoder");
    list.add(`${name}.bias`, [outputs], "zeros", "encoder");
  };
  list.product("transformer.wte", C, config.vocab_size);
  list.product("transformer.wpe", C, config.max_position_embeddings);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `transformer.h.${layer}`;
    list.layerNorm(`${at}.ln_1`, C);
    stored(`${at}.attn.c_attn`, C, 3 * C);
    stored(`${at}.attn.c_proj`, C, C);
    list.layerNorm(`${at}.ln_2`, C);
    stored(`${at}.mlp.c_fc`, C, F);
    stored(`${at}.mlp.c_proj`, F, C);
  }
  list.layerNorm("transformer.ln_f", C);
  if (head.kind === "causal-lm" && !config.tie_word_embeddings) list.product("lm_head", C, config.vocab_size, "head");
  if (head.kind === "sequence") list.product("score", C, head.labels, "head");
  if (head.kind === "token") list.linear("classifier", C, head.labels, "head");
  return list.items;
}

/** x [N, I] · W[I, O] + b → [N, O] */
function conv1d(context: LayerContext, x: ValueId, name: string, inputs: number, outputs: number): ValueId {
  const g = context.builder;
  const product = g.matmul(x, g.parameter(`${name}.weight`, [inputs, outputs]));
  return g.add(product, g.parameter(`${name}.bias`, [outputs]));
}

/** [N, C], after the last norm. */
function hidden(context: LayerContext, config: Gpt2Config): ValueId {
  const g = context.builder;
  const { hidden_size: C, layer_norm_epsilon: epsilon } = config;
  const look = (name: string, rows: number, input: string) =>
    g.embedding(g.parameter(`transformer.${name}.weight`, [rows, C]), context.tokens(input)); // [B, T, C]
  const words = look("wte", config.vocab_size, "input_ids");
  const sum = g.add(words, look("wpe", config.max_position_embeddings, "position_ids"));
  const attend = context.layout.attention(context, SIGHT);
  let x = context.dropout(context.flat(sum, C), config.embd_pdrop); // [N, C]
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `transformer.h.${layer}`;
    const normed = context.layerNorm(x, `${at}.ln_1`, C, epsilon);
    const attended = selfAttention(context, config, `${at}.attn`, normed, attend);
    x = g.add(x, context.dropout(attended, config.resid_pdrop));
    const fed = feedForward(context, config, `${at}.mlp`, context.layerNorm(x, `${at}.ln_2`, C, epsilon));
    x = g.add(x, context.dropout(fed, config.resid_pdrop));
  }
  return context.layerNorm(x, "transformer.ln_f", C, epsilon);
}

function selfAttention(context: LayerContext, config: Gpt2Config, at: string, x: ValueId, attend: Attend): ValueId {
  const g = context.builder;
  const { hidden_size: C, num_attention_heads: H } = config;
  const all = conv1d(context, x, `${at}.c_attn`, C, 3 * C); // [N, 3·C]
  const [query, key, value] = [0, 1, 2].map((part) => g.slice(all, 1, { start: part * C, end: (part + 1) * C })) as [
    ValueId,
    ValueId,
    ValueId,
  ];
  const mixed = context.attention(attend, query, key, value, {
    heads: H,
    width: C / H,
    dropout: config.attn_pdrop,
  });
  return conv1d(context, mixed, `${at}.c_proj`, C, C);
}

function feedForward(context: LayerContext, config: Gpt2Config, at: string, x: ValueId): ValueId {
  const { hidden_size: C, intermediate_size: F } = config;
  const inner = context.builder.geluTanh(conv1d(context, x, `${at}.c_fc`, C, F)); // [N, F]
  return conv1d(context, inner, `${at}.c_proj`, F, C);
}

function logits(
  context: LayerContext,
  config: Gpt2Config,
  head: Exclude<Head, { kind: "encoder" }>,
  states: ValueId,
): ValueId {
  const g = context.builder;
  const { hidden_size: C } = config;
  if (head.kind === "sequence") {
    const features = context.dropout(pool(context, states, head.pooling, C), config.classifier_dropout);
    return context.product(features, "score", C, head.labels); // [B, L]
  }
  if (head.kind === "token")
    return context.linear(context.dropout(states, config.classifier_dropout), "classifier", C, head.labels); // [N, L]
  const selected = g.gatherRows(states, g.input("positions", "int", ["P"])); // [P, C]
  const matrix = config.tie_word_embeddings ? "transformer.wte" : "lm_head";
  return context.product(selected, matrix, C, config.vocab_size); // [P, V]
}
