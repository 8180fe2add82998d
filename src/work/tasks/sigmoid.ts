/** The logistic function, of base's own exponential, so that it is the same everywhere. */
import { exp } from "../../base/index.ts";

/** 1 / (1 + e⁻ˣ), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + exp(-x));
  const e = exp(x);
  return e / (1 + e);
}
