/**
 * What post-LN encoders are made of (BERT, RoBERTa, DistilBERT): sums of embeddings, the block, and the masked words'
 * decoder that is the table of word embeddings. Each family says what its parts are called.
 *
 * Letters as in head.ts; F intermediate_size.
 */
import type { ValueId } from "../../numeric/graph/index.ts";
import type { Attend, LayerContext } from "./layers.ts";
import type { ParameterList } from "./parameters.ts";

/** Names of a block's linear layers and norms, each with `.weight` and `.bias`. */
export interface BlockNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  /** After the heads are joined. */
  readonly attended: string;
  readonly attendedNorm: string;
  readonly inner: string;
  readonly outer: string;
  readonly outerNorm: string;
}

export interface BlockShape {
  /** C */
  readonly width: number;
  readonly heads: number;
  /** F */
  readonly inner: number;
  readonly epsilon: number;
  /** Of attention weights. */
  readonly attentionDropout: number;
  /** Of what attention gives. */
  readonly attendedDropout: number;
  /** Of what the feed-forward layers give. */
  readonly outerDropout: number;
}

export function blockParameters(list: ParameterList, names: BlockNames, { width: C, inner: F }: BlockShape): void {
  for (const part of ["query", "key", "value", "attended"] as const) list.linear(names[part], C, C);
  list.layerNorm(names.attendedNorm, C);
  list.linear(names.inner, C, F);
  list.linear(names.outer, F, C);
  list.layerNorm(names.outerNorm, C);
}

/** Attention and feed-forward layers with exact GELU, each added to its input and then normed. x [N, C] → [N, C] */
export function block(
  context: LayerContext,
  x: ValueId,
  attend: Attend,
  names: BlockNames,
  shape: BlockShape,
): ValueId {
  const g = context.builder;
  const { width: C, inner: F, epsilon } = shape;
  const project = (part: "query" | "key" | "value") => context.linear(x, names[part], C, C); // [N, C]
  const mixed = context.attention(attend, project("query"), project("key"), project("value"), {
    heads: shape.heads,
    width: C / shape.heads,
    dropout: shape.attentionDropout,
  });
  const attended = context.dropout(context.linear(mixed, names.attended, C, C), shape.attendedDropout);
  const y = context.layerNorm(g.add(attended, x), names.attendedNorm, C, epsilon);
  const inner = g.gelu(context.linear(y, names.inner, C, F)); // [N, F]
  const outer = context.dropout(context.linear(inner, names.outer, F, C), shape.outerDropout);
  return context.layerNorm(g.add(outer, y), names.outerNorm, C, epsilon);
}

/** Rows of a table by the ids of an input. [B, T, C] */
export function lookUp(
  context: LayerContext,
  table: string,
  [rows, C]: readonly [rows: number, channels: number],
  input: string,
  paddingId = -1,
): ValueId {
  const g = context.builder;
  return g.embedding(g.parameter(`${table}.weight`, [rows, C]), context.tokens(input), { paddingId });
}

/** A sum of embeddings [B, T, C], normed → [N, C] */
export function embedded(
  context: LayerContext,
  sum: ValueId,
  norm: string,
  shape: Pick<BlockShape, "width" | "epsilon" | "outerDropout">,
): ValueId {
  const rows = context.flat(sum, shape.width); // [N, C]
  return context.dropout(context.layerNorm(rows, norm, shape.width, shape.epsilon), shape.outerDropout);
}

/** Names of a masked-LM head. */
export interface WordsNames {
  readonly dense: string;
  readonly norm: string;
  readonly bias: string;
  /** The word embeddings, without `.weight`. */
  readonly table: string;
}

/** [N, C] → [P, V] at the input `positions` */
export function maskedWords(
  context: LayerContext,
  states: ValueId,
  names: WordsNames,
  sizes: { readonly vocab: number; readonly width: number; readonly epsilon: number },
): ValueId {
  const g = context.builder;
  const { vocab: V, width: C } = sizes;
  const selected = g.gatherRows(states, g.input("positions", "int", ["P"])); // [P, C]
  const transformed = g.gelu(context.linear(selected, names.dense, C, C));
  const normed = context.layerNorm(transformed, names.norm, C, sizes.epsilon);
  const table = g.parameter(`${names.table}.weight`, [V, C]);
  return g.add(g.matmul(normed, table, { transB: true }), g.parameter(names.bias, [V])); // [P, V]
}

/**
 * The names that published folders have for a parameter: with the family's prefix or without it, and layer norms as
 * `gamma` and `beta`, which they were in the first published weights.
 */
export function prefixAliases(prefix: string, name: string): readonly string[] {
  const old = name
    .replace(/(LayerNorm|layer_norm)\.weight$/, "$1.gamma")
    .replace(/(LayerNorm|layer_norm)\.bias$/, "$1.beta");
  return [name, old].flatMap((one) => [one, one.startsWith(prefix) ? one.slice(prefix.length) : one]);
}
