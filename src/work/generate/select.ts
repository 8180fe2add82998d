/** Ids by falling score, only as far as asked for: whoever needs k of n pays n + k log n, never a whole sort. */

/** Of equal scores, the lower id first. `scores` must stay as they are meanwhile. */
export function* inOrder(scores: Float64Array): Generator<number> {
  const heap = Int32Array.from({ length: scores.length }, (_, id) => id);
  const before = (a: number, b: number): boolean => {
    const [x, y] = [scores[a] as number, scores[b] as number];
    return x > y || (x === y && a < b);
  };
  let size = heap.length;
  const sink = (from: number): void => {
    const item = heap[from] as number;
    let at = from;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && before(heap[child + 1] as number, heap[child] as number)) child++;
      if (!before(heap[child] as number, item)) break;
      heap[at] = heap[child] as number;
      at = child;
    }
    heap[at] = item;
  };
  for (let at = (size >> 1) - 1; at >= 0; at--) sink(at);
  while (size > 0) {
    const first = heap[0] as number;
    heap[0] = heap[--size] as number;
    if (size > 0) sink(0);
    yield first;
  }
}
