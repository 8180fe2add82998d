/**
 * Elementwise work (reduction, optimizer) is cut into blocks of a fixed size that belong to the recipe, not to the
 * machine; a worker's slice is a run of whole blocks. Sums over all elements (the clipping norm) are a fixed binary
 * tree over the blocks' sums, so they too are the same for any number of workers.
 */
import { LockstepError } from "../../base/index.ts";

export const BLOCK_ELEMENTS = 65_536;

/** Elements [from, to), which are blocks [firstBlock, firstBlock + blocks). */
export interface Slice {
  readonly from: number;
  readonly to: number;
  readonly firstBlock: number;
  readonly blocks: number;
}

/** One slice per worker, in order, covering all elements; the last block may be short, slices may be empty. */
export function sliceBlocks(totalElements: number, blockSize: number = BLOCK_ELEMENTS, workers: number = 1): Slice[] {
  for (const [what, value, least] of [
    ["elements", totalElements, 0],
    ["block size", blockSize, 1],
    ["workers", workers, 1],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new LockstepError("INTERNAL", `${what} must be an integer from ${least} up, not ${value}`, {
        [what]: value,
      });
  }
  const blocks = Math.ceil(totalElements / blockSize);
  return Array.from({ length: workers }, (_, worker) => {
    const firstBlock = Math.floor((worker * blocks) / workers);
    const endBlock = Math.floor(((worker + 1) * blocks) / workers);
    return {
      from: Math.min(firstBlock * blockSize, totalElements),
      to: Math.min(endBlock * blockSize, totalElements),
      firstBlock,
      blocks: endBlock - firstBlock,
    };
  });
}

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
