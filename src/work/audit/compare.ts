/**
 * Whether two answers are the same, by the rule of the receipt: bits within a profile, numbers within a tolerance
 * across profiles. What was said must follow from the bits: labels and probabilities are no part of the digest.
 */
import { canonicalJson } from "../../base/index.ts";

/** `erased`: its text was, and a receipt of the log says so. `notReplayable`: nobody can tell. */
export type Verdict = "same" | "withinTolerance" | "different" | "erased" | "notReplayable";

/** An answer computed again. */
export interface Recomputed {
  readonly answerDigest: string;
  /** In the same form as the receipt's summary. */
  readonly summary: unknown;
  readonly profileId: string;
}

/** Absolute below 1, relative above. */
export interface Comparison {
  readonly verdict: Verdict;
  /** The largest difference of two numbers of the summaries; undefined where bits decided. */
  readonly largest?: number;
  readonly reason: string;
}

export function compareAnswers(
  receipt: { readonly answerDigest: string; readonly profileId: string; readonly summary: unknown },
  again: Recomputed,
  tolerance: number,
): Comparison {
  if (again.answerDigest === receipt.answerDigest) {
    const said = canonicalJson(receipt.summary);
    if (said === canonicalJson(again.summary)) return { verdict: "same", reason: "every bit is the same" };
    return { verdict: "different", reason: "the bits are the same, but the answer recorded is not what they say" };
  }
  if (again.profileId === receipt.profileId)
    return { verdict: "different", reason: "the profile is the same, so the bits should be too" };
  const largest = difference(receipt.summary, again.summary);
  if (largest === undefined)
    return { verdict: "different", reason: "on another profile, something other than a number differs" };
  if (largest > tolerance)
    return {
      verdict: "different",
      largest,
      reason: `on another profile, a number differs by ${largest}; the tolerance is ${tolerance}`,
    };
  return { verdict: "withinTolerance", largest, reason: "on another profile, within the tolerance" };
}

/** Largest difference between the numbers of two values that are otherwise equal; undefined when they are not. */
export function difference(a: unknown, b: unknown): number | undefined {
  if (typeof a === "number" && typeof b === "number") return Math.abs(a - b) / Math.max(1, Math.abs(a), Math.abs(b));
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b ? 0 : undefined;
  if (Array.isArray(a) !== Array.isArray(b)) return undefined;
  const [left, right] = [Object.entries(a), new Map<string, unknown>(Object.entries(b))];
  if (left.length !== right.size) return undefined;
  let largest = 0;
  for (const [key, value] of left) {
    const inner = right.has(key) ? difference(value, right.get(key)) : undefined;
    if (inner === undefined) return undefined;
    largest = Math.max(largest, inner);
  }
  return largest;
}
