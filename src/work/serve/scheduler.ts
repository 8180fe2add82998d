/**
 * The life of a request: (1) admit: pin the current version, be counted or refused; (2) encode under that version; (3)
 * wait, by padded length; (4) run in a batch on that version's least loaded replica; (5) verify; (6) answer, unpin.
 * Publishing builds replicas beside all this and swaps one reference, so a request sees one version from admission to
 * answer, and none sees an error. It runs on the main thread and computes nothing: its time is bookkeeping. Long, so
 * that all that counts and uncounts a request is in one place.
 */
import { randomUUID } from "node:crypto";
import { isLockstepError, LockstepError, systemClock, type Clock } from "../../base/index.ts";
import { rowLength } from "../infer/index.ts";
import type {
  EncodedRow,
  NamedVersion,
  Scheduler,
  SchedulerOptions,
  ServeAnswer,
  ServeHooks,
  ServeRequest,
  VersionPin,
} from "./contract.ts";
import { LoadedVersion, type Replica } from "./loaded-version.ts";
import { openAll, ReplicaKeeper } from "./replica-keeper.ts";
import type { BatchLimits, Job } from "./row-queue.ts";
import { checkSchedulerOptions, MAX_TIMEOUT_MS } from "./scheduler-options.ts";
import { Ticket } from "./ticket.ts";
import { untilAllOver } from "./until-all-over.ts";
import { isSampled, requireFinite } from "./verification.ts";

export function createScheduler<V extends NamedVersion>(options: SchedulerOptions<V>): Scheduler<V> {
  checkSchedulerOptions(options);
  return new BatchScheduler(options);
}

class BatchScheduler<V extends NamedVersion> implements Scheduler<V> {
  readonly #options: SchedulerOptions<V>;
  readonly #limits: BatchLimits;
  readonly #maxQueue: number;
  readonly #clock: Clock;
  readonly #hooks: ServeHooks;
  readonly #keeper: ReplicaKeeper<V>;
  readonly #loaded = new Set<LoadedVersion<V>>();
  readonly #open = new Set<Ticket<V>>();
  /** Pins of callers, and what each holds. */
  readonly #pins = new Map<VersionPin<V>, LoadedVersion<V>>();
  /** Decides, with a request's id, what is verified. */
  readonly #sampleKey: string;
  #current: LoadedVersion<V> | null = null;
  #waiting = 0;
  #arrivals = 0;
  #msPerRow = 1;
  /** Resolves when the publication that is under way is over, however it went. */
  #publishing: Promise<void> | null = null;
  #closing: Promise<void> | null = null;
  #stepDue = false;
  #ripening: AbortController | null = null;
  #drained: (() => void)[] = [];

