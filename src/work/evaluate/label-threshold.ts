/** The probability from which on a label is best given: the one with the greatest F1 on held-out decisions. */

export interface Decision {
  readonly p: number;
  readonly wanted: boolean;
}

/**
 * Half way between the probabilities on both sides of the best cut; of cuts with the same F1, the highest. Undefined
 * where nothing is wanted.
 */
export function bestThreshold(decisions: readonly Decision[]): number | undefined {
  const falling = decisions.toSorted((a, b) => b.p - a.p);
  const wanted = decisions.filter((one) => one.wanted).length;
  if (wanted === 0) return undefined;
  let right = 0;
  let best = { f1: -1, threshold: 0.5 };
  falling.forEach((one, index) => {
    if (one.wanted) right++;
    const next = falling[index + 1]?.p ?? 0;
    if (next === one.p && index + 1 < falling.length) return; // given together or not at all
    const f1 = (2 * right) / (index + 1 + wanted);
    if (f1 > best.f1) best = { f1, threshold: (one.p + next) / 2 };
  });
  return best.threshold;
}
