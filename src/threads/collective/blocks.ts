/**
 * Elementwise work (reduction, optimizer) is cut into blocks of a fixed size that belong to the recipe, not to the
 * machine. Sums over all elements (the clipping norm) are a fixed binary tree over the blocks' sums, so they are the
 * same for any number of workers.
 */

/**
 * The sum of the blocks' sums by a fixed binary tree: neighbours are added level by level, and a node without a
 * neighbour moves up as it is. For the clipping norm the blocks hold sums of squares, and the norm is `Math.sqrt` of
 * the result (exactly rounded by IEEE 754).
 */
export function normTree(blockSums: Float64Array): number {
  const sums = Float64Array.from(blockSums);
  for (let length = sums.length; length > 1; length = Math.ceil(length / 2)) {
    for (let left = 0; left < length; left += 2) {
      const right = left + 1 < length ? sums[left + 1] : undefined;
      const value = sums[left] ?? 0;
      sums[left / 2] = right === undefined ? value : value + right;
    }
  }
  return sums[0] ?? 0;
}
