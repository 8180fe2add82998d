// Dropout masks from Philox4x32-10 (defined in base/philox.ts and base/dropout.ts): four counters side by side in the
// lanes of a vector, and two such vectors a pass, so thirty-two elements. The generator's constants are arguments,
// since V8 builds a constant vector anew at every use: that took two fifths of the time.

// The upper words of the four 32 x 32 -> 64 bit products.
// @ts-ignore: decorator
@inline
function upper(x: v128, m: v128): v128 {
  return i32x4.shuffle(i64x2.extmul_low_i32x4_u(x, m), i64x2.extmul_high_i32x4_u(x, m), 1, 3, 5, 7);
}

export function dropoutMask(
  dst: usize, n: usize, threshold: u32, keep: f32, seed0: i32, seed1: i32, site: i32, step: i32, shard: i32,
  multiplier0: i32, multiplier1: i32, weyl0: i32, weyl1: i32,
): void {
  const limit = i32x4.splat(threshold);
  const kept = f32x4.splat(keep);
  const m0 = i32x4.splat(multiplier0);
  const m1 = i32x4.splat(multiplier1);
  const w0 = i32x4.splat(weyl0);
  const w1 = i32x4.splat(weyl1);
  let counter = i32x4(0, 1, 2, 3);
  while (n > 0) {
    let x0 = counter;
    let x1 = i32x4.splat(site);
    let x2 = i32x4.splat(step);
    let x3 = i32x4.splat(shard);
    let y0 = i32x4.add(counter, i32x4.splat(4));
    let y1 = x1;
    let y2 = x2;
    let y3 = x3;
    let k0 = i32x4.splat(seed0);
    let k1 = i32x4.splat(seed1);
    for (let round = 0; round < 10; round++) {
      const xHigh0 = upper(x0, m0);
      const xHigh2 = upper(x2, m1);
      const yHigh0 = upper(y0, m0);
      const yHigh2 = upper(y2, m1);
      const xLow0 = i32x4.mul(x0, m0);
      const xLow2 = i32x4.mul(x2, m1);
      const yLow0 = i32x4.mul(y0, m0);
      const yLow2 = i32x4.mul(y2, m1);
      x0 = v128.xor(v128.xor(xHigh2, x1), k0);
      x1 = xLow2;
      x2 = v128.xor(v128.xor(xHigh0, x3), k1);
      x3 = xLow0;
      y0 = v128.xor(v128.xor(yHigh2, y1), k0);
      y1 = yLow2;
      y2 = v128.xor(v128.xor(yHigh0, y3), k1);
      y3 = yLow0;
      k0 = i32x4.add(k0, w0);
      k1 = i32x4.add(k1, w1);
    }
    storeMask(dst, n, x0, x1, x2, x3, limit, kept);
    if (n <= 16) return;
    storeMask(dst + 64, n - 16, y0, y1, y2, y3, limit, kept);
    if (n <= 32) return;
    counter = i32x4.add(counter, i32x4.splat(8));
    dst += 128;
    n -= 32;
  }
}

// Word j of counter c is element 4c + j: compare, transpose, and store the first min(n, 16) elements.
// @ts-ignore: decorator
@inline
function storeMask(dst: usize, n: usize, x0: v128, x1: v128, x2: v128, x3: v128, limit: v128, kept: v128): void {
  x0 = v128.and(i32x4.ge_u(x0, limit), kept);
  x1 = v128.and(i32x4.ge_u(x1, limit), kept);
  x2 = v128.and(i32x4.ge_u(x2, limit), kept);
  x3 = v128.and(i32x4.ge_u(x3, limit), kept);
  const a = i32x4.shuffle(x0, x1, 0, 4, 1, 5);
  const b = i32x4.shuffle(x2, x3, 0, 4, 1, 5);
  const c = i32x4.shuffle(x0, x1, 2, 6, 3, 7);
  const d = i32x4.shuffle(x2, x3, 2, 6, 3, 7);
  const e0 = i64x2.shuffle(a, b, 0, 2);
  const e1 = i64x2.shuffle(a, b, 1, 3);
  const e2 = i64x2.shuffle(c, d, 0, 2);
  const e3 = i64x2.shuffle(c, d, 1, 3);
  if (n >= 16) {
    v128.store(dst, e0);
    v128.store(dst, e1, 16);
    v128.store(dst, e2, 32);
    v128.store(dst, e3, 48);
  } else {
    storeFirst(dst, e0, n);
    if (n > 4) storeFirst(dst + 16, e1, n - 4);
    if (n > 8) storeFirst(dst + 32, e2, n - 8);
    if (n > 12) storeFirst(dst + 48, e3, n - 12);
  }
}

// The first min(n, 4) lanes.
function storeFirst(dst: usize, x: v128, n: usize): void {
  if (n >= 4) {
    v128.store(dst, x);
    return;
  }
  v128.store32_lane(dst, x, 0);
  if (n > 1) v128.store32_lane(dst, x, 1, 4);
  if (n > 2) v128.store32_lane(dst, x, 2, 8);
}
