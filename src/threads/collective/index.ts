/** Sums over shards in one fixed tree order, whoever computes them; and the interface through which members meet. */
export { normTree } from "./blocks.ts";
export {
  ThreadCollective,
  ThreadCoordinator,
  type Collective,
  type ReduceJob,
  type ThreadCollectiveHandle,
} from "./collective.ts";
export { completionSchedule, type Completion, type CompletionAdd, type SlotRef } from "./completion.ts";
export { FoldStack, foldedPartials, slotsNeeded, type Partial, type SlotAdd } from "./fold.ts";
export { assignShards, canonicalPartials, type ShardRange, type TreeNode } from "./tree.ts";