  constructor(options: SchedulerOptions<V>) {
    this.#options = options;
    this.#limits = {
      maxRows: options.maxBatchRows ?? 32,
      maxTokens: options.maxBatchTokens ?? 4096,
      maxWaitMs: options.maxWaitMs ?? 0,
    };
    this.#maxQueue = options.maxQueue ?? 1024;
    this.#sampleKey = options.sampleKey ?? randomUUID();
    this.#clock = options.clock ?? systemClock;
    this.#hooks = options.hooks ?? {};
    this.#keeper = new ReplicaKeeper(options.openReplica, this.#hooks, this.#clock);
  }

  get current(): V | null {
    return this.#current?.version ?? null;
  }

  get waiting(): number {
    return this.#waiting;
  }

  get loaded(): readonly V[] {
    return [...this.#loaded].map((loaded) => loaded.version);
  }

  submit(request: ServeRequest<V>): Promise<ServeAnswer<V>> {
    try {
      const loaded = this.#admissible(request);
      const ticket = this.#admit(loaded, request);
      void this.#enqueue(loaded, ticket, request);
      return ticket.promise;
    } catch (thrown) {
      return Promise.reject(thrown);
    }
  }

  pin(): VersionPin<V> {
    const loaded = this.#published();
    const pin: VersionPin<V> = { version: loaded.version, release: () => this.#unpin(pin) };
    loaded.pin();
    this.#pins.set(pin, loaded);
    return pin;
  }

  async publish(version: V, commit: () => Promise<void> = () => Promise.resolve()): Promise<void> {
    if (this.#publishing !== null)
      throw new LockstepError("CONFLICT", `version ${version.name} has to wait until another one is published`, {
        version: version.name,
      });
    const over = Promise.withResolvers<void>();
    this.#publishing = over.promise;
    try {
      await this.#publishNow(version, commit);
    } finally {
      this.#publishing = null;
      over.resolve();
    }
  }

  async drain(): Promise<void> {
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeNow();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Hands every batch that is due to a replica that is free. */
  #step(): void {
    this.#stepDue = false;
    for (const loaded of this.#loaded) {
      for (
        let replica = loaded.leastLoaded();
        replica !== undefined && replica.running === 0;
        replica = loaded.leastLoaded()
      ) {
        const batch = loaded.queue.take(this.#limits, this.#clock.elapsed());
        if (batch.length === 0) break;
        void this.#run(loaded, replica, batch);
      }
    }
    if (this.#limits.maxWaitMs > 0) this.#stepWhenRipe();
  }

  #published(): LoadedVersion<V> {
    if (this.#closing !== null) throw new LockstepError("SHUTTING_DOWN", "the server is closing and takes no requests");
    if (this.#current === null) throw new LockstepError("NOT_FOUND", "no version has been published yet");
    return this.#current;
  }

  #unpin(pin: VersionPin<V>): void {
    const loaded = this.#pins.get(pin);
    this.#pins.delete(pin);
    loaded?.unpin();
  }

  #admissible({ rows = 1, signal, pin }: ServeRequest<V>): LoadedVersion<V> {
    const current = this.#published();
    if (signal?.aborted)
      throw new LockstepError(
        "CANCELLED",
        "the request was cancelled before it was admitted",
        {},
        { cause: signal.reason },
      );
    const loaded = pin === undefined ? current : this.#pins.get(pin);
    if (loaded === undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `this pin of version ${pin?.version.name ?? ""} was let go; pin a version again before asking it`,
        { version: pin?.version.name ?? "" },
      );
    if (!Number.isSafeInteger(rows) || rows < 1)
      throw new LockstepError("INPUT_INVALID", `a request has at least one row, not ${rows}`, { rows });
    this.#requireRoom(rows, rows);
    return loaded;
  }

  /** For a request of `rows`, of which `more` are not counted yet. @throws INPUT_TOO_LARGE, OVERLOADED */
  #requireRoom(rows: number, more: number): void {
    if (rows > this.#maxQueue)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `a request of ${rows} rows is more than the queue holds (${this.#maxQueue}); send smaller ones`,
        { rows, maxQueue: this.#maxQueue },
      );
    if (this.#waiting + more > this.#maxQueue) {
      this.#hooks.count?.("refused", 1);
      const retryAfterSeconds = Math.max(
        1,
        Math.ceil((this.#waiting * this.#msPerRow) / this.#options.replicas / 1000),
      );
      throw new LockstepError(
        "OVERLOADED",
        `${this.#waiting} rows wait and the queue holds ${this.#maxQueue}; try again in ${retryAfterSeconds} s`,
        { waiting: this.#waiting, maxQueue: this.#maxQueue, retryAfterSeconds },
      );
    }
  }

  #admit(
    loaded: LoadedVersion<V>,
    { id, rows = 1, timeoutMs = this.#options.timeoutMs ?? 30_000, signal }: ServeRequest<V>,
  ): Ticket<V> {
    loaded.pin();
    this.#waiting += rows;
    this.#hooks.count?.("admitted", 1);
    const onSettled = (ticket: Ticket<V>, error: unknown): void => this.#onSettled(loaded, ticket, error);
    const ticket = new Ticket({
      id,
      version: loaded.version,
      rows,
      timeoutMs: Math.min(timeoutMs, MAX_TIMEOUT_MS),
      signal,
      clock: this.#clock,
      onSettled,
    });
    this.#open.add(ticket);
    return ticket;
  }

  async #enqueue(loaded: LoadedVersion<V>, ticket: Ticket<V>, request: ServeRequest<V>): Promise<void> {
    try {
      const rows = await request.encode(loaded.version);
      if (ticket.settled) return;
      if (request.grows === true && rows.length > ticket.rows) this.#grow(ticket, rows.length);
      if (rows.length !== ticket.rows)
        throw new LockstepError(
          "INTERNAL",
          `request ${ticket.id} was admitted with ${ticket.rows} rows and encoded into ${rows.length}`,
          { admitted: ticket.rows, encoded: rows.length },
        );
      const jobs = rows.map((row, index) => this.#job(ticket, row, index));
      for (const job of jobs) loaded.queue.add(job);
      this.#keeper.ensure(loaded);
      this.#wake();
    } catch (thrown) {
      ticket.fail(thrown);
    }
  }

  /** @throws INPUT_TOO_LARGE, OVERLOADED: there is no room for so many */
  #grow(ticket: Ticket<V>, rows: number): void {
    const more = rows - ticket.rows;
    this.#requireRoom(rows, more);
    ticket.expect(rows);
    this.#count(ticket, more);
  }

  #job(ticket: Ticket<V>, row: EncodedRow, index: number): Job<V> {
    if (row.ids.length === 0)
      throw new LockstepError("INPUT_INVALID", `row ${index} of request ${ticket.id} has no tokens`, { row: index });
    return {
      ticket,
      index,
      row,
      tokens: rowLength(row),
      arrival: this.#arrivals++,
      queuedAt: this.#clock.elapsed(),
      failures: 0,
    };
  }

  /** Never rejects: what fails here fails, or sends back, the rows of the batch. */
  async #run(loaded: LoadedVersion<V>, replica: Replica, jobs: readonly Job<V>[]): Promise<void> {
    loaded.pin();
    const begun = this.#clock.elapsed();
    for (const { ticket } of jobs) this.#count(ticket, -1);
    for (const { ticket, queuedAt } of jobs) {
      ticket.started();
      this.#hooks.observe?.("queue_ms", begun - queuedAt);
    }
    const waitedFor = untilAllOver(jobs.map(({ ticket }) => ticket.over));
    try {
      const logits = await replica.run(
        jobs.map((job) => job.row),
        waitedFor.signal,
      );
      waitedFor.forget();
      this.#measure(jobs, this.#clock.elapsed() - begun);
      jobs.forEach((job, i) => this.#deliver(loaded, replica, job, logits[i] ?? new Float32Array(0)));
    } catch (thrown) {
      this.#retry(loaded, replica, jobs, thrown);
    } finally {
      waitedFor.forget();
      loaded.unpin();
    }
  }

  #measure(jobs: readonly Job<V>[], ms: number): void {
    this.#msPerRow = 0.9 * this.#msPerRow + 0.1 * (ms / jobs.length);
    this.#hooks.observe?.("run_ms", ms);
    this.#hooks.observe?.("batch_rows", jobs.length);
    this.#hooks.observe?.(
      "batch_tokens",
      jobs.reduce((sum, job) => sum + job.tokens, 0),
    );
  }

  #deliver(loaded: LoadedVersion<V>, replica: Replica, job: Job<V>, logits: Float32Array): void {
    const { ticket, index } = job;
    if (ticket.settled) return;
    try {
      requireFinite(logits, index);
      if (isSampled(this.#sampleKey, ticket.id, index, this.#options.verifySample ?? 0))
        void this.#verify(loaded, replica, job, logits);
      else ticket.give(index, logits, false);
    } catch (thrown) {
      ticket.fail(thrown);
    }
  }

  async #verify(loaded: LoadedVersion<V>, replica: Replica, job: Job<V>, logits: Float32Array): Promise<void> {
    const { ticket, index, row } = job;
    loaded.pin();
    try {
      ticket.give(
        index,
        await this.#keeper.confirm(loaded, replica, { requestId: ticket.id, index, row }, logits, ticket.over),
        true,
      );
    } catch (thrown) {
      ticket.fail(thrown);
    } finally {
      loaded.unpin();
    }
  }

  /**
   * A row gets a second try, alone: its first may have failed through a mate or a dying worker, and a row's bits allow
   * no other answer.
   */
  #retry(loaded: LoadedVersion<V>, replica: Replica, jobs: readonly Job<V>[], error: unknown): void {
    const died = isLockstepError(error) && (error.code === "WORKER_DIED" || error.code === "SHUTTING_DOWN");
    if (died) this.#keeper.retire(loaded, replica, error.code);
    for (const job of jobs) {
      if (job.ticket.settled) continue;
      if (job.failures > 0 || (!died && jobs.length === 1)) {
        job.ticket.fail(error);
        continue;
      }
      this.#count(job.ticket, 1);
      this.#hooks.count?.("rows_retried", 1);
      loaded.queue.add({ ...job, failures: job.failures + 1 });
      this.#wake();
    }
  }

  #count(ticket: Ticket<V>, rows: number): void {
    ticket.waiting += rows;
    this.#waiting += rows;
  }

  #onSettled(loaded: LoadedVersion<V>, ticket: Ticket<V>, error: unknown): void {
    this.#open.delete(ticket);
    loaded.queue.remove(ticket);
    this.#count(ticket, -ticket.waiting);
    const code = error === null ? null : isLockstepError(error) ? error.code : "INTERNAL";
    this.#hooks.count?.(
      code === null ? "answered" : code === "TIMEOUT" ? "timed_out" : code === "CANCELLED" ? "cancelled" : "failed",
      1,
    );
    if (code === null) this.#hooks.observe?.("total_ms", ticket.age);
    loaded.unpin();
    if (this.#open.size === 0) for (const resolve of this.#drained.splice(0)) resolve();
  }

  async #publishNow(version: V, commit: () => Promise<void>): Promise<void> {
    const begun = this.#clock.elapsed();
    const refuse = (): LockstepError =>
      new LockstepError("SHUTTING_DOWN", `the server is closing: version ${version.name} is not published`, {
        version: version.name,
      });
    if (this.#closing !== null) throw refuse();
    const backends = await openAll(this.#options.replicas, () => this.#options.openReplica(version), this.#hooks);
    const loaded = new LoadedVersion(version, backends, {
      onFree: () => this.#wake(),
      onError: (error) => this.#hooks.onError?.(error),
    });
    this.#loaded.add(loaded);
    void loaded.closed.then(() => this.#loaded.delete(loaded));
    try {
      if (this.#closing !== null) throw refuse();
      await commit();
    } catch (thrown) {
      loaded.supersede();
      await loaded.closed;
      throw thrown;
    }
    if (this.#closing !== null) {
      loaded.supersede(); // it is committed, and nobody is left to answer with it here
      return await loaded.closed;
    }
    const before = this.#current;
    this.#current = loaded; // the swap: the next request pins the new version
    before?.supersede();
    this.#hooks.count?.("published", 1);
    this.#hooks.observe?.("publish_ms", this.#clock.elapsed() - begun);
  }

  async #closeNow(): Promise<void> {
    await this.drain();
    for (const pin of this.#pins.keys()) this.#unpin(pin);
    this.#current?.supersede();
    this.#current = null;
    await this.#publishing;
    this.#ripening?.abort();
    await Promise.all([...this.#loaded].map((loaded) => loaded.closed));
  }

  /** A step at the end of this turn of the event loop, so that requests which came in together go together. */
  #wake(): void {
    if (this.#stepDue) return;
    this.#stepDue = true;
    setImmediate(() => this.#step());
  }

  #stepWhenRipe(): void {
    this.#ripening?.abort();
    const now = this.#clock.elapsed();
    const free = [...this.#loaded].filter((loaded) => loaded.leastLoaded()?.running === 0);
    const due = Math.min(...free.map((loaded) => loaded.queue.dueIn(this.#limits, now)));
    if (due === Infinity) return;
    const ripening = new AbortController();
    this.#ripening = ripening;
    this.#clock.sleep(due, ripening.signal).then(
      () => this.#wake(),
      () => {},
    ); // rejects only when a later step has replaced it
  }
}
