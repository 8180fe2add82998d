/**
 * Learning the last layer from a few examples: softmax regression on fixed features by plain gradient steps
 * (multinomial logistic regression, McCullagh & Nelder 1989). In float64, in one order, with `base`'s own `exp`: the
 * same bits on every machine.
 *
 * The step's size is that of the normalized LMS filter (Widrow & Hoff): the rate is divided by the examples' mean
 * squared feature length, so one step moves an example's logits by at most about `learningRate`, however wide the model
 * is.
 */
import { exp, invariant, LockstepError, log } from "../../base/index.ts";

export interface HeadWeights {
  /** [classes, hidden] */
  readonly weight: Float32Array;
  /** [classes] */
  readonly bias: Float32Array;
}

export interface HeadExamples {
  /** [examples][hidden] */
  readonly features: readonly Float32Array[];
  /** Class ids. */
  readonly labels: readonly number[];
}

export interface HeadRates {
  /** Logits a step. */
  readonly learningRate: number;
  readonly steps: number;
  /** Share of learningRate by which each step also goes back to where the update began. */
  readonly l2: number;
}

export interface FittedHead extends HeadWeights {
  /** Mean cross-entropy of the examples, in nats, before and after. */
  readonly lossBefore: number;
  readonly lossAfter: number;
}

/** @throws NON_FINITE where a new weight is NaN or infinite as float32 */
export function fitHead(
  start: HeadWeights,
  { features, labels }: HeadExamples,
  { learningRate, steps, l2 }: HeadRates,
): FittedHead {
  const L = start.bias.length;
  const C = start.weight.length / L;
  const N = features.length;
  invariant(
    N > 0 && labels.length === N && features.every((row) => row.length === C),
    "each example has features and a label",
  );
  // The bias is one more feature that is always 1: rows are [C + 1].
  const inputs = features.map((row) => Float64Array.of(...row, 1));
  const first = joined(start, L, C);
  const weights = first.slice();
  const rate =
    learningRate / (inputs.reduce((sum, row) => sum + row.reduce((own, value) => own + value * value, 0), 0) / N);
  const lossBefore = meanLoss(weights, inputs, labels, L);
  for (let step = 0; step < steps; step++) {
    // [N][L]: all of them before any weight moves
    const before = inputs.map((row, n) => residuals(weights, row, labels[n]!, L));
    for (let i = 0; i < weights.length; i++) weights[i]! -= learningRate * l2 * (weights[i]! - first[i]!);
    inputs.forEach((row, n) => {
      before[n]!.forEach((residual, label) => {
        const scale = (rate / N) * residual;
        for (let c = 0; c <= C; c++) weights[label * (C + 1) + c]! -= scale * row[c]!;
      });
    });
  }
  const fitted = separated(weights, L, C);
  requireFinite(fitted.weight, "the last layer's weight");
  requireFinite(fitted.bias, "the last layer's bias");
  return { ...fitted, lossBefore, lossAfter: meanLoss(joined(fitted, L, C), inputs, labels, L) };
}

function joined({ weight, bias }: HeadWeights, L: number, C: number): Float64Array {
  const all = new Float64Array(L * (C + 1));
  for (let label = 0; label < L; label++) {
    all.set(weight.subarray(label * C, (label + 1) * C), label * (C + 1));
    all[label * (C + 1) + C] = bias[label]!;
  }
  return all;
}

function separated(all: Float64Array, L: number, C: number): HeadWeights {
  const weight = new Float32Array(L * C);
  const bias = new Float32Array(L);
  for (let label = 0; label < L; label++) {
    weight.set(all.subarray(label * (C + 1), label * (C + 1) + C), label * C);
    bias[label] = all[label * (C + 1) + C]!;
  }
  return { weight, bias };
}

/** softmax(W·x) − one-hot(label): the gradient of the cross-entropy by the logits. [L] */
function residuals(weights: Float64Array, row: Float64Array, label: number, L: number): Float64Array {
  const p = logitsOf(weights, row, L);
  const highest = p.reduce((most, value) => Math.max(most, value), -Infinity);
  let sum = 0;
  for (let i = 0; i < L; i++) sum += p[i] = exp(p[i]! - highest);
  for (let i = 0; i < L; i++) p[i]! /= sum;
  p[label]! -= 1;
  return p;
}

function meanLoss(
  weights: Float64Array,
  inputs: readonly Float64Array[],
  labels: readonly number[],
  L: number,
): number {
  const losses = inputs.map((row, n) => {
    const logits = logitsOf(weights, row, L);
    const highest = logits.reduce((most, value) => Math.max(most, value), -Infinity);
    return highest + log(logits.reduce((sum, value) => sum + exp(value - highest), 0)) - logits[labels[n]!]!;
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

function logitsOf(weights: Float64Array, row: Float64Array, L: number): Float64Array {
  const width = row.length;
  const logits = new Float64Array(L);
  for (let label = 0; label < L; label++) {
    let sum = 0;
    for (let c = 0; c < width; c++) sum += weights[label * width + c]! * row[c]!;
    logits[label] = sum;
  }
  return logits;
}

function requireFinite(values: Float32Array, name: string): void {
  const at = values.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new LockstepError(
      "NON_FINITE",
      `learning from these examples would make ${name} ${values[at]} at element ${at}; nothing is changed. Use ` +
        "a smaller learningRate",
      { tensor: name, index: at },
    );
}
