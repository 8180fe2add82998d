/** Host tensors: a dtype, a shape and a typed array in row-major order. No arithmetic here. */
import { LockstepError } from "../../base/index.ts";

export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
}
export type DType = keyof TypedArrayOf;
export type TypedArray = TypedArrayOf[DType];
export const BYTES: Readonly<Record<DType, number>> = { float32: 4, float64: 8, int32: 4, int64: 8, uint8: 1 };

/** `data` may be a view of a SharedArrayBuffer (or of shared WebAssembly memory) at any offset. */
export interface HostTensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: TypedArrayOf[D];
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: TypedArrayOf[D]): HostTensor<D> {
  if (data.length !== elements(shape)) {
    throw new LockstepError(
      "INTERNAL",
      `a ${dtype} tensor of shape [${shape.join(", ")}] needs ${elements(shape)} elements, not ${data.length}`,
      { shape, length: data.length },
    );
  }
  return { dtype, shape, data };
}
