// Dropout masks from Philox4x32-10 (defined in base/philox.ts and base/dropout.ts): four counters side by side in the lanes of a vector,
// so one pass gives sixteen elements. A 32 × 32 → 64 bit product is two extended multiplications, whose halves are sorted
// back into a vector of upper and one of lower words.

// @ts-ignore: decorator
@inline
const M0: i32 = <i32>0xd2511f53;
// @ts-ignore: decorator
@inline
const M1: i32 = <i32>0xcd9e8d57;
// @ts-ignore: decorator
@inline
const W0: i32 = <i32>0x9e3779b9;
// @ts-ignore: decorator
@inline
const W1: i32 = <i32>0xbb67ae85;

export function dropoutMask(
  dst: usize, n: usize, threshold: u32, keep: f32, seed0: i32, seed1: i32, site: i32, step: i32, shard: i32,
): void {
  const limit = i32x4.splat(threshold);
  const kept = f32x4.splat(keep);
  const m0 = i32x4.splat(M0);
  const m1 = i32x4.splat(M1);
  const w0 = i32x4.splat(W0);
  const w1 = i32x4.splat(W1);
  let counter = i32x4(0, 1, 2, 3);
  while (n > 0) {
    let x0 = counter;
    let x1 = i32x4.splat(site);
    let x2 = i32x4.splat(step);
    let x3 = i32x4.splat(shard);
    let k0 = i32x4.splat(seed0);
    let k1 = i32x4.splat(seed1);
    for (let round = 0; round < 10; round++) {
      const p0 = i64x2.extmul_low_i32x4_u(x0, m0);
      const q0 = i64x2.extmul_high_i32x4_u(x0, m0);
      const p1 = i64x2.extmul_low_i32x4_u(x2, m1);
      const q1 = i64x2.extmul_high_i32x4_u(x2, m1);
      x0 = v128.xor(v128.xor(i32x4.shuffle(p1, q1, 1, 3, 5, 7), x1), k0);
      x1 = i32x4.shuffle(p1, q1, 0, 2, 4, 6);
      x2 = v128.xor(v128.xor(i32x4.shuffle(p0, q0, 1, 3, 5, 7), x3), k1);
      x3 = i32x4.shuffle(p0, q0, 0, 2, 4, 6);
      k0 = i32x4.add(k0, w0);
      k1 = i32x4.add(k1, w1);
    }
    x0 = v128.and(i32x4.ge_u(x0, limit), kept);
    x1 = v128.and(i32x4.ge_u(x1, limit), kept);
    x2 = v128.and(i32x4.ge_u(x2, limit), kept);
    x3 = v128.and(i32x4.ge_u(x3, limit), kept);
    // Word j of counter c is element 4c + j: transpose.
    const a = i32x4.shuffle(x0, x1, 0, 4, 1, 5);
    const b = i32x4.shuffle(x2, x3, 0, 4, 1, 5);
    const c = i32x4.shuffle(x0, x1, 2, 6, 3, 7);
    const d = i32x4.shuffle(x2, x3, 2, 6, 3, 7);
    const e0 = i64x2.shuffle(a, b, 0, 2);
    const e1 = i64x2.shuffle(a, b, 1, 3);
    const e2 = i64x2.shuffle(c, d, 0, 2);
    const e3 = i64x2.shuffle(c, d, 1, 3);
    if (n < 16) {
      storeFirst(dst, e0, n);
      if (n > 4) storeFirst(dst + 16, e1, n - 4);
      if (n > 8) storeFirst(dst + 32, e2, n - 8);
      if (n > 12) storeFirst(dst + 48, e3, n - 12);
      return;
    }
    v128.store(dst, e0);
    v128.store(dst, e1, 16);
    v128.store(dst, e2, 32);
    v128.store(dst, e3, 48);
    counter = i32x4.add(counter, i32x4.splat(4));
    dst += 64;
    n -= 16;
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
