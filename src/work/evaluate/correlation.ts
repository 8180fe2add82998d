/** Correlations of two lists, and errors of numbers, as statistics of weighted rows. */
import { total, weighted, type Statistic } from "./bootstrap.ts";

/** Pearson's r; NaN where one of the lists is the same everywhere. */
export function pearson(x: ArrayLike<number>, y: ArrayLike<number>): Statistic {
  return (counts) => correlation(x, y, counts);
}

/** Spearman's ρ: Pearson's r of the ranks, equal values sharing the mean of their ranks; NaN as `pearson`. */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>): Statistic {
  const [orderX, orderY] = [orderOf(x), orderOf(y)];
  const [ranksX, ranksY] = [new Float64Array(x.length), new Float64Array(y.length)];
  return (counts) => correlation(ranks(x, orderX, counts, ranksX), ranks(y, orderY, counts, ranksY), counts);
}

function orderOf(values: ArrayLike<number>): Int32Array {
  return Int32Array.from({ length: values.length }, (_, row) => row).sort((a, b) => values[a]! - values[b]!);
}

/** Mean ranks, from 1, of rows that count so often each; written into `out`. */
function ranks(values: ArrayLike<number>, order: Int32Array, counts: Int32Array, out: Float64Array): Float64Array {
  let before = 0;
  for (let from = 0; from < order.length;) {
    let to = from;
    let tied = 0;
    while (to < order.length && values[order[to]!] === values[order[from]!]) tied += counts[order[to++]!]!;
    const rank = before + (tied + 1) / 2;
    while (from < to) out[order[from++]!] = rank;
    before += tied;
  }
  return out;
}

function correlation(x: ArrayLike<number>, y: ArrayLike<number>, counts: Int32Array): number {
  const rows = total(counts);
  const [meanX, meanY] = [weighted(x, counts) / rows, weighted(y, counts) / rows];
  let [xx, yy, xy] = [0, 0, 0];
  for (let row = 0; row < counts.length; row++) {
    const [dx, dy] = [x[row]! - meanX, y[row]! - meanY];
    xx += counts[row]! * dx * dx;
    yy += counts[row]! * dy * dy;
    xy += counts[row]! * dx * dy;
  }
  if (isFlat(xx, meanX, rows) || isFlat(yy, meanY, rows)) return NaN;
  return Math.max(-1, Math.min(1, xy / (Math.sqrt(xx) * Math.sqrt(yy))));
}

/** What is left of rounding where all numbers are the same. */
function isFlat(squares: number, level: number, rows: number): boolean {
  return squares <= rows * (1e-14 * level) * (1e-14 * level);
}

/** Mean distance of a prediction from the truth. */
export function meanAbsoluteError(predicted: ArrayLike<number>, expected: ArrayLike<number>): Statistic {
  const errors = Float64Array.from(expected, (value, row) => Math.abs(predicted[row]! - value));
  return (counts) => weighted(errors, counts) / total(counts);
}

/** Root of the mean squared distance. */
export function rootMeanSquaredError(predicted: ArrayLike<number>, expected: ArrayLike<number>): Statistic {
  const squares = squaredErrors(predicted, expected);
  return (counts) => Math.sqrt(weighted(squares, counts) / total(counts));
}

/** R² = 1 − Σ(p − y)² / Σ(y − ȳ)², 1 at most, without a lower bound; NaN where all of y is the same. */
export function determination(predicted: ArrayLike<number>, expected: ArrayLike<number>): Statistic {
  const squares = squaredErrors(predicted, expected);
  return (counts) => {
    const rows = total(counts);
    const level = weighted(expected, counts) / rows;
    let spread = 0;
    for (let row = 0; row < counts.length; row++)
      spread += counts[row]! * (expected[row]! - level) * (expected[row]! - level);
    return isFlat(spread, level, rows) ? NaN : 1 - weighted(squares, counts) / spread;
  };
}

function squaredErrors(predicted: ArrayLike<number>, expected: ArrayLike<number>): Float64Array {
  return Float64Array.from(expected, (value, row) => (predicted[row]! - value) * (predicted[row]! - value));
}
