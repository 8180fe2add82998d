/** What embeddings are made of: a program's vector, cut, scaled, and compared, in float64. */
import { LockstepError } from "../../base/index.ts";

/** @throws NON_FINITE: what is no number is never turned into an answer */
export function requireFiniteOutput(values: Float32Array, what: string): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new LockstepError("NON_FINITE", `${what} has ${values[bad]} at ${bad}; no answer is given`, { element: bad });
}

/** The first `dimensions` numbers, scaled to length 1 if asked for; a vector of zeros stays one. */
export function embeddingOf(pooled: Float32Array, dimensions: number, normalize: boolean): Float32Array {
  const cut = pooled.slice(0, dimensions);
  if (!normalize) return cut;
  const norm = Math.sqrt(dot(cut, cut));
  return norm === 0 ? cut : cut.map((value) => value / norm);
}

/** Of the angle between two vectors, −1 to 1; 0 where one of them has no direction. */
export function cosine(a: Float32Array, b: Float32Array): number {
  const norms = Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b));
  return norms === 0 ? 0 : dot(a, b) / norms;
}

/** In the order of the elements, so that it is the same everywhere. */
function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Float32 numbers in the fewest digits that are surely theirs: nine. */
export function shortNumbers(values: Float32Array): number[] {
  return Array.from(values, (value) => Number(value.toPrecision(9)));
}
