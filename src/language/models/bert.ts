/**
 * BERT (Devlin et al. 2019): post-LN encoder, learned positions, token types, exact GELU; parameter names and layouts
 * are those of Hugging Face `transformers`, so that folders move both ways. One file: config in, graph out.
 * Heads: masked LM (decoder tied to the word embeddings), sequence classification from the first token (pooler + tanh,
 * as there) or from the mean over tokens (no pooler; ours), token classification, and the bare encoder.
 *
 * Letters: B rows, T tokens (padded), N = B·T, C hidden_size, H heads, D = C/H, P selected positions, L labels, V
 * vocabulary.
 */
import { GraphBuilder, mulDims, type Graph, type ValueId } from "../../numeric/graph/index.ts";
import type { BertConfig } from "./config.ts";
import { LayerContext, attention } from "./layers.ts";
import { crossEntropySum } from "./losses.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";

export type Pooling = "first" | "mean";
export type Head =
  | { readonly kind: "masked-lm" }
  | { readonly kind: "sequence"; readonly labels: number; readonly pooling: Pooling }
  | { readonly kind: "token"; readonly labels: number }
  | { readonly kind: "encoder"; readonly pooling: Pooling };

export interface BertGraphOptions {
  /**
   * With the output `loss` (rank 0: the sum of the rows' losses × the input `loss_scale`) and its inputs `labels`,
   * `label_weights`. @default false
   */
  readonly loss?: boolean;
  /** Dropout at the config's rates. @default false */
  readonly dropout?: boolean;
  /** 0 ≤ ε < 1. @default 0 */
  readonly labelSmoothing?: number;
}

/** In a fixed order, which also numbers the streams of random first values. */
export function bertParameters(config: BertConfig, head: Head): readonly ParameterInfo[] {
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

/**
 * Inputs: `input_ids`, `token_type_ids`, `position_ids` int [B, T]; `attention_bias` [B, 1, 1, T], 0 or −∞. By head:
 * `first_index` int [B] (row b's first token among the N) or `mean_weights` [B, 2, T] (1/length on tokens, 0 on
 * padding; then zeros); `positions` int [P] among the N for masked LM. Outputs: `logits` ([B, L], [N, L] or [P, V]) or
 * `pooled` [B, C].
 */
export function bertGraph(config: BertConfig, head: Head, options: BertGraphOptions = {}): Graph {
  const g = new GraphBuilder();
  const context = new LayerContext(g, options.dropout ?? false);
  const hidden = encoder(context, config);
  if (head.kind === "encoder") {
    g.output("pooled", pool(g, hidden, head.pooling, config.hidden_size));
    return g.build();
  }
  const { logits, classes } = headLogits(context, config, head, hidden);
  g.output("logits", logits);
  if (options.loss === true) {
    const rows = g.shapeOf(logits)[0]!;
    const labels = g.input("labels", "int", [rows]);
    const weights = g.input("label_weights", "real", [rows]);
    const scale = g.input("loss_scale", "real", []);
    g.output("loss", g.mul(crossEntropySum(g, logits, labels, weights, classes, options.labelSmoothing ?? 0), scale));
  }
  return g.build();
}

function encoder(context: LayerContext, config: BertConfig): ValueId {
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

/**
 * hidden [N, C] → [B, C]. The mean is a product with two rows of weights, the second of them zeros: a reduction over
 * tokens takes another kernel for a single row (measured: other bits), and so does a product of one row; x + 0 is exact
 * in any order.
 */
function pool(g: GraphBuilder, hidden: ValueId, pooling: Pooling, C: number): ValueId {
  if (pooling === "first") return g.gatherRows(hidden, g.input("first_index", "int", ["B"]));
  const weights = g.input("mean_weights", "real", ["B", 2, "T"]);
  const means = g.matmul(weights, g.reshape(hidden, ["B", "T", C])); // [B, 2, C]
  return g.reduceSum(means, [1], { keepDims: false });
}

function headLogits(
  context: LayerContext,
  config: BertConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  hidden: ValueId,
): { logits: ValueId; classes: number } {
  const g = context.builder;
  const C = config.hidden_size;
  if (head.kind === "masked-lm") {
    const selected = g.gatherRows(hidden, g.input("positions", "int", ["P"])); // [P, C]
    const transformed = g.gelu(context.linear(selected, "cls.predictions.transform.dense", C, C));
    const normed = context.layerNorm(transformed, "cls.predictions.transform.LayerNorm", C, config.layer_norm_eps);
    const table = g.parameter("bert.embeddings.word_embeddings.weight", [config.vocab_size, C]);
    const bias = g.parameter("cls.predictions.bias", [config.vocab_size]);
    return { logits: g.add(g.matmul(normed, table, { transB: true }), bias), classes: config.vocab_size }; // [P, V]
  }
  let features = hidden; // [N, C]
  if (head.kind === "sequence") {
    features = pool(g, hidden, head.pooling, C); // [B, C]
    if (head.pooling === "first") features = g.tanh(context.linear(features, "bert.pooler.dense", C, C));
  }
  return {
    logits: context.linear(context.dropout(features, config.classifier_dropout), "classifier", C, head.labels),
    classes: head.labels,
  };
}
