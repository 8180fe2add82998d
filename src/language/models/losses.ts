/**
 * Losses, as sums: a training program differentiates the sum of its losses times a scalar; the divisor is applied once,
 * at the root of the reduction.
 */
import type { GraphBuilder, ValueId } from "../../numeric/graph/index.ts";

/**
 * Σ over rows of weight · cross-entropy(logits row, label), rank 0. logits [N, L]; labels int [N]; weights [N] (0 for a
 * row that does not count). With smoothing ε the target is (1−ε)·one-hot + ε/L (Szegedy et al. 2016).
 */
export function crossEntropySum(
  g: GraphBuilder,
  logits: ValueId,
  labels: ValueId,
  weights: ValueId,
  classes: number,
  smoothing: number,
): ValueId {
  const off = smoothing / classes;
  const target = g.oneHot(labels, { depth: classes, on: 1 - smoothing + off, off }); // [N, L]
  const perRow = g.reduceSum(g.mul(target, g.logSoftmax(logits)), [1], { keepDims: false }); // [N], negative
  return g.neg(g.reduceSum(g.mul(perRow, weights), [0], { keepDims: false })); // []
}
