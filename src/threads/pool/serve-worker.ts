/**
 * The worker's side of a pool: handlers by kind of request. Requests are handled one after another, in the order they
 * came, since a session allows one run at a time; cancelling reaches a waiting or a running one. A worker ends only by
 * itself, between two requests.
 */
import { parentPort, workerData, type MessagePort, type Transferable } from "node:worker_threads";
import { encodeError, invariant, LockstepError } from "../../base/index.ts";
import { AbortWord, type AbortHandle } from "../sync/index.ts";
import { BusyRuns } from "./busy.ts";
import { runsBelongTo } from "./mark-busy.ts";
import {
  isPoolWorkerData,
  type FromWorker,
  type Message,
  type OfKind,
  type PoolWorkerData,
  type ToWorker,
} from "./protocol.ts";

export interface WorkerContext<Event = never> {
  readonly name: string;
  /** This worker's place in the pool, from 0. */
  readonly index: number;
  readonly size: number;
  /** The pool's `workerData`. */
  readonly data: unknown;
  /** Of this thread; see PoolOptions.scope. For the executor that runs here. */
  readonly scope: unknown;
  /** Sends a one-way message to the pool's `onEvent`. */
  emit(event: Event): void;
}

export interface RequestContext {
  /**
   * Aborted when the caller cancels. It is the handler's to look at; a request that has not begun is dropped by itself.
   */
  readonly signal: AbortSignal;
}

export type Handlers<Req extends Message, Res extends Message> = {
  readonly [Kind in Req["kind"]]: (
    request: OfKind<Req, Kind>,
    context: RequestContext,
  ) => Answer<OfKind<Res, Kind & Res["kind"]>> | Promise<Answer<OfKind<Res, Kind & Res["kind"]>>>;
};

export interface WorkerOptions {
  /** Releases what the worker holds (sessions), after the last request and before it ends. */
  readonly onClose?: () => void | Promise<void>;
}

type Answer<Reply> = Reply | Transferred<Reply>;

/** A reply whose buffers are moved, not copied. */
export class Transferred<Reply> {
  readonly reply: Reply;
  readonly list: readonly Transferable[];

  constructor(reply: Reply, list: readonly Transferable[]) {
    this.reply = reply;
    this.list = list;
  }
}

/**
 * Called once by a pool's entry module. `setUp` makes the handlers (load a session, attach memory); the pool's
 * `ready()` waits for it, and rejects with its error. May give `[handlers, options]` to release things at the end.
 */
export async function serveWorker<Req extends Message, Res extends Message, Event = never>(
  setUp: (
    context: WorkerContext<Event>,
  ) =>
    | Handlers<Req, Res>
    | readonly [Handlers<Req, Res>, WorkerOptions]
    | Promise<Handlers<Req, Res> | readonly [Handlers<Req, Res>, WorkerOptions]>,
): Promise<void> {
  const port = parentPort;
  const own: unknown = workerData;
  invariant(port !== null && isPoolWorkerData(own), "serveWorker runs in a worker that a pool has started");
  const { name, index, size, data, scope } = own.lockstepPool;
  const busy = BusyRuns.attach(own.lockstepPool.busy);
  process.once("exit", () => busy.clear(index));
  port.ref(); // set-up may await something that keeps no event loop alive
  const post = (message: FromWorker, list?: readonly Transferable[]): void => port.postMessage(message, list ?? []);
  try {
    const made = await setUp({ name, index, size, data, scope, emit: (body) => post({ kind: "event", body }) });
    const [handlers, options]: readonly [Handlers<Req, Res>, WorkerOptions] = isPair(made) ? made : [made, {}];
    new WorkerLoop<Req, Res>(port, own, handlers, options, post);
    post({ kind: "ready" });
  } catch (thrown) {
    post({ kind: "failed", error: encodeError(thrown) });
    leave(port, own);
  }
}

/**
 * Lets go of the port so that the thread ends by itself; if something still holds its loop a second later, it exits,
 * when idle.
 */
