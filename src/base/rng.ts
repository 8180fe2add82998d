/**
 * Randomness as a function: a number is decided by (seed, purpose, a, b, index) and by nothing else, so threads,
 * restarts and the order of calls cannot change it. What `a` and `b` mean is the caller's: step and shard, epoch and
 * row, and so on (unsigned 32-bit).
 *
 * Layout: key = (seed[0] ^ purpose * 0x9E3779B9, seed[1]), counter = (low and high word of index / 4 in c0 and c3, a in
 * c1, b in c2), and the lane is index mod 4. Purposes change the key, so two of them never share a stream; `dropout` is
 * purpose 0 and its counter layout, which leaves c3 to the shard, is in dropout.ts.
 */
import { LockstepError } from "./errors.ts";
import { sha256Hex } from "./canonical.ts";
import { cos, log, sin } from "./math.ts";
import { philox4x32 } from "./philox.ts";

/** Two unsigned 32-bit words: low, high. */
export type Seed = readonly [number, number];

/** Numbers are part of the recorded results: never renumber, only append. */
export const PURPOSE = {
  dropout: 0,
  split: 1,
  shuffle: 2,
  init: 3,
  mask: 4,
  sample: 5,
  salt: 6,
  bootstrap: 7,
  augment: 8,
  audit: 9,
  test: 10,
} as const;
export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

const TWO_32 = 0x1_0000_0000;
const PI = 3.141592653589793;

/**
 * An integer in 0..2^53-1 gives its own low and high words; a string the first eight bytes of its SHA-256, little end
 * first.
 */
export function seedFrom(n: number | string): Seed {
  if (typeof n === "string") {
    const hash = Buffer.from(sha256Hex(n), "hex");
    return [hash.readUInt32LE(0), hash.readUInt32LE(4)];
  }
  if (!Number.isSafeInteger(n) || n < 0) {
    throw new LockstepError(
      "OPTION_INVALID",
      `the seed ${n} is not an integer between 0 and ${Number.MAX_SAFE_INTEGER}; give such a number, or any text`,
      { seed: n },
    );
  }
  return [n >>> 0, Math.floor(n / TWO_32)];
}

/** Words 4q..4q+3 of a stream, into `out`. */
function quad(seed: Seed, purpose: Purpose, a: number, b: number, q: number, out: Uint32Array): Uint32Array {
  return philox4x32(q >>> 0, a, b, Math.floor(q / TWO_32), seed[0] ^ Math.imul(purpose, 0x9e3779b9), seed[1], out);
}

/** Word `index` (0..2^53-1) of the stream, unsigned 32-bit. */
export function bits(seed: Seed, purpose: Purpose, a: number, b: number, index: number): number {
  return quad(seed, purpose, a, b, Math.floor(index / 4), new Uint32Array(4))[index % 4] as number;
}

/** In [0, 1), a multiple of 2^-24 (exact in float32). */
export function uniform(seed: Seed, purpose: Purpose, a: number, b: number, index: number): number {
  return (bits(seed, purpose, a, b, index) >>> 8) / 0x1000000;
}

/** A pair of independent standard normals by Box-Muller; |value| is at most 6.67, since u1 is at least 2^-32. */
function boxMuller(word0: number, word1: number): [number, number] {
  const radius = Math.sqrt(-2 * log((word0 + 1) / TWO_32));
  const angle = 2 * PI * (word1 / TWO_32);
  return [radius * cos(angle), radius * sin(angle)];
}

/** Standard normal number `index` of the stream: words 2k and 2k+1 give the numbers 2k and 2k+1. */
export function normal(seed: Seed, purpose: Purpose, a: number, b: number, index: number): number {
  const out = quad(seed, purpose, a, b, Math.floor(index / 4), new Uint32Array(4));
  const pair = index % 4 < 2 ? 0 : 2;
  return boxMuller(out[pair] as number, out[pair + 1] as number)[index % 2] as number;
}

/** `dst[i] = mean + deviation * normal(seed, purpose, a, b, i)`, some times faster than one call an element. */
export function fillNormal(
  dst: Float32Array | Float64Array,
  mean: number,
  deviation: number,
  seed: Seed,
  purpose: Purpose,
  a: number,
  b: number,
): void {
  const out = new Uint32Array(4);
  for (let i = 0; i < dst.length; i += 2) {
    if (i % 4 === 0) quad(seed, purpose, a, b, i / 4, out);
    const [even, odd] = boxMuller(out[i % 4] as number, out[(i % 4) + 1] as number);
    dst[i] = mean + deviation * even;
    if (i + 1 < dst.length) dst[i + 1] = mean + deviation * odd;
  }
}

/** A uniformly drawn order of 0..n-1: Fisher-Yates, with rejection so that no remainder is favoured. */
export function permutation(n: number, seed: Seed, purpose: Purpose, a: number, b: number): Uint32Array {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const out = new Uint32Array(4);
  let index = 0;
  for (let last = n - 1; last > 0; last--) {
    const choices = last + 1;
    const limit = TWO_32 - (TWO_32 % choices);
    let word: number;
    do {
      if (index % 4 === 0) quad(seed, purpose, a, b, index / 4, out);
      word = out[index % 4] as number;
      index++;
    } while (word >= limit);
    const chosen = word % choices;
    const kept = order[last] as number;
    order[last] = order[chosen] as number;
    order[chosen] = kept;
  }
  return order;
}

/**
 * `counts[i]` becomes how often i is drawn in as many draws with replacement as there are counts: a bootstrap resample.
 * A draw is the high word of word × n, so numbers differ in likelihood by less than n / 2^32 of it.
 */
export function fillResample(counts: Int32Array, seed: Seed, purpose: Purpose, a: number, b: number): void {
  counts.fill(0);
  const out = new Uint32Array(4);
  const n = counts.length;
  for (let i = 0; i < n; i++) {
    if (i % 4 === 0) quad(seed, purpose, a, b, i / 4, out);
    const drawn = Math.floor(((out[i % 4] as number) * n) / TWO_32);
    counts[drawn] = (counts[drawn] as number) + 1;
  }
}
