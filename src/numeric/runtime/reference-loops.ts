/**
 * Plain index arithmetic for the reference interpreter: strides, broadcasting, and a walk over all positions of a
 * shape.
 */
import { elements, type HostTensor, tensor } from "../tensor/index.ts";

/** What the interpreter computes with: reals in float64, ints in int32. */
export type RefTensor = HostTensor<"float64"> | HostTensor<"int32">;

/** Distance in elements between neighbours along each axis, row-major. */
export function stridesOf(shape: readonly number[]): number[] {
  return shape.map((_, axis) => elements(shape.slice(axis + 1)));
}

/** Strides that read a tensor of `shape` as if it were of the larger shape `as`: 0 along repeated axes. */
export function broadcastStrides(shape: readonly number[], as: readonly number[]): number[] {
  const own = stridesOf(shape);
  return as.map((_, axis) => {
    const from = axis - as.length + shape.length;
    return from < 0 || shape[from] === 1 ? 0 : (own[from] as number);
  });
}

export function broadcast(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    return left === 1 ? (b[axis - rank + b.length] ?? 1) : left;
  });
}

/**
 * Calls `visit(position, offsets)` for each position of `shape` in row-major order; `offsets[i]` is where the i-th
 * strides lead.
 */
export function walk(
  shape: readonly number[],
  strides: readonly (readonly number[])[],
  visit: (position: number, offsets: readonly number[]) => void,
): void {
  const total = elements(shape);
  const index = shape.map(() => 0);
  const offsets = strides.map(() => 0);
  for (let position = 0; position < total; position++) {
    visit(position, offsets);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const carried = (index[axis] as number) + 1 === shape[axis];
      const steps = carried ? 1 - (shape[axis] as number) : 1;
      index[axis] = carried ? 0 : (index[axis] as number) + 1;
      strides.forEach((stride, i) => {
        offsets[i] = (offsets[i] as number) + steps * (stride[axis] as number);
      });
      if (!carried) break;
    }
  }
}

export function reals(shape: readonly number[]): HostTensor<"float64"> {
  return tensor("float64", shape, new Float64Array(elements(shape)));
}

/** A tensor of `shape` whose element at each position is read from `x` by these strides. */
export function copyStrided(x: RefTensor, shape: readonly number[], strides: readonly number[]): RefTensor {
  const { data } = x;
  const copy = x.dtype === "float64" ? reals(shape) : tensor("int32", shape, new Int32Array(elements(shape)));
  walk(shape, [strides], (position, [from]) => {
    copy.data[position] = data[from as number] as number;
  });
  return copy;
}
