/**
 * A fixed number of worker threads that answer typed requests. The caller names the entry module and decides who gets
 * what; the pool starts, supervises and ends the threads. It never terminates one: `close` waits for what runs, then
 * each worker ends by itself, and the process's own `exit` waits (blocking, within a limit) for native runs, so that it
 * keeps its exit code (see busy.ts).
 */
import type { Transferable } from "node:worker_threads";
import { LockstepError, toLockstepError } from "../../base/index.ts";
import { BusyRuns } from "./busy.ts";
import { Member } from "./member.ts";
import type { Message, OfKind } from "./protocol.ts";
import type { WorkerScope } from "./scope.ts";

export interface PoolOptions<Event> {
  /** The module that calls `serveWorker`, resolved by the caller: `import.meta.resolve("#entry/…")`. */
  readonly entry: URL | string;
  /** How many threads, at least 1. */
  readonly size: number;
  /** For thread names and messages. */
  readonly name: string;
  /** Handed to every worker as its context's `data`; shared buffers stay shared. @default undefined */
  readonly workerData?: unknown;
  /** One-way messages of a worker, in its order. An error thrown here is uncaught. */
  readonly onEvent?: (worker: number, event: Event) => void;
  /**
   * A worker ended unasked. Called before its pending requests fail, so that its peers can be woken first (abort their
   * barrier). A mutex's `threadDied` wants the `threadId`.
   */
  readonly onDeath?: (death: Death) => void;
  /** Start another in its place, if it had got ready before. @default false */
  readonly respawn?: boolean;
  /** Idle workers let the process end. @default false */
  readonly unref?: boolean;
  /**
   * Makes what a worker has in native code; called for each one. With it a cancelled request's run is ended, and so are
   * all runs when the process exits. @default runs are waited for
   */
  readonly scope?: (() => WorkerScope) | undefined;
  /** How long a process exit waits for native runs that it cannot end, in milliseconds. @default 60_000 */
  readonly exitTimeoutMs?: number;
}

export interface Death {
  readonly worker: number;
  readonly threadId: number;
  readonly error: LockstepError;
  readonly respawned: boolean;
}

export interface RequestOptions {
  /** Buffers to move instead of copying. */
  readonly transfer?: readonly Transferable[];
  /** Cancels the request. The promise settles only once the worker has let go, so the request's memory is free then. */
  readonly signal?: AbortSignal;
}

export interface Pool<Req extends Message, Res extends Message> extends AsyncDisposable {
  readonly name: string;
  readonly size: number;
  /** Resolves when every worker is set up; rejects with the first one's error that could not be. */
  ready(): Promise<void>;
  /** Throws WORKER_DIED, SHUTTING_DOWN, CANCELLED, or whatever the handler threw. */
  request<Kind extends Req["kind"]>(
    worker: number,
    message: OfKind<Req, Kind>,
    options?: RequestOptions,
  ): Promise<OfKind<Res, Kind & Res["kind"]>>;
  /** The same to every worker. Waits for all, also when one fails, and throws the first failure in order of time. */
  broadcast<Kind extends Req["kind"]>(
    message: OfKind<Req, Kind>,
    options?: RequestOptions,
  ): Promise<OfKind<Res, Kind & Res["kind"]>[]>;
  /** How many requests of a worker are unanswered. */
  pending(worker: number): number;
  alive(worker: number): boolean;
  threadId(worker: number): number;
  /** Resolves when nothing is pending anywhere. New requests are still taken. */
  drain(): Promise<void>;
  /**
   * Takes no more requests, lets the pending ones finish, then ends every worker. Idempotent. Throws if a worker failed
   * to close.
   */
  close(): Promise<void>;
}

export function createPool<Req extends Message, Res extends Message, Event = never>(
  options: PoolOptions<Event>,
): Pool<Req, Res> {
  const { size, name } = options;
  if (!Number.isSafeInteger(size) || size < 1)
    throw new LockstepError("OPTION_INVALID", `the pool "${name}" needs at least one worker, not ${size}`, { size });
  const entry = typeof options.entry === "string" ? new URL(options.entry) : options.entry;
  return new ThreadPool<Req, Res, Event>({ ...options, entry });
}

