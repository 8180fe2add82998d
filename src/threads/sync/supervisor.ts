/**
 * Who sees that a thread has ended, and says so to everything it may have held. Each thread gets one end of a
 * `MessageChannel`; when the thread ends, in whatever way, Node closes its end, and the other end's `close` arrives
 * here (about 2 ms later). A thread that ends normally while it holds something is a death too.
 *
 *   const supervisor = new Supervisor();                       in a thread whose event loop runs: usually the main
 *                                                              thread
 *   supervisor.protect(mutex, channel);
 *   const port = supervisor.port();
 *   const worker = new Worker(entry, { workerData: { port, mutex: mutex.handle }, transferList: [port] });
 *
 *   joinSupervisor(workerData.port);                           in the worker, before it uses any of them
 *
 * States of a port: given (nobody has joined: its close says nothing) ── its thread's id arrives ──▶ joined ── close
 * ──▶ dead. Messages that a thread sent before it ended arrive before the close does, so a death between two
 * instructions is one of these. `watch(worker)` does the same by the worker's exit event, for whoever made the Worker;
 * watched and joined both is no harm, a death is told once. The supervisor never blocks: `threadDied` of every object
 * is a few atomic operations. The objects that it protects are kept alive until `unprotect`, or until it is disposed
 * of. A protected object learns of a death that came before `protect`, too.
 */
import { MessageChannel, MessagePort, threadId, type Worker } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";
import { callable, checkedThreadId, refused } from "./arguments.ts";
import type { Supervised } from "./owner-died.ts";

export interface ThreadDeath {
  readonly threadId: number;
  /** The protected objects that the dead thread held, or may have held. */
  readonly held: readonly Supervised[];
}

export class Supervisor implements Disposable {
  readonly #protected = new Set<Supervised>();
  readonly #ports = new Set<MessagePort>();
  readonly #dead = new Set<number>();
  readonly #listeners: ((death: ThreadDeath) => void)[] = [];
  #closed = false;

  /** Objects that threads share, as this thread has created or attached them. */
  protect(...objects: readonly Supervised[]): this {
    for (const object of objects) {
      if (typeof (object as Supervised | undefined | null)?.threadDied !== "function")
        throw refused("what a supervisor protects", "an object of this room that knows deaths", object);
      this.#protected.add(object);
      for (const dead of this.#dead) object.threadDied(dead);
    }
    return this;
  }

  unprotect(...objects: readonly Supervised[]): this {
    for (const object of objects) this.#protected.delete(object);
    return this;
  }

  /** Called after every protected object has been told. An error thrown here is uncaught. */
  onDeath(listener: (death: ThreadDeath) => void): this {
    callable("a listener of deaths", listener);
    this.#listeners.push(listener);
    return this;
  }

  /**
   * A port for one thread, to be transferred to it (`transferList`) and given to `joinSupervisor` there. A waiting
   * supervisor does not keep the process alive. Throws SHUTTING_DOWN once disposed of.
   */
  port(): MessagePort {
    if (this.#closed) throw new LockstepError("SHUTTING_DOWN", "this supervisor is disposed of and gives out no ports");
    const { port1: mine, port2: theirs } = new MessageChannel();
    let joined: number | null = null;
    this.#ports.add(mine);
    mine.on("message", (id: unknown) => {
      if (Number.isSafeInteger(id)) joined = id as number;
    });
    mine.once("close", () => {
      if (!this.#ports.delete(mine)) return;
      if (joined !== null) this.threadDied(joined);
    });
    mine.unref();
    return theirs;
  }

  /** For whoever made the Worker: its exit is its death. Returns the supervisor. */
  watch(worker: Worker): this {
    const id = worker.threadId; // −1 once it has ended
    if (id < 0)
      throw new LockstepError(
        "OPTION_INVALID",
        "a worker that has ended cannot be watched any more: watch it when it is made",
      );
    worker.once("exit", () => {
      if (!this.#closed) this.threadDied(id);
    });
    return this;
  }

  /** Tells everybody that this thread has ended; for whoever knows it otherwise. Telling it twice does nothing. */
  threadDied(deadThreadId: number): void {
    checkedThreadId(deadThreadId);
    if (this.#dead.has(deadThreadId)) return;
    this.#dead.add(deadThreadId);
    const held = [...this.#protected].filter((object) => object.threadDied(deadThreadId));
    for (const listener of this.#listeners) listener({ threadId: deadThreadId, held });
  }

  /** Supervises no more: later deaths are not seen. */
  [Symbol.dispose](): void {
    this.#closed = true;
    const ports = [...this.#ports];
    this.#ports.clear();
    for (const port of ports) port.close();
    this.#protected.clear();
    this.#listeners.length = 0;
  }
}

/**
 * In a supervised thread, before it uses what is protected: says who this is, and keeps the port open until the thread
 * ends.
 */
export function joinSupervisor(port: MessagePort): void {
  if (!(port instanceof MessagePort)) throw refused("what joins a supervisor", "a MessagePort of it", port);
  port.postMessage(threadId);
  port.on("message", () => {}); // a started port is not collected while its peer is open
  port.unref();
}
