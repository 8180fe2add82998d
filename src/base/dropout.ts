/**
 * Dropout masks: the definition. The SIMD kernel (numeric/kernels) must give the same bits; this is its oracle and what
 * the reference interpreter uses.
 */
import { LockstepError } from "./errors.ts";
import { philox4x32 } from "./philox.ts";
import type { Seed } from "./rng.ts";

/** What a mask is a function of, beside its site in the graph. `step` and `shard` are unsigned 32-bit. */
export interface DropoutKey {
  readonly seed: Seed;
  readonly step: number;
  readonly shard: number;
}

/**
 * An element is kept when its random word is at least `threshold`; kept elements are scaled by `keep` (a float32
 * value).
 */
export function dropoutConstants(rate: number): { readonly threshold: number; readonly keep: number } {
  if (!(rate >= 0 && rate < 1)) {
    throw new LockstepError("OPTION_INVALID", `the dropout rate ${rate} is not in [0, 1); 0 switches dropout off`, {
      rate,
    });
  }
  return { threshold: Math.floor(rate * 0x1_0000_0000), keep: Math.fround(1 / (1 - rate)) };
}

/** Element i: counter (i >>> 2, site, step, shard), key = seed, lane i & 3; `keep` where kept, else 0. */
export function fillDropoutMask(dst: Float32Array | Float64Array, rate: number, site: number, key: DropoutKey): void {
  const { threshold, keep } = dropoutConstants(rate);
  const words = new Uint32Array(4);
  for (let i = 0; i < dst.length; i++) {
    if ((i & 3) === 0) philox4x32(i >>> 2, site, key.step, key.shard, key.seed[0], key.seed[1], words);
    dst[i] = (words[i & 3] as number) >= threshold ? keep : 0;
  }
}
