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

/** Rows of one padded length. What is taken or given up stays in the list until the front has passed it. */
interface Group<V extends NamedVersion> {
  readonly tokens: number;
  /** By arrival. */
  jobs: Job<V>[];
  front: number;
  /** How many of the list wait. */
  waiting: number;
}

export interface BatchLimits {
  readonly maxRows: number;
  readonly maxTokens: number;
  /** Rows younger than this wait for mates while their batch is not full. */
  readonly maxWaitMs: number;
}

export class RowQueue<V extends NamedVersion> {
  readonly #groups = new Map<number, Group<V>>();
  /** What waits, by request: an answer, a deadline or a cancellation costs its own rows, not the whole queue. */
  readonly #waiting = new Map<Ticket<V>, Set<Job<V>>>();

  /** In its place by arrival. */
  add(job: Job<V>): void {
    const group = this.#groups.get(job.tokens) ?? { tokens: job.tokens, jobs: [], front: 0, waiting: 0 };
    this.#groups.set(job.tokens, group);
    let at = group.jobs.length;
    while (at > group.front && (group.jobs[at - 1]?.arrival ?? 0) > job.arrival) at--;
    group.jobs.splice(at, 0, job);
    group.waiting++;
    const own = this.#waiting.get(job.ticket);
    if (own === undefined) this.#waiting.set(job.ticket, new Set([job]));
    else own.add(job);
  }

  remove(ticket: Ticket<V>): void {
    const own = this.#waiting.get(ticket);
    if (own === undefined) return;
    this.#waiting.delete(ticket);
    for (const { tokens } of own) this.#leave(this.#groups.get(tokens));
  }

  get empty(): boolean {
    return this.#groups.size === 0;
  }

  /** Every waiting row, leaving none. */
  clear(): Job<V>[] {
    const all = [...this.#groups.values()].flatMap(({ jobs, front }) =>
      jobs.slice(front).filter((job) => this.#waits(job)),
    );
    this.#groups.clear();
    this.#waiting.clear();
    return all;
  }

  /**
   * The next batch: of the group with the oldest row among those that are full or have waited long enough. Empty: none
   * is due.
   */
  take(limits: BatchLimits, now: number): Job<V>[] {
    let oldest: { readonly group: Group<V>; readonly head: Job<V> } | undefined;
    for (const group of this.#groups.values()) {
      const head = this.#head(group);
      if (head === undefined || dueIn(group, head, limits, now) > 0) continue;
      if (oldest === undefined || head.arrival < oldest.head.arrival) oldest = { group, head };
    }
    if (oldest === undefined) return [];
    const { group, head } = oldest;
    const most = head.failures > 0 ? 1 : capacity(group.tokens, limits);
    const batch: Job<V>[] = [];
    for (let next: Job<V> | undefined = head; next !== undefined && batch.length < most; next = this.#head(group)) {
      if (next.failures > 0 && batch.length > 0) break; // it runs alone, next
      batch.push(next);
      this.#take(next);
      this.#leave(group);
    }
    return batch;
  }

  /** Milliseconds until a batch is due; Infinity when nothing waits. */
  dueIn(limits: BatchLimits, now: number): number {
    let least = Infinity;
    for (const group of this.#groups.values()) {
      const head = this.#head(group);
      if (head !== undefined) least = Math.min(least, dueIn(group, head, limits, now));
    }
    return least;
  }

  /** The oldest that waits. What is before it is dropped, half of the list at a time. */
  #head(group: Group<V>): Job<V> | undefined {
    while (group.front < group.jobs.length && !this.#waits(group.jobs[group.front]!)) group.front++;
    if (group.front > group.jobs.length / 2) {
      group.jobs = group.jobs.slice(group.front);
      group.front = 0;
    }
    return group.jobs[group.front];
  }

  #waits(job: Job<V>): boolean {
    return this.#waiting.get(job.ticket)?.has(job) === true;
  }

  #take(job: Job<V>): void {
    const own = this.#waiting.get(job.ticket);
    own?.delete(job);
    if (own?.size === 0) this.#waiting.delete(job.ticket);
  }

  /** One row less waits in the group. */
  #leave(group: Group<V> | undefined): void {
    if (group !== undefined && --group.waiting === 0) this.#groups.delete(group.tokens);
  }
}

/** Of a group that this is the oldest row of. */
function dueIn<V extends NamedVersion>(group: Group<V>, head: Job<V>, limits: BatchLimits, now: number): number {
  if (head.failures > 0 || group.waiting >= capacity(group.tokens, limits)) return 0;
  return Math.max(0, head.queuedAt + limits.maxWaitMs - now);
}

/** Rows of this length that fit into a batch; a longer one than the limit runs alone. */
function capacity(tokens: number, { maxRows, maxTokens }: BatchLimits): number {
  return Math.max(1, Math.min(maxRows, Math.floor(maxTokens / tokens)));
}
