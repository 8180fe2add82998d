/**
 * Elementary functions made of + − × ÷ √ (which IEEE 754 fixes) and of comparisons, floor and abs: the same bits in
 * every engine and on every CPU, where `Math.exp` and its kin are implementation-defined. Polynomials are Taylor's, cut
 * where the rest is under a tenth of an ulp; arguments are reduced in pieces so that the reduction is exact. Measured
 * against 40-digit arithmetic: exp, log, sin, cos and pow are within 1 ulp; expm1, log1p, tanh and erf within 4.
 */
import { LockstepError } from "./errors.ts";

const LOG2_E = 1.4426950408889634;
/** ln 2 in two pieces; the first has 42 bits, so that its product with an exponent is exact. */
const LN2_HIGH = 0.6931471805598903;
const LN2_LOW = 5.497923018708371e-14;

const LOWEST_EXPONENT = -1022;
/** 2^-1022 .. 2^1023, by exact doubling and halving. */
const POWERS_OF_TWO: readonly number[] = Object.freeze(powersOfTwo());

function powersOfTwo(): number[] {
  const up = [1];
  const down = [1];
  for (let i = 0; i < 1023; i++) up.push((up[i] as number) * 2);
  for (let i = 0; i < -LOWEST_EXPONENT; i++) down.push((down[i] as number) / 2);
  return [...down.slice(1).reverse(), ...up];
}

function powerOfTwo(exponent: number): number {
  return POWERS_OF_TWO[exponent - LOWEST_EXPONENT] as number;
}

/** `x * 2^k` for x in 0.5..4 and k in -1080..1024, rounded once. */
function scale(x: number, k: number): number {
  if (k > 1023) return x * powerOfTwo(1023) * powerOfTwo(k - 1023);
  return k < LOWEST_EXPONENT ? x * powerOfTwo(k + 128) * powerOfTwo(-128) : x * powerOfTwo(k);
}

/** e^r − 1 − r for |r| <= 0.36. */
function expTail(r: number): number {
  return (
    r *
    r *
    (1 / 2 +
      r *
        (1 / 6 +
          r *
            (1 / 24 +
              r *
                (1 / 120 +
                  r *
                    (1 / 720 +
                      r *
                        (1 / 5040 +
                          r *
                            (1 / 40320 +
                              r *
                                (1 / 362880 +
                                  r *
                                    (1 / 3628800 +
                                      r * (1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))))))))))))
  );
}

/** e^(x + low) for |low| much under |x| or both small: exp, and the end of pow. */
function expSum(x: number, low: number): number {
  if (x !== x) return x;
  if (x > 709.79) return Infinity;
  if (x < -745.2) return 0;
  const k = Math.floor(x * LOG2_E + 0.5);
  const high = x - k * LN2_HIGH;
  const rest = low - k * LN2_LOW;
  const r = high + rest; // |r| <= 0.347
  const lost = high - r + rest;
  return scale(1 + (r + (expTail(r) + lost)), k);
}

export function exp(x: number): number {
  return expSum(x, 0);
}

/** e^x − 1, without the loss of digits near 0. */
export function expm1(x: number): number {
  if (x !== x || x === 0) return x;
  if (x > 40) return exp(x);
  if (x < -40) return -1;
  const k = Math.abs(x) < 0.35 ? 0 : Math.floor(x * LOG2_E + 0.5);
  const high = x - k * LN2_HIGH;
  const rest = -(k * LN2_LOW);
  const r = high + rest;
  const e = r + (expTail(r) + (high - r + rest));
  return k === 0 ? e : powerOfTwo(k) * (e + (1 - powerOfTwo(-k)));
}

/** x = (1 + f) * 2^k for a positive finite x, with 1 + f in [√½, √2). */
function exponentOf(x: number): number {
  let m = x;
  let k = 0;
  for (let step = 512; step >= 1; step /= 2) {
    if (m >= powerOfTwo(step)) {
      m *= powerOfTwo(-step);
      k += step;
    }
  }
  // Subnormal numbers need more than one pass of 1023.
  while (m < 1) {
    for (let step = 512; step >= 1; step /= 2) {
      if (m < powerOfTwo(1 - step)) {
        m *= powerOfTwo(step);
        k -= step;
      }
    }
  }
  return m >= 1.4142135623730951 ? k + 1 : k;
}

