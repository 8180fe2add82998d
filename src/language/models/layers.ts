/**
 * The layers that transformer encoders are made of, over a GraphBuilder. Activations travel as [N, C], N = B·T, so that
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
  readonly width: number;
  readonly dropout: number;
}

/**
 * Multi-head self-attention (Vaswani et al. 2017), before the output projection.
 * query, key, value [B·T, H·D]; bias [B, 1, 1, T] is added to the scores: 0 where a key counts, −∞ where it is padding.
 */
export function attention(
  context: LayerContext,
  query: ValueId,
  key: ValueId,
  value: ValueId,
  bias: ValueId,
  shape: AttentionShape,
): ValueId {
  const g = context.builder;
  const { rows: B, tokens: T, heads: H, width: D } = shape;
  const split = (x: ValueId) => g.transpose(g.reshape(x, [B, T, H, D]), [0, 2, 1, 3]); // [B, H, T, D]
  const scores = g.matmul(split(query), split(key), { transB: true, alpha: 1 / Math.sqrt(D) }); // [B, H, T, T]
  const weights = context.dropout(g.softmax(g.add(scores, bias)), shape.dropout); // [B, H, T, T]
  const mixed = g.matmul(weights, split(value)); // [B, H, T, D]
  return g.reshape(g.transpose(mixed, [0, 2, 1, 3]), [mulDims(B, T), H * D]); // [B·T, C]
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
