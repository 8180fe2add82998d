/** The numbers of one AdamW step that are the same for every element: computed in float64, rounded to float32 once. */
import { invariant } from "../../base/index.ts";

export interface AdamwSettings {
  readonly learningRate: number;
  /** Decay rates of the two moments, in [0, 1). */
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the root of the second moment. */
  readonly epsilon: number;
  /** Decoupled: w shrinks by learningRate * weightDecay, apart from the gradient. */
  readonly weightDecay: number;
  /** 1 − beta1^t and 1 − beta2^t at step t = 1, 2, … */
  readonly correction1: number;
  readonly correction2: number;
  /** Every gradient is multiplied by this first (clipping); 1 leaves it. */
  readonly gradScale: number;
}

/** All float32 values. See assembly/adamw.ts for the formula they stand in. */
export interface AdamwConstants {
  readonly gradScale: number;
  readonly beta1: number;
  readonly rest1: number;
  readonly beta2: number;
  readonly rest2: number;
  readonly decay: number;
  readonly step: number;
  readonly rootCorrection: number;
  readonly epsilon: number;
}

export function adamwConstants(s: AdamwSettings): AdamwConstants {
  invariant(
    s.correction1 > 0 && s.correction2 > 0,
    `the bias corrections of AdamW are positive, not ${s.correction1} and ${s.correction2} (steps count from 1)`,
  );
  return {
    gradScale: Math.fround(s.gradScale),
    beta1: Math.fround(s.beta1),
    rest1: Math.fround(1 - s.beta1),
    beta2: Math.fround(s.beta2),
    rest2: Math.fround(1 - s.beta2),
    decay: Math.fround(1 - s.learningRate * s.weightDecay),
    step: Math.fround(s.learningRate / s.correction1),
    rootCorrection: Math.fround(1 / Math.sqrt(s.correction2)),
    epsilon: Math.fround(s.epsilon),
  };
}
