/**
 * Figures with intervals by the bootstrap (Efron 1979; the percentile method): rows are drawn with replacement as often
 * as there are rows, the figure is computed of each such resample, and the middle 95 % of what comes out is the
 * interval. Which rows are drawn is a function of (seed, resample, draw), so the interval is the same on every machine
 * and with any number of threads. Rows are whatever is independent of one another: texts, sentences, queries.
 */
import { fillResample, LockstepError, PURPOSE, type Seed } from "../../base/index.ts";

/** A figure with its 95 % interval. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * A figure of rows of which row i counts `counts[i]` times; NaN where it is not defined, as a correlation with what is
 * always the same.
 */
export type Statistic = (counts: Int32Array) => number;

/** All figures of one table have the same resamples, so that they can be compared. */
const SEED: Seed = [0, 0];

/** Fewer for very many rows: so many rows are drawn in all, about. */
const DRAWS = 50_000_000;

export function resamplesFor(rows: number): number {
  return Math.max(100, Math.min(1000, Math.floor(DRAWS / Math.max(1, rows))));
}

/**
 * Each figure with its interval; null where the rows do not define it. Resamples that do not define it are left out of
 * its interval. @throws DATA_INVALID for no rows
 */
export function estimates<Name extends string>(
  rows: number,
  statistics: Readonly<Record<Name, Statistic>>,
  resamples = resamplesFor(rows),
): Readonly<Record<Name, Estimate | null>> {
  if (rows === 0) throw new LockstepError("DATA_INVALID", "there are no rows to evaluate");
  const counts = new Int32Array(rows).fill(1);
  const entries = Object.entries<Statistic>(statistics);
  const values = entries.map(([, statistic]) => statistic(counts));
  const drawn = values.map(() => new Float64Array(resamples));
  for (let resample = 0; resample < resamples; resample++) {
    fillResample(counts, SEED, PURPOSE.bootstrap, resample, 0);
    entries.forEach(([, statistic], at) => {
      if (!Number.isNaN(values[at])) drawn[at]![resample] = statistic(counts);
    });
  }
  return Object.fromEntries(
    entries.map(([name], at) => [name, estimateOf(values[at]!, drawn[at]!)] as const),
  ) as Readonly<Record<Name, Estimate | null>>;
}

function estimateOf(value: number, drawn: Float64Array): Estimate | null {
  if (Number.isNaN(value)) return null;
  const defined = drawn.filter((one) => !Number.isNaN(one)).sort();
  if (defined.length === 0) return { value, low: value, high: value };
  // a figure that each resample can only lower, as one of the greatest rows, is still within its interval
  return {
    value,
    low: Math.min(value, quantile(defined, 0.025)),
    high: Math.max(value, quantile(defined, 0.975)),
  };
}

/** Of sorted numbers, between neighbours by a straight line. */
export function quantile(sorted: Float64Array, share: number): number {
  const at = share * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (at - below) * (high - low);
}

/** Of a sum over rows by another: a share, a mean. */
export function ratio(numerator: ArrayLike<number>, denominator: ArrayLike<number>): Statistic {
  return (counts) => weighted(numerator, counts) / weighted(denominator, counts);
}

/** The mean over rows. */
export function mean(values: ArrayLike<number>): Statistic {
  return (counts) => weighted(values, counts) / total(counts);
}

/** Σ counts · values. */
export function weighted(values: ArrayLike<number>, counts: Int32Array): number {
  let sum = 0;
  for (let row = 0; row < counts.length; row++) sum += counts[row]! * values[row]!;
  return sum;
}

export function total(counts: Int32Array): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}
