/**
 * Whether the probabilities can be believed. Logits come as rows of C class scores, one row after another. All
 * logarithms and exponentials are base's own: temperature and threshold become part of a version and so decide answers.
 */
import { LockstepError, exp, log } from "../../base/index.ts";

export interface Scores {
  /** rows × numClasses */
  readonly logits: Float32Array | Float64Array;
  readonly numClasses: number;
}

/** Number of rows; throws DATA_INVALID unless the logits are whole rows, finite, and as many as `labels`. */
export function rowsOf({ logits, numClasses }: Scores, labels?: ArrayLike<number>): number {
  const rows = logits.length / numClasses;
  if (!Number.isInteger(rows) || rows === 0)
    throw new LockstepError("DATA_INVALID", `${logits.length} logits are no rows of ${numClasses} classes`);
  if (labels !== undefined && labels.length !== rows)
    throw new LockstepError("DATA_INVALID", `there are ${rows} rows of logits and ${labels.length} labels`);
  for (let i = 0; i < logits.length; i++) {
    if (!Number.isFinite(logits[i]))
      throw new LockstepError(
        "NON_FINITE",
        `logit ${i % numClasses} of row ${Math.floor(i / numClasses) + 1} is ${logits[i]}`,
        { row: Math.floor(i / numClasses) + 1 },
      );
  }
  for (let i = 0; labels !== undefined && i < rows; i++) {
    const label = labels[i] as number;
    if (!Number.isInteger(label) || label < 0 || label >= numClasses)
      throw new LockstepError("DATA_INVALID", `row ${i + 1} has the class ${label}; there are ${numClasses}`);
  }
  return rows;
}

/** Class of the largest logit of each row; of equal ones the smallest class. */
export function predictedClasses(scores: Scores): Int32Array {
  const { logits, numClasses } = scores;
  return Int32Array.from({ length: rowsOf(scores) }, (_, row) => {
    let best = 0;
    for (let c = 1; c < numClasses; c++)
      if ((logits[row * numClasses + c] as number) > (logits[row * numClasses + best] as number)) best = c;
    return best;
  });
}

/** softmax(logits / temperature) of one row, in float64. */
export function probabilitiesOf(logits: ArrayLike<number>, temperature = 1): Float64Array {
  let largest = -Infinity;
  for (let c = 0; c < logits.length; c++) largest = Math.max(largest, logits[c] as number);
  const result = Float64Array.from(logits, (logit) => exp((logit - largest) / temperature));
  let sum = 0;
  for (const value of result) sum += value;
  for (let c = 0; c < result.length; c++) result[c] = (result[c] as number) / sum;
  return result;
}

/** Mean of -log p(label), in nats. */
export function negativeLogLikelihood(scores: Scores, labels: ArrayLike<number>, temperature = 1): number {
  const losses = logLosses(scores, labels, temperature);
  let total = 0;
  for (const loss of losses) total += loss;
  return total / losses.length;
}

/** -log p(label) of each row, in nats. */
export function logLosses(scores: Scores, labels: ArrayLike<number>, temperature = 1): Float64Array {
  const { logits, numClasses } = scores;
  return Float64Array.from({ length: rowsOf(scores, labels) }, (_, row) => {
    const start = row * numClasses;
    let largest = -Infinity;
    for (let c = 0; c < numClasses; c++) largest = Math.max(largest, logits[start + c] as number);
    let sum = 0;
    for (let c = 0; c < numClasses; c++) sum += exp(((logits[start + c] as number) - largest) / temperature);
    return log(sum) - ((logits[start + (labels[row] as number)] as number) - largest) / temperature;
  });
}

export interface Confidence {
  /** Largest probability of each row. */
  readonly values: Float64Array;
  readonly correct: readonly boolean[];
}

export function confidences(scores: Scores, labels: ArrayLike<number>, temperature = 1): Confidence {
  const { logits, numClasses } = scores;
  rowsOf(scores, labels);
  const classes = predictedClasses(scores);
  const values = Float64Array.from(
    classes,
    (best, row) =>
      probabilitiesOf(logits.subarray(row * numClasses, (row + 1) * numClasses), temperature)[best] as number,
  );
  return { values, correct: Array.from(classes, (best, row) => best === labels[row]) };
}

/**
 * Expected calibration error (Guo et al. 2017): rows in `bins` bins of equal width by confidence (a bin holds its upper
 * end); the mean distance of a bin's accuracy from its mean confidence, weighted by rows. 0 to 1.
 */
export function expectedCalibrationError({ values, correct }: Confidence, bins = 15): number {
  const count = new Float64Array(bins);
  const confidence = new Float64Array(bins);
  const right = new Float64Array(bins);
  values.forEach((value, row) => {
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(value * bins) - 1));
    count[bin] = (count[bin] as number) + 1;
    confidence[bin] = (confidence[bin] as number) + value;
    if (correct[row] === true) right[bin] = (right[bin] as number) + 1;
  });
  let error = 0;
  for (let bin = 0; bin < bins; bin++) error += Math.abs((right[bin] as number) - (confidence[bin] as number));
  return error / values.length;
}
