// Σ x² in float64, in a fixed order: element i is added to lane i mod 8, in order of i; the lanes are then added as
// ((l0 + l4) + (l2 + l6)) + ((l1 + l5) + (l3 + l7)). The square of a float32 is exact in float64.

// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 1));
}

export function sumSquares(a: usize, n: usize): f64 {
  const blocks = a + ((n & ~7) << 2);
  let l01 = f64x2.splat(0);
  let l23 = f64x2.splat(0);
  let l45 = f64x2.splat(0);
  let l67 = f64x2.splat(0);
  while (a < blocks) {
    const x = v128.load(a);
    const y = v128.load(a, 16);
    const x01 = low(x);
    const x23 = high(x);
    const y01 = low(y);
    const y23 = high(y);
    l01 = f64x2.add(l01, f64x2.mul(x01, x01));
    l23 = f64x2.add(l23, f64x2.mul(x23, x23));
    l45 = f64x2.add(l45, f64x2.mul(y01, y01));
    l67 = f64x2.add(l67, f64x2.mul(y23, y23));
    a += 32;
  }
  // At most seven are left; those that don't exist add a zero, which changes no sum of squares.
  const rest = n & 7;
  const x01 = f64x2(square(a, 0, rest), square(a, 1, rest));
  const x23 = f64x2(square(a, 2, rest), square(a, 3, rest));
  const y01 = f64x2(square(a, 4, rest), square(a, 5, rest));
  const y23 = f64x2(square(a, 6, rest), 0);
  const even = f64x2.add(f64x2.add(l01, x01), f64x2.add(l45, y01));
  const odd = f64x2.add(f64x2.add(l23, x23), f64x2.add(l67, y23));
  const both = f64x2.add(even, odd);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

function square(a: usize, i: usize, rest: usize): f64 {
  if (i >= rest) return 0;
  const x = <f64>load<f32>(a + (i << 2));
  return x * x;
}
