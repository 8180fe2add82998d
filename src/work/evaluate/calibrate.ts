/**
 * Two numbers fitted on held-out rows: the temperature that makes probabilities honest, and the confidence below which
 * to abstain.
 */
import { exp } from "../../base/index.ts";
import { rowsOf, type Confidence, type Scores } from "./probabilities.ts";

/**
 * Temperatures are sought between these; a value at an end says that the held-out rows hold no more information than
 * that.
 */
export const TEMPERATURE_RANGE = Object.freeze({ least: 0.05, most: 20 });

/**
 * The temperature T with the least negative log-likelihood of softmax(logits / T) (Guo et al. 2017). In 1 / T that is
 * convex, so a Newton step guarded by bisection on its derivative finds it; same logits, same bits.
 */
export function fitTemperature(scores: Scores, labels: ArrayLike<number>): number {
  rowsOf(scores, labels);
  let low = 1 / TEMPERATURE_RANGE.most;
  let high = 1 / TEMPERATURE_RANGE.least;
  if (derivatives(scores, labels, low).first >= 0) return TEMPERATURE_RANGE.most;
  if (derivatives(scores, labels, high).first <= 0) return TEMPERATURE_RANGE.least;
  let inverse = 1;
  for (let step = 0; step < 60 && high - low > 1e-9 * high; step++) {
    const { first, second } = derivatives(scores, labels, inverse);
    if (first === 0) break;
    if (first > 0) high = inverse;
    else low = inverse;
    const newton = inverse - first / second;
    const next = newton > low && newton < high ? newton : (low + high) / 2;
    if (Math.abs(next - inverse) <= 1e-10 * inverse) break;
    inverse = next;
  }
  return 1 / inverse;
}

/**
 * Of the summed negative log-likelihood by the inverse temperature: E_p[z] - z_label, and the variance of z under p.
 */
function derivatives(
  { logits, numClasses }: Scores,
  labels: ArrayLike<number>,
  inverse: number,
): { first: number; second: number } {
  let first = 0;
  let second = 0;
  for (let row = 0; row < labels.length; row++) {
    const start = row * numClasses;
    let largest = -Infinity;
    for (let c = 0; c < numClasses; c++) largest = Math.max(largest, logits[start + c] as number);
    let sum = 0;
    let mean = 0;
    let square = 0;
    for (let c = 0; c < numClasses; c++) {
      const z = (logits[start + c] as number) - largest;
      const weight = exp(z * inverse);
      sum += weight;
      mean += weight * z;
      square += weight * z * z;
    }
    mean /= sum;
    first += mean - ((logits[start + (labels[row] as number)] as number) - largest);
    second += square / sum - mean * mean;
  }
  return { first, second };
}

export interface Threshold {
  /**
   * Answer when the confidence is at least this; 0 answers always, above 1 never (even the surest rows miss the
   * target).
   */
  readonly threshold: number;
  /** Share of rows answered. */
  readonly coverage: number;
  /** Accuracy of the answered rows; 1 when there are none. */
  readonly accuracy: number;
}

/**
 * The lowest threshold at which the answered rows are right at least `targetAccuracy` of the time, so that as many as
 * possible are answered.
 */
export function chooseThreshold({ values, correct }: Confidence, targetAccuracy: number): Threshold {
  const order = Array.from(values, (_, row) => row).sort((a, b) => (values[b] as number) - (values[a] as number));
  let right = 0;
  let best: Threshold = { threshold: 1.01, coverage: 0, accuracy: 1 };
  order.forEach((row, i) => {
    if (correct[row] === true) right++;
    const next = order[i + 1];
    // Rows of one confidence are answered together or not at all.
    if (next !== undefined && values[next] === values[row]) return;
    const answered = i + 1;
    if (right / answered >= targetAccuracy) {
      best = {
        threshold: next === undefined ? 0 : (values[row] as number),
        coverage: answered / order.length,
        accuracy: right / answered,
      };
    }
  });
  return best;
}