class ThreadPool<Req extends Message, Res extends Message, Event> implements Pool<Req, Res> {
  readonly name: string;
  readonly size: number;
  readonly #options: PoolOptions<Event> & { readonly entry: URL };
  readonly #busy: BusyRuns;
  readonly #members: Member[];
  readonly #onExit: () => void;
  #closed: Promise<void> | null = null;

  constructor(options: PoolOptions<Event> & { readonly entry: URL }) {
    this.name = options.name;
    this.size = options.size;
    this.#options = options;
    this.#busy = BusyRuns.create(options.size);
    this.#onExit = () => {
      if (options.scope === undefined) this.#busy.stopAndWait(options.exitTimeoutMs ?? 60_000);
      else this.#busy.stop();
      for (const member of this.#members) member.interrupt();
    };
    // each pool has one, for as long as it lives: no leak to warn about
    process.setMaxListeners(process.getMaxListeners() + 1);
    process.on("exit", this.#onExit);
    this.#members = Array.from({ length: options.size }, (_, index) => this.#spawn(index));
  }

  async ready(): Promise<void> {
    await Promise.all(this.#members.map((member) => member.ready));
  }

  async request<Kind extends Req["kind"]>(
    worker: number,
    message: OfKind<Req, Kind>,
    options: RequestOptions = {},
  ): Promise<OfKind<Res, Kind & Res["kind"]>> {
    if (this.#closed !== null)
      throw new LockstepError("SHUTTING_DOWN", `the pool "${this.name}" is closing and takes no requests`, {
        pool: this.name,
      });
    const reply = await this.#member(worker).request(message, options.transfer ?? [], options.signal);
    return reply as OfKind<Res, Kind & Res["kind"]>;
  }

  async broadcast<Kind extends Req["kind"]>(
    message: OfKind<Req, Kind>,
    options: RequestOptions = {},
  ): Promise<OfKind<Res, Kind & Res["kind"]>[]> {
    const failures: LockstepError[] = [];
    const replies = await Promise.all(
      this.#members.map(async (_, worker) => {
        try {
          return await this.request(worker, message, options);
        } catch (thrown) {
          failures.push(toLockstepError(thrown));
          return null;
        }
      }),
    );
    const first = failures[0];
    if (first !== undefined) throw first;
    return replies.filter((reply) => reply !== null);
  }

  pending(worker: number): number {
    return this.#member(worker).pending;
  }

  alive(worker: number): boolean {
    return this.#member(worker).alive;
  }

  threadId(worker: number): number {
    return this.#member(worker).threadId;
  }

  async drain(): Promise<void> {
    while (this.#members.some((member) => member.pending > 0))
      await Promise.all(this.#members.map((member) => member.idle()));
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    // their deaths were reported when they happened
    const dead = new Set(this.#members.filter((member) => !member.alive));
    await this.drain();
    for (const member of this.#members) member.askToExit();
    const ends = await Promise.all(
      this.#members.map(async (member) => (dead.has(member) ? null : await member.exited)),
    );
    process.off("exit", this.#onExit);
    process.setMaxListeners(process.getMaxListeners() - 1);
    const failed = ends.find((end) => end !== null);
    if (failed !== undefined) throw failed;
  }

  #member(worker: number): Member {
    const member = this.#members[worker];
    if (member === undefined)
      throw new LockstepError("INTERNAL", `the pool "${this.name}" has workers 0 to ${this.size - 1}, not ${worker}`, {
        worker,
        size: this.size,
      });
    return member;
  }

  #spawn(index: number): Member {
    const { entry, name, size, workerData, onEvent, onDeath, respawn = false, unref = false, scope } = this.#options;
    const member: Member = new Member({
      entry,
      name,
      index,
      size,
      busy: this.#busy,
      data: workerData,
      scope: scope?.(),
      unref,
      onEvent: (body) => onEvent?.(index, body as Event),
      onDeath: (error, wasReady) => {
        const respawned = respawn && wasReady && this.#closed === null;
        if (respawned) this.#members[index] = this.#spawn(index);
        onDeath?.({ worker: index, threadId: member.threadId, error, respawned });
      },
    });
    return member;
  }
}
