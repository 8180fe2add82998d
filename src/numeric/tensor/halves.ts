/**
 * Half-precision numbers as float32, bit by bit: every float16 (IEEE 754 binary16) and every bfloat16 (the upper half
 * of a float32) is a float32, so nothing is rounded; a NaN keeps its sign and its payload. Done on integers, since an
 * engine may change a NaN's bits when it passes one along as a number.
 */

/** Float32 bits of the same value. */
export function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f80_0000 | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal is a normal float32: its leading 1 moves up to bit 10, where it is implied.
  const up = Math.clz32(fraction) - 21;
  return sign | ((113 - up) << 23) | (((fraction << up) & 0x3ff) << 13);
}

/** Writes float16 values (their bits) into as many float32. */
export function widenFloat16(halves: Uint16Array, into: Float32Array): void {
  const bits = bitsOf(into);
  for (let i = 0; i < halves.length; i++) bits[i] = float16Bits(halves[i] as number);
}

/** Writes bfloat16 values (their bits) into as many float32. */
export function widenBfloat16(halves: Uint16Array, into: Float32Array): void {
  const bits = bitsOf(into);
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] as number) << 16;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Int32Array {
  return new Int32Array(buffer, byteOffset, length);
}
