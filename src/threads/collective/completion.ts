/**
 * What is left when every worker has its canonical partials: the additions above them, in tree order, across workers.
 * Partials lie left to right over workers, so a second run of the same binary counter meets exactly the tree's upper
 * nodes.
 */
import { invariant } from "../../base/index.ts";
import { siblings, type Partial } from "./fold.ts";
import type { TreeNode } from "./tree.ts";

/** Slot `slot` of worker `worker`. */
export interface SlotRef {
  readonly worker: number;
  readonly slot: number;
}

/** dst = dst + src, elementwise, in the order of the list. Each element may be done by another thread. */
export interface CompletionAdd {
  readonly dst: SlotRef;
  readonly src: SlotRef;
}

export interface Completion {
  readonly adds: readonly CompletionAdd[];
  /** Where the sum over all shards lies after the additions; null: every shard had weight 0. */
  readonly root: SlotRef | null;
}

interface Placed extends TreeNode {
  readonly at: SlotRef | null;
}

/** `partials[w]` are those of worker w, as its fold left them; together they must cover every shard once. */
export function completionSchedule(partials: readonly (readonly Partial[])[], shards: number): Completion {
  const stack: Placed[] = [];
  const adds: CompletionAdd[] = [];
  let covered = 0;
  partials.forEach((row, worker) => {
    for (const { level, index, slot } of row) {
      invariant(
        index * 2 ** level === covered,
        `the partial (${level}, ${index}) of worker ${worker} does not begin at shard ${covered}`,
      );
      covered += 2 ** level;
      push(stack, { level, index, at: slot === null ? null : { worker, slot } }, adds);
    }
  });
  invariant(covered === shards && stack.length === 1, `the partials cover ${covered} of ${shards} shards`);
  return { adds, root: stack[0]?.at ?? null };
}

function push(stack: Placed[], pushed: Placed, adds: CompletionAdd[]): void {
  let node = pushed;
  for (let left = stack.at(-1); left !== undefined && siblings(left, node); left = stack.at(-1)) {
    stack.pop();
    if (left.at !== null && node.at !== null) adds.push({ dst: left.at, src: node.at });
    node = { level: node.level + 1, index: left.index / 2, at: left.at ?? node.at };
  }
  stack.push(node);
}
