/**
 * One version in memory: its replicas, the rows that wait for it, and who holds it. States:
 *   serving ── superseded (another was published, or closing) ──▶ leaving ── last pin let go ──▶ closed (replicas
 *   released)
 * Pins: one for each open request, batch and verification; a version is never taken from under any of them.
 */
import { invariant } from "../../base/index.ts";
import type { EncodedRow, NamedVersion, ReplicaBackend } from "./contract.ts";
import { RowQueue } from "./row-queue.ts";

export class Replica {
  readonly id: number;
  readonly #backend: ReplicaBackend;
  #running = 0;
  #rows = 0;
  #leaving = false;
  readonly #closed = Promise.withResolvers<void>();
  readonly #onFree: () => void;

  constructor(id: number, backend: ReplicaBackend, onFree: () => void) {
    this.id = id;
    this.#backend = backend;
    this.#onFree = onFree;
  }

  /** Batches inside it. */
  get running(): number {
    return this.#running;
  }

  /** Rows it was ever given: what breaks ties, so that idle replicas take turns. */
  get rows(): number {
    return this.#rows;
  }

  get leaving(): boolean {
    return this.#leaving;
  }

  async run(rows: readonly EncodedRow[], signal?: AbortSignal): Promise<Float32Array[]> {
    this.#running++;
    this.#rows += rows.length;
    try {
      const logits = await this.#backend.run(rows, signal);
      invariant(logits.length === rows.length, `a replica gave ${logits.length} answers for ${rows.length} rows`);
      return logits;
    } finally {
      this.#running--;
      if (this.#leaving) this.#closeIfIdle();
      else this.#onFree();
    }
  }

  /** Closes once nothing runs in it. */
  close(): Promise<void> {
    if (!this.#leaving) {
      this.#leaving = true;
      this.#closeIfIdle();
    }
    return this.#closed.promise;
  }

  #closeIfIdle(): void {
    if (this.#running === 0) this.#backend.close().then(this.#closed.resolve, this.#closed.reject);
  }
}

export interface LoadedVersionHooks {
  /** A replica has room, because it has come or because a run has ended. */
  readonly onFree: () => void;
  /** A replica failed to close. */
  readonly onError: (error: unknown) => void;
}

export class LoadedVersion<V extends NamedVersion> {
  readonly version: V;
  readonly queue = new RowQueue<V>();
  /** Resolves when everything is released. */
  readonly closed: Promise<void>;
  /** Replicas on their way. */
  opening = 0;
  /** How many replicas it was loaded with, and is to have. */
  readonly wanted: number;
  /** After a replica could not be opened: when the next may be tried, and the pause after that one, in milliseconds. */
  retry = { at: 0, pauseMs: 0 };
  readonly #close = Promise.withResolvers<void>();
  readonly #replicas: Replica[] = [];
  readonly #hooks: LoadedVersionHooks;
  #nextId = 0;
  #pins = 1; // its own, until it is superseded
  #leaving = false;
  readonly #leavers: Promise<void>[] = [];

  constructor(version: V, backends: readonly ReplicaBackend[], hooks: LoadedVersionHooks) {
    this.version = version;
    this.#hooks = hooks;
    this.closed = this.#close.promise;
    this.wanted = backends.length;
    for (const backend of backends) this.add(backend);
  }

  get replicas(): readonly Replica[] {
    return this.#replicas;
  }

  /** Whether anybody will still ask it something. */
  get held(): boolean {
    return this.#pins > 0;
  }

  add(backend: ReplicaBackend): Replica {
    const replica = new Replica(this.#nextId++, backend, this.#hooks.onFree);
    this.#replicas.push(replica);
    this.#hooks.onFree();
    return replica;
  }

  /** Takes a replica out of service. False: it was out already. */
  retire(replica: Replica): boolean {
    const at = this.#replicas.indexOf(replica);
    if (at < 0) return false;
    this.#replicas.splice(at, 1);
    this.#leavers.push(this.#release(replica));
    return true;
  }

  /** The replica with the least to do, other than `not`; ties go to the one that has done least, then to the oldest. */
  leastLoaded(not?: Replica): Replica | undefined {
    return this.#replicas
      .filter((replica) => replica !== not)
      .sort((a, b) => a.running - b.running || a.rows - b.rows || a.id - b.id)[0];
  }

  pin(): void {
    invariant(this.#pins > 0, "a version was pinned after it was released");
    this.#pins++;
  }

  unpin(): void {
    invariant(this.#pins > 0, "a version was unpinned more often than pinned");
    if (--this.#pins > 0) return;
    const leavers = [...this.#leavers, ...this.#replicas.splice(0).map((replica) => this.#release(replica))];
    void Promise.all(leavers).then(() => this.#close.resolve());
  }

  async #release(replica: Replica): Promise<void> {
    try {
      await replica.close();
    } catch (thrown) {
      this.#hooks.onError(thrown);
    }
  }

  /** No new request will pin it. */
  supersede(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.unpin();
  }
}
