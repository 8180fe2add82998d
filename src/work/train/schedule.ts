/**
 * Rates as functions of the step: warm-up and decay in straight lines, and AdamW's bias corrections. Only + − × ÷: the
 * same bits everywhere.
 */

/** The rate of step `step` (0-based) of `steps`: rises over the warm-up, then falls to 0 at the end. */
export function learningRate(peak: number, step: number, steps: number, warmupRatio: number): number {
  const warmup = Math.floor(steps * warmupRatio);
  if (step < warmup) return (peak * (step + 1)) / warmup;
  return (peak * (steps - step)) / Math.max(1, steps - warmup);
}

/** 1 − βᵗ for t = step + 1, by squaring. */
export function biasCorrection(beta: number, step: number): number {
  let power = 1;
  let square = beta;
  for (let t = step + 1; t > 0; t = Math.floor(t / 2)) {
    if (t % 2 === 1) power *= square;
    square *= square;
  }
  return 1 - power;
}