function leave(port: MessagePort, { lockstepPool: { busy, index } }: PoolWorkerData): void {
  port.close();
  const runs = BusyRuns.attach(busy);
  setInterval(() => {
    if (runs.count(index) === 0) process.exit(0);
  }, 1000).unref();
}

function isPair<A, B extends object>(value: A | readonly [A, B]): value is readonly [A, B] {
  return Array.isArray(value);
}

interface Waiting<Req> {
  readonly id: number;
  readonly body: Req;
  readonly abort: AbortHandle | undefined;
  readonly controller: AbortController;
}

class WorkerLoop<Req extends Message, Res extends Message> {
  readonly #port: MessagePort;
  readonly #own: PoolWorkerData;
  readonly #handlers: Handlers<Req, Res>;
  readonly #options: WorkerOptions;
  readonly #post: (message: FromWorker, list?: readonly Transferable[]) => void;
  readonly #waiting: Waiting<Req>[] = [];
  #current: Waiting<Req> | null = null;
  #exiting = false;

  constructor(
    port: MessagePort,
    own: PoolWorkerData,
    handlers: Handlers<Req, Res>,
    options: WorkerOptions,
    post: (message: FromWorker, list?: readonly Transferable[]) => void,
  ) {
    this.#port = port;
    this.#own = own;
    this.#handlers = handlers;
    this.#options = options;
    this.#post = post;
    port.on("message", (message: ToWorker) => this.#receive(message));
  }

  #receive(message: ToWorker): void {
    switch (message.kind) {
      case "request":
        this.#waiting.push({
          id: message.id,
          body: message.body as Req,
          abort: message.abort,
          controller: new AbortController(),
        });
        return this.#pump();
      case "cancel":
        return this.#cancel(message.id);
      case "exit":
        this.#exiting = true;
        return this.#pump();
    }
  }

  /** Starts the next thing, if nothing is running. */
  #pump(): void {
    if (this.#current !== null) return;
    const next = this.#waiting.shift();
    if (next !== undefined) {
      this.#current = next;
      void this.#handle(next).then(() => {
        this.#current = null;
        this.#pump();
      });
    } else if (this.#exiting) {
      this.#exiting = false;
      void this.#end();
    }
  }

  /** Never rejects: what a handler throws, and a reply that cannot be sent, are the request's failure. */
  async #handle({ id, body, abort, controller }: Waiting<Req>): Promise<void> {
    runsBelongTo(abort === undefined ? null : AbortWord.attach(abort));
    try {
      const handler = this.#handlers[body.kind as Req["kind"]] as
        ((request: Req, context: RequestContext) => unknown) | undefined;
      if (handler === undefined)
        throw new LockstepError(
          "INTERNAL",
          `the worker "${this.#own.lockstepPool.name}" has no handler for requests of kind "${body.kind}"`,
          { kind: body.kind },
        );
      const answer = await handler(body, { signal: controller.signal });
      if (answer instanceof Transferred) this.#post({ kind: "reply", id, body: answer.reply as Message }, answer.list);
      else this.#post({ kind: "reply", id, body: answer as Message });
    } catch (thrown) {
      this.#post({ kind: "failure", id, error: encodeError(thrown) });
    } finally {
      runsBelongTo(null);
    }
  }

  #cancel(id: number): void {
    if (this.#current?.id === id) return this.#current.controller.abort();
    const at = this.#waiting.findIndex((waiting) => waiting.id === id);
    if (at < 0) return; // answered meanwhile: the reply is on its way
    this.#waiting.splice(at, 1);
    this.#post({
      kind: "failure",
      id,
      error: encodeError(new LockstepError("CANCELLED", "the request was cancelled before it began")),
    });
  }

  async #end(): Promise<void> {
    try {
      await this.#options.onClose?.();
    } catch (thrown) {
      this.#post({ kind: "failed", error: encodeError(thrown) });
    }
    leave(this.#port, this.#own);
  }
}
