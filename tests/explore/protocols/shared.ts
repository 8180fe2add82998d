/** Numbers in shared memory. */
export function sharedInts(values: readonly number[]): Int32Array<SharedArrayBuffer> {
  const ints = new Int32Array(new SharedArrayBuffer(values.length * 4));
  ints.set(values);
  return ints;
}