/** `x / 2^k`, exact when the result is in [√½, √2). */
function mantissaAt(x: number, k: number): number {
  if (k > 1022) return x * powerOfTwo(-1022) * powerOfTwo(1022 - k);
  return k < -1022 ? x * powerOfTwo(1022) * powerOfTwo(-k - 1022) : x * powerOfTwo(-k);
}

/** Natural logarithm: with s = f / (2 + f), log(1 + f) = 2 (s + s³/3 + s⁵/5 + …) and 2s = f − f²/2 + s·f²/2. */
export function log(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  if (x === Infinity) return x;
  const k = exponentOf(x);
  const f = mantissaAt(x, k) - 1;
  const s = f / (2 + f);
  const z = s * s; // <= 0.0295
  const series =
    z *
    (2 / 3 +
      z *
        (2 / 5 +
          z *
            (2 / 7 +
              z *
                (2 / 9 +
                  z *
                    (2 / 11 +
                      z * (2 / 13 + z * (2 / 15 + z * (2 / 17 + z * (2 / 19 + z * (2 / 21 + z * (2 / 23)))))))))));
  const half = 0.5 * f * f;
  return k * LN2_HIGH - (half - (s * (half + series) + k * LN2_LOW) - f);
}

/** log(1 + x), without the loss of digits near 0. */
export function log1p(x: number): number {
  const u = 1 + x;
  if (u === 1) return x;
  return u > 0 && u < Infinity ? log(u) + (x - (u - 1)) / u : log(u);
}

/** The rounding error of the product `p = a * b` (Dekker's, by splitting each factor into 26 bits). */
function productError(a: number, b: number, p: number): number {
  const aScaled = a * 134217729;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = b * 134217729;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** x^y with the special cases of `**`. The logarithm is carried in two doubles, since its error grows with y. */
export function pow(x: number, y: number): number {
  if (y === 0) return 1;
  if (x !== x || y !== y) return NaN;
  const odd = Math.abs(y) <= Number.MAX_SAFE_INTEGER && Math.floor(y) === y && Math.abs(y % 2) === 1;
  const sign = odd && (x < 0 || Object.is(x, -0)) ? -1 : 1;
  const base = Math.abs(x);
  if (Math.abs(y) === Infinity && base === 1) return NaN;
  if (x < 0 && base !== Infinity && Math.floor(y) !== y) return NaN;
  if (base === 0 || base === Infinity) return (base === 0) === y > 0 ? sign * 0 : sign * Infinity;
  if (base === 1) return sign;
  return sign * positivePower(base, Math.min(Math.max(y, -1e20), 1e20));
}

function positivePower(x: number, y: number): number {
  const k = exponentOf(x);
  const f = mantissaAt(x, k) - 1;
  // s = f / (2 + f) in two doubles
  const below = 2 + f;
  const belowLow = f - (below - 2);
  const s = f / below;
  const p = s * below;
  const sLow = (f - p - productError(s, below, p) - s * belowLow) / below;
  // z = s²
  const z = s * s;
  const zLow = productError(s, s, z) + 2 * s * sLow;
  // q = z/3 + z²/5 + …; only the first term needs two doubles
  const third = z * 0.3333333333333333;
  const thirdLow = productError(z, 0.3333333333333333, third) + z * 1.850371707708594e-17 + zLow * 0.3333333333333333;
  const terms =
    z *
    z *
    (1 / 5 +
      z *
        (1 / 7 +
          z *
            (1 / 9 +
              z * (1 / 11 + z * (1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z * (1 / 21 + z * (1 / 23))))))))));
  const q = third + terms;
  const qLow = terms - (q - third) + thirdLow;
  // log = k ln 2 + 2 (s + s q)
  const sq = s * q;
  const sqLow = productError(s, q, sq) + s * qLow + sLow * q;
  const one = s + sq;
  const oneLow = sq - (one - s) + sqLow + sLow;
  const base = k * LN2_HIGH;
  const sum = base + 2 * one;
  const sumLow =
    (Math.abs(base) > Math.abs(2 * one) ? 2 * one - (sum - base) : base - (sum - 2 * one)) + 2 * oneLow + k * LN2_LOW;
  const product = y * sum;
  // Far outside the range of exp the error term may be infinite minus infinite; the answer is 0 or Infinity all the
  // same.
  if (Math.abs(product) > 1000) return product > 0 ? Infinity : 0;
  return expSum(product, productError(y, sum, product) + y * sumLow);
}

/** Beyond this, four pieces of π/2 no longer reduce an angle exactly. Positions of tokens are far below. */
const LARGEST_ANGLE = 0x400000;

