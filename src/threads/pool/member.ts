/**
 * The pool's side of one worker thread: its pending requests, and what becomes of them. States:
 *   starting ── ready ──▶ ready ── exit asked ──▶ closing ── exit ──▶ gone
 *       └── failed or exit ──▶ dead ◀── exit, error ──┘   (every pending request fails with the reason)
 * Requests to a starting worker wait in its port. A worker is never terminated; what it has left in native code is
 * released when it has ended.
 */
import { Worker, type Transferable } from "node:worker_threads";
import { decodeError, LockstepError } from "../../base/index.ts";
import { AbortWord } from "../sync/index.ts";
import type { BusyRuns } from "./busy.ts";
import type { FromWorker, Message, PoolWorkerData, ToWorker } from "./protocol.ts";
import type { WorkerScope } from "./scope.ts";

export interface MemberSpec {
  readonly entry: URL;
  readonly name: string;
  readonly index: number;
  readonly size: number;
  readonly busy: BusyRuns;
  readonly data: unknown;
  readonly scope: WorkerScope | undefined;
  /** Whether the thread, when nothing is pending, lets the process end. */
  readonly unref: boolean;
  readonly onEvent: (body: unknown) => void;
  /**
   * Called once, when the thread ended without being asked to, or failed while closing. Pending requests have not
   * failed yet.
   */
  readonly onDeath: (error: LockstepError, wasReady: boolean) => void;
}

interface Pending {
  /** Told to stop. */
  cancelled: boolean;
  readonly resolve: (body: Message) => void;
  readonly reject: (error: unknown) => void;
}

export class Member {
  readonly threadId: number;
  /** Settles when the worker is set up, or could not be. */
  readonly ready: Promise<void>;
  /** Resolves when the thread has ended, with the reason if it was not a clean end. */
  readonly exited: Promise<LockstepError | null>;
  readonly #spec: MemberSpec;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #state: "starting" | "ready" | "closing" | "dead" = "starting";
  #error: LockstepError | null = null;
  #nextId = 0;
  #settleReady: { resolve: () => void; reject: (error: LockstepError) => void };
  #idle: (() => void)[] = [];

  constructor(spec: MemberSpec) {
    this.#spec = spec;
    const { entry, name, index, size, busy, data, scope } = spec;
    const workerData: PoolWorkerData = {
      lockstepPool: { name, index, size, busy: busy.handle, data, scope: scope?.handle },
    };
    this.#worker = new Worker(entry, { name: `${name}-${index}`, workerData });
    this.threadId = this.#worker.threadId;
    const ready = Promise.withResolvers<void>();
    this.#settleReady = ready;
    this.ready = ready.promise;
    ready.promise.catch(() => {}); // whoever awaits `ready` is told; nobody has to
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("messageerror", (error) =>
      this.#fail(
        new LockstepError("INTERNAL", `a message of the worker "${name}" could not be read: ${error.message}`),
      ),
    );
    this.#worker.on("error", (error) => {
      this.#error ??= new LockstepError(
        "WORKER_DIED",
        `the worker "${name}" (${index}) failed: ${error instanceof Error ? error.message : String(error)}`,
        { worker: index, pool: name },
        { cause: error },
      );
    });
    this.exited = new Promise((resolve) => {
      this.#worker.once("exit", (code) => resolve(this.#onExit(code)));
    });
  }

  get pending(): number {
    return this.#pending.size;
  }

  get alive(): boolean {
    return this.#state === "starting" || this.#state === "ready";
  }

  request(body: Message, transfer: readonly Transferable[], signal: AbortSignal | undefined): Promise<Message> {
    if (signal?.aborted)
      return Promise.reject(
        new LockstepError("CANCELLED", "the request was cancelled before it was sent", {}, { cause: signal.reason }),
      );
    if (!this.alive) return Promise.reject(this.#error ?? this.#gone());
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const abort = signal === undefined || this.#spec.scope === undefined ? undefined : AbortWord.create();
    const onAbort = (): void => {
      // In this order: whoever finds its run ended looks at the word.
      abort?.abort("CANCELLED");
      this.#post({ kind: "cancel", id });
      const pending = this.#pending.get(id);
      if (pending !== undefined && abort !== undefined) pending.cancelled = true;
      this.#interruptFirst();
    };
    const settle = (): void => {
      signal?.removeEventListener("abort", onAbort);
      this.#pending.delete(id);
      this.#interruptFirst();
      this.#onIdle();
    };
    // throws here if the body cannot be cloned: nothing is pending then
    this.#post({ kind: "request", id, body, ...(abort === undefined ? {} : { abort: abort.handle }) }, transfer);
    this.#pending.set(id, {
      cancelled: false,
      resolve: (reply) => {
        settle();
        resolve(reply);
      },
      reject: (error) => {
        settle();
        reject(error);
      },
    });
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#worker.ref();
    return promise;
  }

  /** Resolves when nothing is pending. */
  async idle(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Asks the worker to end by itself. It keeps the process alive until it has. */
  askToExit(): void {
    if (!this.alive) return;
    this.#state = "closing";
    this.#worker.ref();
    this.#post({ kind: "exit" });
  }

  /** Ends the native run that the worker is in. */
  interrupt(): void {
    if (this.#state !== "dead") this.#spec.scope?.interrupt();
  }

  /**
   * Requests are answered in order, so the first one that is unanswered is under way. Should its answer be on the way
   * already, the next request's run is ended in its place, finds that it was not meant, and runs again.
   */
  #interruptFirst(): void {
    const [first] = this.#pending.values();
    if (first?.cancelled === true) this.interrupt();
  }

  #post(message: ToWorker, transfer: readonly Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        if (this.#state === "starting") this.#state = "ready";
        this.#settleReady.resolve();
        return this.#onIdle();
      case "failed":
        this.#error = decodeError(message.error);
        return;
      case "reply":
        return this.#pending.get(message.id)?.resolve(message.body);
      case "failure":
        return this.#pending.get(message.id)?.reject(decodeError(message.error));
      case "event":
        return this.#spec.onEvent(message.body);
    }
  }

  #onExit(code: number): LockstepError | null {
    const { busy, index } = this.#spec;
    busy.clear(index);
    this.#spec.scope?.release();
    const asked = this.#state === "closing";
    const wasReady = this.#state !== "starting";
    this.#state = "dead";
    const clean = asked && this.#error === null && this.#pending.size === 0;
    if (clean) {
      this.#settleReady.resolve();
      return null;
    }
    this.#error ??= this.#gone(code);
    this.#spec.onDeath(this.#error, wasReady);
    this.#settleReady.reject(this.#error);
    this.#fail(this.#error);
    return this.#error;
  }

  #gone(code?: number): LockstepError {
    const { name, index } = this.#spec;
    return code === undefined
      ? new LockstepError("SHUTTING_DOWN", `the worker "${name}" (${index}) is closing or has ended`, {
          worker: index,
          pool: name,
        })
      : new LockstepError("WORKER_DIED", `the worker "${name}" (${index}) ended unasked with code ${code}`, {
          worker: index,
          pool: name,
          exitCode: code,
        });
  }

  #fail(error: LockstepError): void {
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }

  #onIdle(): void {
    if (this.#pending.size > 0) return;
    if (this.#spec.unref && this.#state === "ready") this.#worker.unref();
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
