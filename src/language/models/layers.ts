/**
 * The layers that transformers are made of, over a GraphBuilder. Activations travel as [N, C], one row a token, so that
 * each weight product and each weight gradient is one matrix product over all rows. How the rows of texts lie, and how
 * attention finds them, is the context's layout (layout.ts).
 */
import { mulDims, type Dim, type GraphBuilder, type Shape, type ValueId } from "../../numeric/graph/index.ts";
import type { Pooling } from "./head.ts";

/** Whom a token sees: all of its text, or what came before it and itself; the last `window` of those, null: all. */
export type Sight = { readonly sees: "all" } | { readonly sees: "before"; readonly window: number | null };

/** Heads that were split → [N, H·D] */
export type Attend = (query: ValueId, key: ValueId, value: ValueId, shape: HeadShape) => ValueId;

/** How the rows of a program lie. Letters: N = B·T of this layout. */
export interface Layout {
  /** B and T: axes of ids and positions, and of heads [B, heads, T, D]. */
  readonly axes: readonly [rows: Dim, tokens: Dim];
  /** Declares the inputs that say who sees whom, and gives the attention of one layer after another. */
  attention(context: LayerContext, sight: Sight): Attend;
  /** Every text's tokens, padded: hidden [N, C] → [B, T, C]. */
  texts(g: GraphBuilder, hidden: ValueId, channels: number): ValueId;
}

/**
 * Dropout is on when rates are given; each call of `dropout` is a site of its own, numbered in the order of
 * construction.
 */
export class LayerContext {
  readonly builder: GraphBuilder;
  readonly training: boolean;
  readonly layout: Layout;
  #site = 0;

  constructor(builder: GraphBuilder, training: boolean, layout: Layout = PADDED) {
    this.builder = builder;
    this.training = training;
    this.layout = layout;
  }

  /** An int for each token: ids, positions. [B, T] */
  tokens(name: string): ValueId {
    return this.builder.input(name, "int", this.layout.axes);
  }

  /** [B, T, C] → [N, C] */
  flat(x: ValueId, channels: number): ValueId {
    return this.builder.reshape(x, [mulDims(...this.layout.axes), channels]);
  }

  /** [N, heads·D] → [B, heads, T, D] */
  splitHeads(x: ValueId, heads: number, width: number): ValueId {
    const [rows, tokens] = this.layout.axes;
    if (tokens === 1) return this.builder.reshape(x, [rows, heads, 1, width]); // nothing changes places
    return this.builder.transpose(this.builder.reshape(x, [rows, tokens, heads, width]), [0, 2, 1, 3]);
  }

  /** [B, heads, T, D] → [N, heads·D] */
  joinHeads(x: ValueId, heads: number, width: number): ValueId {
    const [rows, tokens] = this.layout.axes;
    const inRows = tokens === 1 ? x : this.builder.transpose(x, [0, 2, 1, 3]);
    return this.builder.reshape(inRows, [mulDims(rows, tokens), heads * width]);
  }

  /** Of query, key and value [N, H·D] (Vaswani et al. 2017), before the output projection. */
  attention(attend: Attend, query: ValueId, key: ValueId, value: ValueId, shape: HeadShape): ValueId {
    const split = (x: ValueId) => this.splitHeads(x, shape.heads, shape.width);
    return attend(split(query), split(key), split(value), shape);
  }

