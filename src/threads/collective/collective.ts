/**
 * How the members of a training meet: arrive together, and complete a sum in tree order. The interface says nothing
 * about threads, so that machines can stand behind it too; the trainer knows this interface only.
 */
import { invariant } from "../../base/index.ts";
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
  /**
   * Resolves when the coordinator, who is no member, has answered: every member has come, so all that they have laid
   * out is seen there; then what the coordinator has laid out is seen by all. Throws as `arrive` does.
   */
  consult(): Promise<void>;
  /** Gives up for all members: whoever waits, or comes later, throws. */
  abort(reason: AbortReason): void;
}

export interface ThreadCollectiveHandle {
  readonly barrier: BarrierHandle;
  /** Of the members and the coordinator: twice for each consultation; null where there is no coordinator. */
  readonly consultation: BarrierHandle | null;
  readonly size: number;
}

/**
 * The form for worker threads, which share the memory of all slots: `arrive` blocks the thread on a barrier, `reduce`
 * is one arrival and then the additions of one's own slice, with no further waiting, since an element's additions never
 * leave its slice. `consult` is two rounds of a barrier in which the coordinator is one more party: between them only
 * the coordinator runs.
 */
export class ThreadCollective implements Collective, Supervised {
  readonly rank: number;
  readonly size: number;
  readonly #barrier: Barrier;
  readonly #consultation: Barrier | null;

  private constructor(handle: ThreadCollectiveHandle, rank: number) {
    this.rank = rank;
    this.size = handle.size;
    this.#barrier = Barrier.attach(handle.barrier);
    this.#consultation = handle.consultation === null ? null : Barrier.attach(handle.consultation);
  }

  /** `coordinated`: whether there is a coordinator to consult. */
  static create(size: number, coordinated = false): ThreadCollectiveHandle {
    const consultation = coordinated ? Barrier.create(size + 1).handle : null;
    return { barrier: Barrier.create(size).handle, consultation, size };
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

  async consult(): Promise<void> {
    invariant(this.#consultation !== null, "there is a coordinator to consult");
    this.#consultation.wait();
    this.#consultation.wait();
  }

  abort(reason: AbortReason): void {
    this.#barrier.abort(reason);
    this.#consultation?.abort(reason);
  }

  /**
   * For whoever supervises: gives up with WORKER_DIED, and wakes all even where that was decided before, since the dead
   * member may have decided it (or opened the barrier) and not have come to waking them.
   */
  threadDied(): boolean {
    const wasFirst = this.#barrier.threadDied();
    this.#consultation?.threadDied();
    return wasFirst;
  }
}

/** Whom the members of a collective consult; on a thread that must not block, such as the main thread. */
export class ThreadCoordinator {
  readonly #consultation: Barrier;

  private constructor({ consultation }: ThreadCollectiveHandle) {
    invariant(consultation !== null, "the members have a coordinator");
    this.#consultation = Barrier.attach(consultation);
  }

  static attach(handle: ThreadCollectiveHandle): ThreadCoordinator {
    return new ThreadCoordinator(handle);
  }

  /**
   * One consultation: waits until all members have come, lays the answer out, and lets them go on. When `answer`
   * throws, they stay where they are: the caller gives up for all. Throws as `Collective.arrive` does.
   */
  async answer(answer: () => void): Promise<void> {
    await this.#consultation.waitAsync();
    answer();
    await this.#consultation.waitAsync();
  }
}
