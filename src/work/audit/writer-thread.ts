/** The writer's thread seen from outside: calls in, results out, and an error for everybody who waits when it dies. */
import { Worker } from "node:worker_threads";
import { decodeError, LockstepError, ownFile } from "../../base/index.ts";
import type { WriterCall, WriterOptions, WriterReply, WriterResults } from "./messages.ts";
import type { Writer } from "./writer-keeper.ts";

interface Pending {
  readonly resolve: (value: WriterResults[WriterCall["kind"]]) => void;
  readonly reject: (reason: unknown) => void;
}

export class WriterThread implements Writer {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly ended: Promise<void>;
  #next = 0;
  #dead: LockstepError | undefined;

  constructor(options: WriterOptions) {
    this.#worker = new Worker(new URL(ownFile(() => import.meta.resolve("#entry/work/audit/writer-worker"))), {
      workerData: options,
      name: "lockstep-audit",
    });
    this.#worker.on("message", (reply: WriterReply) => this.#receive(reply));
    this.#worker.on("error", (error) => this.#die(error));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#worker.on("exit", () => {
      this.#die(undefined);
      resolve();
    });
    // An open log alone keeps no process alive; a call does, until its reply.
    this.#worker.unref();
  }

  async call<C extends WriterCall>(call: C): Promise<WriterResults[C["kind"]]> {
    if (this.#dead !== undefined) throw this.#dead;
    const id = this.#next++;
    const reply = new Promise<WriterResults[WriterCall["kind"]]>((resolve, reject) =>
      this.#pending.set(id, { resolve, reject }),
    );
    this.#worker.ref();
    this.#worker.postMessage({ ...call, id });
    return (await reply) as WriterResults[C["kind"]]; // the worker answers each kind with its own result
  }

  /** SQLite's files are sound at any point, so the thread may be ended wherever it is. */
  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(reply: WriterReply): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    if (reply.ok) pending?.resolve(reply.value);
    else pending?.reject(decodeError(reply.error));
  }

  #die(cause: unknown): void {
    this.#dead ??= new LockstepError(
      "WORKER_DIED",
      "the audit log's writer ended; what it had confirmed is on the disk, and of what it was writing that is not " +
        "known. Another takes its place: try again in a moment",
      {},
      { cause },
    );
    for (const { reject } of this.#pending.values()) reject(this.#dead);
    this.#pending.clear();
  }
}
