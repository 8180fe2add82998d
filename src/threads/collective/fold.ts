/**
 * How one worker folds the gradients of its shards, in order, into the canonical partials of its range, with memory for
 * O(log shards) gradients: a binary counter whose carries are restricted to siblings of the tree. The stack never
 * decides by arrival, only by position, so its partials are the tree's nodes whatever the range.
 *
 * A shard of weight 0 is the identity: it takes no slot and causes no addition. (Adding a zero gradient instead would
 * turn −0 into +0.) Slots are numbers from 0 up; what lies in one, and the addition itself, are the caller's.
 */
import { invariant } from "../../base/index.ts";
import { requireRange, requireShards, type ShardRange, type TreeNode } from "./tree.ts";

/** "Add what lies in slot `src` onto slot `dst`": dst = dst + src, elementwise. Afterwards `src` is free. */
export interface SlotAdd {
  readonly dst: number;
  readonly src: number;
}

/** A finished node of the tree. `slot` null: all its shards have weight 0. */
export interface Partial extends TreeNode {
  readonly slot: number | null;
}

export class FoldStack {
  readonly #end: number;
  readonly #stack: Partial[] = [];
  readonly #free: number[] = [];
  #next: number;
  #slots = 0;
  #open: number | null = null;

  constructor(range: ShardRange, shards: number) {
    requireShards(shards);
    requireRange(range, shards);
    this.#next = range.first;
    this.#end = range.first + range.count;
  }

  /** The shard that comes next, or null when the range is done. */
  get next(): number | null {
    return this.#next < this.#end ? this.#next : null;
  }

  /** How many slots have been needed so far. */
  get slots(): number {
    return this.#slots;
  }

  /** The slot into which the next shard's gradient is to be written. Lowest free number, so memory stays small. */
  begin(): number {
    invariant(this.#open === null && this.next !== null, "a shard was begun out of turn");
    this.#open = this.#free.pop() ?? this.#slots++;
    return this.#open;
  }

  /** The shard begun last is in its slot. Returns the additions that are due now, in order. */
  finish(): SlotAdd[] {
    const slot = this.#open;
    invariant(slot !== null, "a shard was finished that was not begun");
    this.#open = null;
    return this.#push(slot);
  }

  /**
   * The next shard has weight 0. Returns the additions that have become due (its sibling may complete a node above).
   */
  skip(): SlotAdd[] {
    invariant(this.#open === null && this.next !== null, "a shard was skipped out of turn");
    return this.#push(null);
  }

  /** The canonical partials of the range, left to right, once every shard is done. */
  partials(): readonly Partial[] {
    invariant(this.next === null && this.#open === null, "the partials were asked for before the range was done");
    return this.#stack;
  }

  #push(slot: number | null): SlotAdd[] {
    let node: Partial = { level: 0, index: this.#next++, slot };
    const adds: SlotAdd[] = [];
    for (let left = this.#stack.at(-1); left !== undefined && siblings(left, node); left = this.#stack.at(-1)) {
      this.#stack.pop();
      node = { level: node.level + 1, index: left.index / 2, slot: this.#join(left.slot, node.slot, adds) };
    }
    this.#stack.push(node);
    return adds;
  }

  #join(left: number | null, right: number | null, adds: SlotAdd[]): number | null {
    if (left === null || right === null) return left ?? right;
    adds.push({ dst: left, src: right });
    this.#free.push(right);
    this.#free.sort((a, b) => b - a);
    return left;
  }
}

export function siblings(left: TreeNode, right: TreeNode): boolean {
  return left.level === right.level && left.index % 2 === 0 && right.index === left.index + 1;
}

/** The slots a worker needs for its range when no shard has weight 0 (with some, it needs no more). */
export function slotsNeeded(range: ShardRange, shards: number): number {
  return replayFold(range, shards, () => false).slots;
}

/**
 * The partials a worker will have, and in which slots: weights are known to all from the plan, so nobody has to ask.
 */
export function foldedPartials(range: ShardRange, weights: readonly number[]): readonly Partial[] {
  return replayFold(range, weights.length, (shard) => weights[shard] === 0).partials();
}

function replayFold(range: ShardRange, shards: number, skipped: (shard: number) => boolean): FoldStack {
  const fold = new FoldStack(range, shards);
  for (let shard = fold.next; shard !== null; shard = fold.next) {
    if (skipped(shard)) {
      fold.skip();
    } else {
      fold.begin();
      fold.finish();
    }
  }
  return fold;
}
