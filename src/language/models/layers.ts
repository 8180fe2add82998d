/**
 * The layers that transformers are made of, over a GraphBuilder. Activations travel as [N, C], N = B·T, so that
 * each weight product and each weight gradient is one matrix product over all rows.
 */
import { mulDims, type Dim, type GraphBuilder, type ValueId } from "../../numeric/graph/index.ts";
import type { Pooling } from "./head.ts";

/**
 * Dropout is on when rates are given; each call of `dropout` is a site of its own, numbered in the order of
 * construction.
 */
export class LayerContext {
  readonly builder: GraphBuilder;
  readonly training: boolean;
  #site = 0;

  constructor(builder: GraphBuilder, training: boolean) {
    this.builder = builder;
    this.training = training;
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

export interface AttentionShape {
  readonly rows: Dim;
  readonly tokens: Dim;
  readonly heads: number;
  /** Each key head answers to heads/keyHeads query heads that lie side by side. @default heads */
  readonly keyHeads?: number;
  readonly width: number;
  readonly dropout: number;
}

/**
 * Multi-head self-attention (Vaswani et al. 2017), before the output projection.
 * query, key, value [B·T, H·D]; bias [B, 1, 1 or T, T] is added to the scores: 0 where a key counts, −∞ where not.
 */
export function attention(
  context: LayerContext,
  query: ValueId,
  key: ValueId,
  value: ValueId,
  bias: ValueId,
  shape: AttentionShape,
): ValueId {
  const split = (x: ValueId) => splitHeads(context.builder, x, shape, shape.heads);
  return attend(context, split(query), split(key), split(value), bias, shape);
}

/** [B·T, H·D] → [B, H, T, D] */
export function splitHeads(
  g: GraphBuilder,
  x: ValueId,
  { rows, tokens, width }: AttentionShape,
  heads: number,
): ValueId {
  return g.transpose(g.reshape(x, [rows, tokens, heads, width]), [0, 2, 1, 3]);
}

/**
 * The same of heads that were split: query [B, H, T, D]; key, value [B, G, T, D]. Where query heads share a key head
 * (Ainslie et al. 2023), their rows are one matrix, so that no key is copied.
 */
export function attend(
  context: LayerContext,
  query: ValueId,
  key: ValueId,
  value: ValueId,
  bias: ValueId,
  shape: AttentionShape,
): ValueId {
  const g = context.builder;
  const { rows: B, tokens: T, heads: H, keyHeads: G = H, width: D } = shape;
  const together = (x: ValueId, columns: Dim) => (G === H ? x : g.reshape(x, [B, G, mulDims(H / G, T), columns]));
  const apart = (x: ValueId, columns: Dim) => (G === H ? x : g.reshape(x, [B, H, T, columns]));
  const scores = apart(g.matmul(together(query, D), key, { transB: true, alpha: 1 / Math.sqrt(D) }), T); // [B, H, T, T]
  const weights = context.dropout(g.softmax(g.add(scores, bias)), shape.dropout); // [B, H, T, T]
  const mixed = apart(g.matmul(together(weights, T), value), D); // [B, H, T, D]
  return g.reshape(g.transpose(mixed, [0, 2, 1, 3]), [mulDims(B, T), H * D]); // [B·T, H·D]
}

/** x [N, C] with rows of length 1 (within epsilon): x/√(Σx² + ε) is an RMS norm over √C. */
export function l2Normalize(g: GraphBuilder, x: ValueId, channels: number, epsilon = 1e-12): ValueId {
  const gamma = g.expand(g.constant(1 / Math.sqrt(channels)), [channels]);
  return g.rmsNorm(x, gamma, { epsilon: epsilon / channels }).y;
}

const POOL: { readonly [P in Pooling]: (g: GraphBuilder, hidden: ValueId, C: number) => ValueId } = {
  first: (g, hidden) => g.gatherRows(hidden, g.input("first_index", "int", ["B"])),
  last: (g, hidden) => g.gatherRows(hidden, g.input("last_index", "int", ["B"])),
  /**
   * A product with two rows of weights, the second of them zeros: a reduction over tokens takes another kernel for a
   * single row (measured: other bits), and so does a product of one row; x + 0 is exact in any order.
   */
  mean: (g, hidden, C) => {
    const weights = g.input("mean_weights", "real", ["B", 2, "T"]);
    const means = g.matmul(weights, g.reshape(hidden, ["B", "T", C])); // [B, 2, C]
    return g.reduceSum(means, [1], { keepDims: false });
  },
};

/** hidden [N, C] → [B, C]. Its input is that of `headInputs`. */
export function pool(g: GraphBuilder, hidden: ValueId, pooling: Pooling, C: number): ValueId {
  return POOL[pooling](g, hidden, C);
}
