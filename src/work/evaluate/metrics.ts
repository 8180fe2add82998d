/**
 * How right a classifier's answers are: accuracy with its interval, macro-F1, and which classes are taken for which.
 */
import { LockstepError } from "../../base/index.ts";

export interface Accuracy {
  readonly correct: number;
  readonly total: number;
  readonly value: number;
  /** Wilson's 95 % interval. */
  readonly interval: readonly [number, number];
}

/** A share with its 95 % interval (Wilson), and of how many: an accuracy as it is said. */
export interface Share {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly total: number;
}

export function shareOf({ value, interval: [low, high], total }: Accuracy): Share {
  return { value, low, high, total };
}

/** So many of so many. */
export function shareOfCount(count: number, total: number): Share {
  const [low, high] = wilsonInterval(count, total);
  return { value: count / total, low, high, total };
}

/** Throws DATA_INVALID for no rows or unequal lengths. */
export function accuracy(predicted: ArrayLike<number>, expected: ArrayLike<number>): Accuracy {
  checkLengths(predicted, expected);
  let correct = 0;
  for (let i = 0; i < expected.length; i++) if (predicted[i] === expected[i]) correct++;
  return {
    correct,
    total: expected.length,
    value: correct / expected.length,
    interval: wilsonInterval(correct, expected.length),
  };
}

/** The standard normal's 97.5 % point. */
const Z_95 = 1.959963984540054;

/**
 * Wilson's score interval for a proportion (1927): good also near 0 and 1, where the usual one leaves [0, 1]. `z` is in
 * standard deviations.
 */
export function wilsonInterval(successes: number, total: number, z = Z_95): readonly [number, number] {
  if (!(total > 0 && successes >= 0 && successes <= total))
    throw new LockstepError("DATA_INVALID", `${successes} of ${total} is no proportion`);
  const p = successes / total;
  const square = z * z;
  const centre = (p + square / (2 * total)) / (1 + square / total);
  const half = (z / (1 + square / total)) * Math.sqrt((p * (1 - p)) / total + square / (4 * total * total));
  return [successes === 0 ? 0 : Math.max(0, centre - half), successes === total ? 1 : Math.min(1, centre + half)];
}

export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

/** Scores of each class; a ratio of nothing to nothing is 0, as in scikit-learn. */
export function classScores(
  predicted: ArrayLike<number>,
  expected: ArrayLike<number>,
  numClasses: number,
): ClassScores[] {
  checkLengths(predicted, expected);
  const hits = new Int32Array(numClasses);
  const named = new Int32Array(numClasses);
  const there = new Int32Array(numClasses);
  for (let i = 0; i < expected.length; i++) {
    const [p, e] = [predicted[i] as number, expected[i] as number];
    if (!(p >= 0 && p < numClasses && e >= 0 && e < numClasses))
      throw new LockstepError("DATA_INVALID", `row ${i + 1} has the class ${p} or ${e}; there are ${numClasses}`);
    named[p] = (named[p] as number) + 1;
    there[e] = (there[e] as number) + 1;
    if (p === e) hits[p] = (hits[p] as number) + 1;
  }
  return Array.from(hits, (hit, c) => {
    const [n, t] = [named[c] as number, there[c] as number];
    return {
      precision: n === 0 ? 0 : hit / n,
      recall: t === 0 ? 0 : hit / t,
      f1: n + t === 0 ? 0 : (2 * hit) / (n + t),
      support: t,
    };
  });
}

/** Mean F1 over the classes that occur in either list, each counting the same. */
export function macroF1(predicted: ArrayLike<number>, expected: ArrayLike<number>, numClasses: number): number {
  const present = new Set([...Array.from(predicted), ...Array.from(expected)]);
  const scores = classScores(predicted, expected, numClasses).filter((_, c) => present.has(c));
  return scores.reduce((sum, { f1 }) => sum + f1, 0) / scores.length;
}

export interface Confusion {
  readonly expected: number;
  readonly predicted: number;
  readonly count: number;
}

/** The most frequent mistakes, at most `limit`; of equal counts the smaller classes first. */
export function confusionPairs(predicted: ArrayLike<number>, expected: ArrayLike<number>, limit = 20): Confusion[] {
  checkLengths(predicted, expected);
  const counts = new Map<string, { expected: number; predicted: number; count: number }>();
  for (let i = 0; i < expected.length; i++) {
    const [p, e] = [predicted[i] as number, expected[i] as number];
    if (p === e) continue;
    const key = `${e} ${p}`;
    const entry = counts.get(key) ?? { expected: e, predicted: p, count: 0 };
    entry.count++;
    counts.set(key, entry);
  }
  return [...counts.values()]
    .sort((a, b) => b.count - a.count || a.expected - b.expected || a.predicted - b.predicted)
    .slice(0, limit);
}

export function checkLengths(predicted: ArrayLike<number>, expected: ArrayLike<number>): void {
  if (expected.length === 0) throw new LockstepError("DATA_INVALID", "there are no rows to evaluate");
  if (predicted.length !== expected.length)
    throw new LockstepError("DATA_INVALID", `there are ${predicted.length} answers for ${expected.length} rows`);
}
