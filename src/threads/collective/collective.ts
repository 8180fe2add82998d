/**
 * How the members of a training meet: arrive together, and complete a sum in tree order. The interface says nothing
 * about threads, so that machines can stand behind it too; the trainer knows this interface only.
 */
import { Barrier, type AbortReason, type BarrierHandle, type Supervised } from "../sync/index.ts";
import { completionSchedule, type CompletionAdd, type SlotRef } from "./completion.ts";
import { foldedPartials } from "./fold.ts";
import type { ShardRange } from "./tree.ts";

/** The sum of a step, as every member knows it from the plan. */
export interface ReduceJob {
  /** The shards of each member, in order of rank. */
  readonly ranges: readonly ShardRange[];
  /** One integer per shard; 0: it was skipped. */
  readonly weights: readonly number[];
  /** Adds the caller's slice of one slot onto the same slice of another. Other members do the other slices. */
  readonly add: (add: CompletionAdd) => void;
}

export interface Collective {
  readonly rank: number;
  readonly size: number;
  /**
   * Resolves when every member has arrived. Throws WORKER_DIED, CANCELLED or INTERNAL when the meeting was given up.
   */
  arrive(): Promise<void>;
  /**
   * Waits until every member's partials lie in their slots, then completes the caller's slice of the sum. Returns where
   * the sum lies; null when every shard was skipped. Slices of other members are complete only after the next `arrive`.
   */
  reduce(job: ReduceJob): Promise<SlotRef | null>;
  /** Gives up for all members: whoever waits, or comes later, throws. */
  abort(reason: AbortReason): void;
}

export interface ThreadCollectiveHandle {
  readonly barrier: BarrierHandle;
  readonly size: number;
}

/**
 * The form for worker threads, which share the memory of all slots: `arrive` blocks the thread on a barrier, `reduce`
 * is one arrival and then the additions of one's own slice, with no further waiting, since an element's additions never
 * leave its slice.
 */
export class ThreadCollective implements Collective, Supervised {
  readonly rank: number;
  readonly size: number;
  readonly #barrier: Barrier;

  private constructor(handle: ThreadCollectiveHandle, rank: number) {
    this.rank = rank;
    this.size = handle.size;
    this.#barrier = Barrier.attach(handle.barrier);
  }

  static create(size: number): ThreadCollectiveHandle {
    return { barrier: Barrier.create(size).handle, size };
  }

  static attach(handle: ThreadCollectiveHandle, rank: number): ThreadCollective {
    return new ThreadCollective(handle, rank);
  }

  async arrive(): Promise<void> {
    this.#barrier.wait();
  }

  async reduce(job: ReduceJob): Promise<SlotRef | null> {
    await this.arrive();
    const partials = job.ranges.map((range) => foldedPartials(range, job.weights));
    const { adds, root } = completionSchedule(partials, job.weights.length);
    for (const add of adds) job.add(add);
    return root;
  }

  abort(reason: AbortReason): void {
    this.#barrier.abort(reason);
  }

  /**
   * For whoever supervises: gives up with WORKER_DIED, and wakes all even where that was decided before, since the dead
   * member may have decided it (or opened the barrier) and not have come to waking them.
   */
  threadDied(): boolean {
    return this.#barrier.threadDied();
  }
}
