/**
 * The kernels in plain JavaScript over typed arrays: the oracle that the SIMD ones must equal bit for bit, and what
 * runs where the arrays are not in one WebAssembly memory. Each operation is rounded to float32, in the order written;
 * storing into a Float32Array rounds too, and a float32 sum or product computed in float64 and rounded once is the
 * float32 result.
 */
import type { AdamwConstants } from "./adamw.ts";

const round = Math.fround;

export function add(dst: Float32Array, a: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = (dst[i] as number) + (a[i] as number);
}

export function addTo(dst: Float32Array, a: Float32Array, b: Float32Array): void {
  for (let i = 0; i < dst.length; i++) dst[i] = (a[i] as number) + (b[i] as number);
}

export function addScaled(dst: Float32Array, a: Float32Array, s: number): void {
  const factor = round(s);
  for (let i = 0; i < dst.length; i++) dst[i] = (dst[i] as number) + round(factor * (a[i] as number));
}

export function scale(dst: Float32Array, s: number): void {
  const factor = round(s);
  for (let i = 0; i < dst.length; i++) dst[i] = (dst[i] as number) * factor;
}

export function divide(dst: Float32Array, d: number): void {
  const divisor = round(d);
  for (let i = 0; i < dst.length; i++) dst[i] = (dst[i] as number) / divisor;
}

/** In float64: element i goes to lane i mod 8; lanes are added as ((0 + 4) + (2 + 6)) + ((1 + 5) + (3 + 7)). */
export function sumSquares(a: Float32Array): number {
  const lanes = new Float64Array(8);
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    lanes[i & 7] = (lanes[i & 7] as number) + x * x;
  }
  const [l0, l1, l2, l3, l4, l5, l6, l7] = lanes as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return l0 + l4 + (l2 + l6) + (l1 + l5 + (l3 + l7));
}

export function adamw(w: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array, c: AdamwConstants): void {
  const { gradScale, beta1, rest1, beta2, rest2, decay, step, rootCorrection, epsilon } = c;
  for (let i = 0; i < w.length; i++) {
    const gs = round((g[i] as number) * gradScale);
    const ms = round(round(beta1 * (m[i] as number)) + round(rest1 * gs));
    const vs = round(round(beta2 * (v[i] as number)) + round(rest2 * round(gs * gs)));
    m[i] = ms;
    v[i] = vs;
    const root = round(round(round(Math.sqrt(vs)) * rootCorrection) + epsilon);
    w[i] = round(decay * (w[i] as number)) - round(round(step * ms) / root);
  }
}

/** dst[i] = table[ids[i]], rows of `width`. Ids are in range. */
export function gatherRows(dst: Float32Array, table: Float32Array, ids: Int32Array, width: number): void {
  for (let i = 0; i < ids.length; i++) {
    const row = (ids[i] as number) * width;
    for (let j = 0; j < width; j++) dst[i * width + j] = table[row + j] as number;
  }
}

/** table[ids[i]] += dy[i] in order of i, except where ids[i] is paddingId (-1: none). Ids are in range. */
export function scatterAddRows(
  table: Float32Array,
  dy: Float32Array,
  ids: Int32Array,
  width: number,
  paddingId: number,
): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === paddingId) continue;
    const row = (ids[i] as number) * width;
    for (let j = 0; j < width; j++) table[row + j] = (table[row + j] as number) + (dy[i * width + j] as number);
  }
}
