/**
 * A linear support vector machine with squared hinge loss, one class against the rest, by dual coordinate descent with
 * shrinking (Hsieh et al. 2008, the method of liblinear). A bias is one more feature of value 1, as in scikit-learn's
 * `LinearSVC`.
 */
import { PURPOSE, permutation, type Seed } from "../../base/index.ts";
import type { SparseRows } from "./features.ts";

export interface SvmOptions {
  readonly seed: Seed;
  /** Cost of a mistake. @default 1 */
  readonly cost?: number;
  /** Ends when the projected gradients of a pass spread less than this. @default 0.1, liblinear's */
  readonly tolerance?: number;
  /** @default 200 */
  readonly maxPasses?: number;
}

/** Weights of the classifier "class `positive` or not"; the last one is the bias. Same input and seed, same bits. */
export function trainOneClass(
  rows: SparseRows,
  labels: ArrayLike<number>,
  positive: number,
  columns: number,
  options: SvmOptions,
): Float64Array {
  const { seed, cost = 1, tolerance = 0.1, maxPasses = 200 } = options;
  const { starts, columns: column, values } = rows;
  const n = labels.length;
  const diagonal = 1 / (2 * cost);
  const weights = new Float64Array(columns + 1);
  const alpha = new Float64Array(n);
  // Rows have length 1 (or 0 when empty), and the bias adds 1.
  const curvature = Float64Array.from({ length: n }, (_, i) => {
    let sum = 1 + diagonal;
    for (let k = starts[i] as number; k < (starts[i + 1] as number); k++)
      sum += (values[k] as number) * (values[k] as number);
    return sum;
  });
  let active = permutation(n, seed, PURPOSE.shuffle, positive, 0);
  let bound = Infinity;
  for (let pass = 1; pass <= maxPasses; pass++) {
    let highest = -Infinity;
    let lowest = Infinity;
    let kept = 0;
    for (let place = 0; place < active.length; place++) {
      const i = active[place] as number;
      const sign = labels[i] === positive ? 1 : -1;
      const [from, to] = [starts[i] as number, starts[i + 1] as number];
      let score = weights[columns] as number;
      for (let k = from; k < to; k++) score += (weights[column[k] as number] as number) * (values[k] as number);
      const before = alpha[i] as number;
      const gradient = sign * score - 1 + diagonal * before;
      // At zero with a gradient well above what was seen last time, the row is not a support vector: leave it out.
      if (before === 0 && gradient > bound) continue;
      active[kept++] = i;
      const projected = before === 0 ? Math.min(gradient, 0) : gradient;
      highest = Math.max(highest, projected);
      lowest = Math.min(lowest, projected);
      if (Math.abs(projected) < 1e-12) continue;
      const after = Math.max(0, before - gradient / (curvature[i] as number));
      alpha[i] = after;
      const change = (after - before) * sign;
      for (let k = from; k < to; k++)
        weights[column[k] as number] = (weights[column[k] as number] as number) + change * (values[k] as number);
      weights[columns] = (weights[columns] as number) + change;
    }
    const done = kept === 0 || highest - lowest <= tolerance;
    if (done && active.length === n) break;
    if (done || kept === 0) {
      active = permutation(n, seed, PURPOSE.shuffle, positive, pass); // once more with every row, to be sure
      bound = Infinity;
      continue;
    }
    bound = highest > 0 ? highest : Infinity;
    active = active.subarray(0, kept);
    shuffle(active, permutation(kept, seed, PURPOSE.shuffle, positive, pass));
  }
  return weights;
}

function shuffle(items: Uint32Array, order: Uint32Array): void {
  const copy = items.slice();
  for (let i = 0; i < items.length; i++) items[i] = copy[order[i] as number] as number;
}
