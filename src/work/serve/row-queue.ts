/**
 * The rows that wait for one version, by padded length. A batch is of one length, first come first served, and the
 * length is that of the oldest row: so no length starves, however many rows of another keep coming.
 */
import type { EncodedRow, NamedVersion } from "./contract.ts";
import type { Ticket } from "./ticket.ts";

/** One row of a request on its way. */
export interface Job<V extends NamedVersion> {
  readonly ticket: Ticket<V>;
  /** Its place in the request. */
  readonly index: number;
  readonly row: EncodedRow;
  /** Padded. */
  readonly tokens: number;
  /** Order of arrival over all rows; kept when it is tried again. */
  readonly arrival: number;
  readonly queuedAt: number;
  /** Earlier tries that failed. After one it runs without mates, which it may have taken down. */
  readonly failures: number;
}

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxTokens: number;
  /** Rows younger than this wait for mates while their batch is not full. */
  readonly maxWaitMs: number;
}

export class RowQueue<V extends NamedVersion> {
  readonly #groups = new Map<number, Job<V>[]>();

  /** In its place by arrival. */
  add(job: Job<V>): void {
    const group = this.#groups.get(job.tokens);
    if (group === undefined) return void this.#groups.set(job.tokens, [job]);
    let at = group.length;
    while (at > 0 && (group[at - 1]?.arrival ?? 0) > job.arrival) at--;
    group.splice(at, 0, job);
  }

  remove(ticket: Ticket<V>): void {
    for (const [tokens, group] of this.#groups) {
      const kept = group.filter((job) => job.ticket !== ticket);
      if (kept.length === 0) this.#groups.delete(tokens);
      else if (kept.length < group.length) this.#groups.set(tokens, kept);
    }
  }

  get empty(): boolean {
    return this.#groups.size === 0;
  }

  /** Every waiting row, leaving none. */
  clear(): Job<V>[] {
    const all = [...this.#groups.values()].flat();
    this.#groups.clear();
    return all;
  }

  /**
   * The next batch: of the group with the oldest row among those that are full or have waited long enough. Empty: none
   * is due.
   */
  take(limits: BatchLimits, now: number): Job<V>[] {
    let oldest: Job<V>[] | undefined;
    for (const group of this.#groups.values()) {
      if (
        this.#dueIn(group, limits, now) <= 0 &&
        arrivalOf(group) < (oldest === undefined ? Infinity : arrivalOf(oldest))
      )
        oldest = group;
    }
    const head = oldest?.[0];
    if (oldest === undefined || head === undefined) return [];
    const batch = oldest.splice(0, head.failures > 0 ? 1 : room(oldest, limits));
    if (oldest.length === 0) this.#groups.delete(head.tokens);
    return batch;
  }

  /** Milliseconds until a batch is due; Infinity when nothing waits. */
  dueIn(limits: BatchLimits, now: number): number {
    let least = Infinity;
    for (const group of this.#groups.values()) least = Math.min(least, this.#dueIn(group, limits, now));
    return least;
  }

  #dueIn(group: readonly Job<V>[], limits: BatchLimits, now: number): number {
    const head = group[0];
    if (head === undefined) return Infinity;
    if (head.failures > 0 || group.length >= capacity(head.tokens, limits)) return 0;
    return Math.max(0, head.queuedAt + limits.maxWaitMs - now);
  }
}

function arrivalOf<V extends NamedVersion>(group: readonly Job<V>[]): number {
  return group[0]?.arrival ?? Infinity;
}

/** Rows of this length that fit into a batch; a longer one than the limit runs alone. */
function capacity(tokens: number, { maxRows, maxTokens }: BatchLimits): number {
  return Math.max(1, Math.min(maxRows, Math.floor(maxTokens / tokens)));
}

/** How many from the front go together: up to the capacity, and not one that has failed before. */
function room<V extends NamedVersion>(group: readonly Job<V>[], limits: BatchLimits): number {
  const most = capacity(group[0]?.tokens ?? 1, limits);
  const failed = group.findIndex((job) => job.failures > 0);
  return failed < 0 ? most : Math.min(most, failed);
}
