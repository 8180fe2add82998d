// One AdamW step over n parameters, in place (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019):
//   g' = gradScale · g
//   m  = beta1 · m + (1 − beta1) · g'
//   v  = beta2 · v + (1 − beta2) · (g' · g')
//   w  = decay · w − (step · m) / (√v · rootCorrection + epsilon)
// with decay = 1 − lr · weightDecay, step = lr / (1 − beta1^t), rootCorrection = 1 / √(1 − beta2^t), each computed in
// float64 and rounded once by the caller. One division and one root an element instead of three divisions: the two
// corrections are the same number for every element. Each operation is rounded to float32, in the order written.

export function adamw(
  w: usize, g: usize, m: usize, v: usize, n: usize,
  gradScale: f32, beta1: f32, rest1: f32, beta2: f32, rest2: f32,
  decay: f32, step: f32, rootCorrection: f32, epsilon: f32,
): void {
  const end = w + (n << 2);
  const blocks = w + ((n & ~7) << 2);
  const vGradScale = f32x4.splat(gradScale);
  const vBeta1 = f32x4.splat(beta1);
  const vRest1 = f32x4.splat(rest1);
  const vBeta2 = f32x4.splat(beta2);
  const vRest2 = f32x4.splat(rest2);
  const vDecay = f32x4.splat(decay);
  const vStep = f32x4.splat(step);
  const vRoot = f32x4.splat(rootCorrection);
  const vEpsilon = f32x4.splat(epsilon);
  while (w < blocks) {
    const ga = f32x4.mul(v128.load(g), vGradScale);
    const gb = f32x4.mul(v128.load(g, 16), vGradScale);
    const ma = f32x4.add(f32x4.mul(vBeta1, v128.load(m)), f32x4.mul(vRest1, ga));
    const mb = f32x4.add(f32x4.mul(vBeta1, v128.load(m, 16)), f32x4.mul(vRest1, gb));
    const va = f32x4.add(f32x4.mul(vBeta2, v128.load(v)), f32x4.mul(vRest2, f32x4.mul(ga, ga)));
    const vb = f32x4.add(f32x4.mul(vBeta2, v128.load(v, 16)), f32x4.mul(vRest2, f32x4.mul(gb, gb)));
    v128.store(m, ma);
    v128.store(m, mb, 16);
    v128.store(v, va);
    v128.store(v, vb, 16);
    const da = f32x4.add(f32x4.mul(f32x4.sqrt(va), vRoot), vEpsilon);
    const db = f32x4.add(f32x4.mul(f32x4.sqrt(vb), vRoot), vEpsilon);
    v128.store(w, f32x4.sub(f32x4.mul(vDecay, v128.load(w)), f32x4.div(f32x4.mul(vStep, ma), da)));
    v128.store(w, f32x4.sub(f32x4.mul(vDecay, v128.load(w, 16)), f32x4.div(f32x4.mul(vStep, mb), db)), 16);
    w += 32; g += 32; m += 32; v += 32;
  }
  while (w < end) {
    const gs = load<f32>(g) * gradScale;
    const ms = beta1 * load<f32>(m) + rest1 * gs;
    const vs = beta2 * load<f32>(v) + rest2 * (gs * gs);
    store<f32>(m, ms);
    store<f32>(v, vs);
    store<f32>(w, decay * load<f32>(w) - (step * ms) / (sqrt<f32>(vs) * rootCorrection + epsilon));
    w += 4; g += 4; m += 4; v += 4;
  }
}