/** sin (quarter = 0) or cos (quarter = 1) of x. */
function circular(x: number, quarter: 0 | 1): number {
  if (x !== x || Math.abs(x) === Infinity) return NaN;
  if (Math.abs(x) > LARGEST_ANGLE) {
    throw new LockstepError(
      "INTERNAL",
      `sin and cos are only defined up to ${LARGEST_ANGLE} here, not ${x}; reduce the angle first`,
      { x },
    );
  }
  const n = Math.floor(x * 0.6366197723675814 + 0.5);
  // π/2 in pieces of 30 bits, whose products with n are exact
  const a = x - n * 1.570796325802803;
  const b = n * 9.920935774287987e-10;
  const first = a - b;
  const firstLow = a - first - b;
  const rest = firstLow - n * 2.2517417706346578e-18 - n * 3.5215598651832e-27;
  const r = first + rest; // |r| <= 0.786
  const low = first - r + rest;
  const place = (((n + quarter) % 4) + 4) % 4;
  const value = place % 2 === 0 ? sine(r, low) : cosine(r, low);
  return place >= 2 ? -value : value;
}

function sine(r: number, low: number): number {
  const z = r * r;
  const tail =
    -1 / 6 +
    z *
      (1 / 120 +
        z *
          (-1 / 5040 +
            z *
              (1 / 362880 +
                z * (-1 / 39916800 + z * (1 / 6227020800 + z * (-1 / 1307674368000 + z * (1 / 355687428096000)))))));
  return r + (r * z * tail + low * (1 - 0.5 * z));
}

function cosine(r: number, low: number): number {
  const z = r * r;
  const half = 0.5 * z;
  const w = 1 - half;
  const tail =
    1 / 24 +
    z *
      (-1 / 720 +
        z * (1 / 40320 + z * (-1 / 3628800 + z * (1 / 479001600 + z * (-1 / 87178291200 + z * (1 / 20922789888000))))));
  return w + (1 - w - half + (z * z * tail - r * low));
}

/** For |x| up to 2^22; beyond that INTERNAL. */
export function sin(x: number): number {
  return x === 0 ? x : circular(x, 0);
}

/** For |x| up to 2^22; beyond that INTERNAL. */
export function cos(x: number): number {
  return circular(x, 1);
}

export function tanh(x: number): number {
  if (x !== x || x === 0) return x;
  const a = Math.abs(x);
  const e = expm1(a < 1 ? -2 * a : 2 * a);
  const t = a > 22 ? 1 : a < 1 ? -e / (e + 2) : 1 - 2 / (e + 2);
  return x < 0 ? -t : t;
}

/**
 * The error function. Up to 1.25 by the series with positive terms only; above by the continued fraction of 1 − erf.
 */
export function erf(x: number): number {
  if (x !== x || x === 0) return x;
  const a = Math.abs(x);
  const value = a > 6 ? 1 : a < 1.25 ? erfSeries(a) : 1 - erfcFraction(a);
  return x < 0 ? -value : value;
}

/** 1/(2n + 1) for n = 0, 1, … */
const INVERSE_ODD: readonly number[] = Object.freeze(Array.from({ length: 64 }, (_, n) => 1 / (2 * n + 1)));

/**
 * 2/√π · x · e^(−x²) · (1 + v/3 · (1 + v/5 · (1 + v/7 · …))), v = 2x², for 0 < x < 1.25; from the inside, so that
 * errors shrink.
 */
function erfSeries(x: number): number {
  const z = x * x;
  const zLow = productError(x, x, z);
  const v = 2 * z;
  let sum = 1;
  for (let n = Math.floor(14 + 20 * x); n >= 1; n--) sum = 1 + v * (INVERSE_ODD[n] as number) * sum;
  const e = exp(-z);
  return 1.1283791670955126 * x * ((e - e * zLow) * sum);
}

/**
 * e^(−x²) / (x√π) · 1/(1 + v/(1 + 2v/(1 + 3v/…))), v = 1/(2x²), for x >= 1.25: at most 0.08, so its error counts little
 * in 1 − erfc.
 */
function erfcFraction(x: number): number {
  const v = 1 / (2 * x * x);
  let fraction = 1;
  for (let n = Math.ceil(190 / (x * x)) + 4; n >= 1; n--) fraction = 1 + (n * v) / fraction;
  return (0.5641895835477563 * exp(-x * x)) / (x * fraction);
}