  dropout(x: ValueId, rate: number): ValueId {
    if (!this.training || rate === 0) return x;
    const mask = this.builder.dropoutMask(this.builder.shapeOf(x), { rate, site: this.#site++ });
    return this.builder.mul(x, mask);
  }

  /** x [N, I] · W[O, I]ᵀ + b → [N, O] */
  linear(x: ValueId, name: string, inputs: number, outputs: number): ValueId {
    const weight = this.builder.parameter(`${name}.weight`, [outputs, inputs]);
    const bias = this.builder.parameter(`${name}.bias`, [outputs]);
    return this.builder.add(this.builder.matmul(x, weight, { transB: true }), bias);
  }

  /** x [N, I] · W[O, I]ᵀ → [N, O] */
  product(x: ValueId, name: string, inputs: number, outputs: number): ValueId {
    return this.builder.matmul(x, this.builder.parameter(`${name}.weight`, [outputs, inputs]), { transB: true });
  }

  /** Root mean square layer normalization (Zhang and Sennrich 2019). */
  rmsNorm(x: ValueId, name: string, channels: number, epsilon: number): ValueId {
    return this.builder.rmsNorm(x, this.builder.parameter(`${name}.weight`, [channels]), { epsilon }).y;
  }

  layerNorm(x: ValueId, name: string, channels: number, epsilon: number): ValueId {
    const gamma = this.builder.parameter(`${name}.weight`, [channels]);
    const beta = this.builder.parameter(`${name}.bias`, [channels]);
    return this.builder.layerNorm(x, gamma, beta, { epsilon }).y;
  }
}

export interface HeadShape {
  readonly heads: number;
  /** Each key head answers to heads/keyHeads query heads that lie side by side. @default heads */
  readonly keyHeads?: number;
  readonly width: number;
  readonly dropout: number;
}

/** Every text is a row of the batch, padded to the longest: ids [B, T]. Training, and serving of equal lengths. */
export const PADDED: Layout = {
  axes: ["B", "T"],
  attention: (context, { sees }) => {
    // added to the scores: 0 where a key counts, −∞ where not
    const bias = context.builder.input("attention_bias", "real", BIAS[sees]);
    return (query, key, value, shape) => attend(context, query, key, value, bias, shape);
  },
  texts: (g, hidden, C) => g.reshape(hidden, ["B", "T", C]),
};
const BIAS: { readonly [S in Sight["sees"]]: Shape } = { all: ["B", 1, 1, "T"], before: ["B", 1, "T", "T"] };

/**
 * query [B, H, T, D]; key, value [B, G, T, D]; bias [B, 1, 1 or T, T]. Where query heads share a key head (Ainslie et
 * al. 2023), their rows are one matrix, so that no key is copied.
 */
function attend(
  context: LayerContext,
  query: ValueId,
  key: ValueId,
  value: ValueId,
  bias: ValueId,
  { heads: H, keyHeads: G = H, width: D, dropout }: HeadShape,
): ValueId {
  const g = context.builder;
  const [B, T] = context.layout.axes;
  const together = (x: ValueId, columns: Dim) => (G === H ? x : g.reshape(x, [B, G, mulDims(H / G, T), columns]));
  const apart = (x: ValueId, columns: Dim) => (G === H ? x : g.reshape(x, [B, H, T, columns]));
  const scores = apart(g.matmul(together(query, D), key, { transB: true, alpha: 1 / Math.sqrt(D) }), T); // [B, H, T, T]
  const weights = context.dropout(g.softmax(g.add(scores, bias)), dropout); // [B, H, T, T]
  const mixed = apart(g.matmul(together(weights, T), value), D); // [B, H, T, D]
  return context.joinHeads(mixed, H, D); // [N, H·D]
}

/** x [N, C] with rows of length 1 (within epsilon): x/√(Σx² + ε) is an RMS norm over √C. */
export function l2Normalize(g: GraphBuilder, x: ValueId, channels: number, epsilon = 1e-12): ValueId {
  const gamma = g.expand(g.constant(1 / Math.sqrt(channels)), [channels]);
  return g.rmsNorm(x, gamma, { epsilon: epsilon / channels }).y;
}

const POOL: { readonly [P in Pooling]: (context: LayerContext, hidden: ValueId, C: number) => ValueId } = {
  first: ({ builder: g }, hidden) => g.gatherRows(hidden, g.input("first_index", "int", ["B"])),
  last: ({ builder: g }, hidden) => g.gatherRows(hidden, g.input("last_index", "int", ["B"])),
  /**
   * A product with two rows of weights, the second of them zeros: a reduction over tokens takes another kernel for a
   * single row (measured: other bits), and so does a product of one row; x + 0 is exact in any order.
   */
  mean: ({ builder: g, layout }, hidden, C) => {
    const weights = g.input("mean_weights", "real", ["B", 2, "T"]);
    const means = g.matmul(weights, layout.texts(g, hidden, C)); // [B, 2, C]
    return g.reduceSum(means, [1], { keepDims: false });
  },
};

/** hidden [N, C] → [B, C]. Its input is that of `headInputs`. */
export function pool(context: LayerContext, hidden: ValueId, pooling: Pooling, C: number): ValueId {
  return POOL[pooling](context, hidden, C);
}
