/**
 * The reduction tree over the shards of a step. With S shards (a power of two) the node (level, index) covers the
 * shards [index · 2^level, (index + 1) · 2^level); its value is left child + right child, in that order. Float addition
 * does not associate, so this tree, and nothing about who computes, decides the bits of a sum.
 *
 * A range of shards is covered by a unique shortest row of such nodes, left to right: its canonical partials. They are
 * what one worker can finish alone; everything above them is completed across workers, in the same tree.
 */
import { LockstepError } from "../../base/index.ts";

export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** A contiguous run of shards: [first, first + count). */
export interface ShardRange {
  readonly first: number;
  readonly count: number;
}

export function requireShards(shards: number): void {
  if (!Number.isSafeInteger(shards) || shards < 1 || shards > 2 ** 20 || (shards & (shards - 1)) !== 0) {
    throw new LockstepError(
      "OPTION_INVALID",
      `the number of shards must be a power of two from 1 to 1,048,576, not ${shards}`,
      { shards },
    );
  }
}

/** The dyadic nodes that cover [first, first + count), left to right: at most 2 · log2(shards) of them. */
export function canonicalPartials(first: number, count: number, shards: number): TreeNode[] {
  requireShards(shards);
  requireRange({ first, count }, shards);
  const nodes: TreeNode[] = [];
  let at = first;
  const end = first + count;
  while (at < end) {
    let level = 0;
    while (at % 2 ** (level + 1) === 0 && at + 2 ** (level + 1) <= end) level++;
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

export function requireRange(range: ShardRange, shards: number): void {
  const { first, count } = range;
  if (
    !Number.isSafeInteger(first) ||
    !Number.isSafeInteger(count) ||
    first < 0 ||
    count < 0 ||
    first + count > shards
  ) {
    throw new LockstepError("INTERNAL", `the shards [${first}, ${first + count}) do not lie in [0, ${shards})`, {
      first,
      count,
      shards,
    });
  }
}

/**
 * Which worker owns which shards: contiguous ranges in worker order that cover all shards, some empty if there are more
 * workers than shards. No stealing: an owner is known before the step begins. The ranges never change a bit.
 */
export function assignShards(shards: number, workers: number): ShardRange[] {
  requireShards(shards);
  if (!Number.isSafeInteger(workers) || workers < 1)
    throw new LockstepError("OPTION_INVALID", `there must be at least one worker, not ${workers}`, { workers });
  const edge = (worker: number): number => Math.floor((worker * shards) / workers);
  return Array.from({ length: workers }, (_, worker) => ({
    first: edge(worker),
    count: edge(worker + 1) - edge(worker),
  }));
}
