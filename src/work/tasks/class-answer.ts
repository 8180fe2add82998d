/** From one row of logits to an answer in classes: calibrated probabilities, their order, abstention. */
import { exp, LockstepError } from "../../base/index.ts";
import type { Calibration } from "../infer/index.ts";
import { digestBits } from "./digest.ts";
import type { TaskAnswer } from "./task.ts";

export interface LabelProbability {
  readonly label: string;
  readonly probability: number;
}

export interface ClassAnswer extends TaskAnswer {
  readonly label: string;
  readonly probability: number;
  /** The probability is below the version's threshold: the label is a guess that should not be acted on. */
  readonly abstained: boolean;
  /** The likeliest labels, falling; ties in the order of class ids. */
  readonly top: readonly LabelProbability[];
}

/** Softmax of logits / temperature in float64, from + − × ÷ alone: the same on every machine. Shape [classes]. */
export function probabilities(logits: ArrayLike<number>, temperature: number): Float64Array {
  let highest = -Infinity;
  for (let i = 0; i < logits.length; i++) highest = Math.max(highest, logits[i]!);
  const out = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += out[i] = exp((logits[i]! - highest) / temperature);
  for (let i = 0; i < out.length; i++) out[i]! /= sum;
  return out;
}

/** @throws NON_FINITE: a logit that is NaN or infinite is never turned into an answer. */
export function toAnswer(
  logits: Float32Array,
  labels: readonly string[],
  calibration: Calibration,
  topK = 5,
): ClassAnswer {
  const bad = logits.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new LockstepError(
      "NON_FINITE",
      `the logit of "${labels[bad] ?? bad}" is ${logits[bad]}; no answer is given`,
      { class: bad },
    );
  const p = probabilities(logits, calibration.temperature);
  const order = Array.from(p.keys())
    .sort((a, b) => p[b]! - p[a]! || a - b)
    .slice(0, Math.max(1, topK));
  const top = order.map((id) => ({ label: labels[id]!, probability: p[id]! }));
  const best = top[0]!;
  return {
    label: best.label,
    probability: best.probability,
    abstained: best.probability < calibration.threshold,
    top,
    digest: digestBits(logits),
  };
}
