// dst[i] = f(…): sixteen elements at a time, then one by one. The result does not depend on how elements are grouped.

export function add(dst: usize, a: usize, n: usize): void {
  addTo(dst, dst, a, n);
}

export function addTo(dst: usize, a: usize, b: usize, n: usize): void {
  const end = dst + (n << 2);
  const blocks = dst + ((n & ~15) << 2);
  while (dst < blocks) {
    const x0 = f32x4.add(v128.load(a), v128.load(b));
    const x1 = f32x4.add(v128.load(a, 16), v128.load(b, 16));
    const x2 = f32x4.add(v128.load(a, 32), v128.load(b, 32));
    const x3 = f32x4.add(v128.load(a, 48), v128.load(b, 48));
    v128.store(dst, x0);
    v128.store(dst, x1, 16);
    v128.store(dst, x2, 32);
    v128.store(dst, x3, 48);
    dst += 64; a += 64; b += 64;
  }
  while (dst < end) {
    store<f32>(dst, load<f32>(a) + load<f32>(b));
    dst += 4; a += 4; b += 4;
  }
}

// dst += s * a, rounded after the product and after the sum.
export function addScaled(dst: usize, a: usize, s: f32, n: usize): void {
  const end = dst + (n << 2);
  const blocks = dst + ((n & ~15) << 2);
  const splat = f32x4.splat(s);
  while (dst < blocks) {
    const x0 = f32x4.add(v128.load(dst), f32x4.mul(splat, v128.load(a)));
    const x1 = f32x4.add(v128.load(dst, 16), f32x4.mul(splat, v128.load(a, 16)));
    const x2 = f32x4.add(v128.load(dst, 32), f32x4.mul(splat, v128.load(a, 32)));
    const x3 = f32x4.add(v128.load(dst, 48), f32x4.mul(splat, v128.load(a, 48)));
    v128.store(dst, x0);
    v128.store(dst, x1, 16);
    v128.store(dst, x2, 32);
    v128.store(dst, x3, 48);
    dst += 64; a += 64;
  }
  while (dst < end) {
    store<f32>(dst, load<f32>(dst) + s * load<f32>(a));
    dst += 4; a += 4;
  }
}

export function scale(dst: usize, s: f32, n: usize): void {
  const end = dst + (n << 2);
  const blocks = dst + ((n & ~15) << 2);
  const splat = f32x4.splat(s);
  while (dst < blocks) {
    v128.store(dst, f32x4.mul(v128.load(dst), splat));
    v128.store(dst, f32x4.mul(v128.load(dst, 16), splat), 16);
    v128.store(dst, f32x4.mul(v128.load(dst, 32), splat), 32);
    v128.store(dst, f32x4.mul(v128.load(dst, 48), splat), 48);
    dst += 64;
  }
  while (dst < end) {
    store<f32>(dst, load<f32>(dst) * s);
    dst += 4;
  }
}

export function divide(dst: usize, d: f32, n: usize): void {
  const end = dst + (n << 2);
  const blocks = dst + ((n & ~15) << 2);
  const splat = f32x4.splat(d);
  while (dst < blocks) {
    v128.store(dst, f32x4.div(v128.load(dst), splat));
    v128.store(dst, f32x4.div(v128.load(dst, 16), splat), 16);
    v128.store(dst, f32x4.div(v128.load(dst, 32), splat), 32);
    v128.store(dst, f32x4.div(v128.load(dst, 48), splat), 48);
    dst += 64;
  }
  while (dst < end) {
    store<f32>(dst, load<f32>(dst) / d);
    dst += 4;
  }
}

export function zero(dst: usize, n: usize): void {
  memory.fill(dst, 0, n << 2);
}

export function copy(dst: usize, a: usize, n: usize): void {
  memory.copy(dst, a, n << 2);
}
