/** The near end of lock-thread.ts. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { AbortWord, Mutex, Supervisor } from "../../src/threads/sync/index.ts";
import type { Answer, Command, ThreadData } from "./lock-thread.ts";

export class Remote {
  readonly worker: Worker;
  /**
   * Answers come in the order of the commands: a thread does one at a time, unless it is told to wait asynchronously.
   */
  readonly #open: ((answer: Answer) => void)[] = [];

  constructor(mutexes: readonly Mutex[], extra: { readonly supervisor?: Supervisor; readonly abort?: AbortWord } = {}) {
    const port = extra.supervisor?.port();
    const workerData: ThreadData = {
      mutexes: mutexes.map((mutex) => mutex.handle),
      ...(extra.abort === undefined ? {} : { abort: extra.abort.handle }),
      ...(port === undefined ? {} : { supervisor: port }),
    };
    this.worker = new Worker(new URL("./lock-thread.ts", import.meta.url), {
      workerData,
      transferList: port === undefined ? [] : [port],
    });
    this.worker.on("message", (answer: Answer) => this.#open.shift()!(answer));
  }

  tell(command: Command): Promise<Answer> {
    return new Promise((resolve) => {
      this.#open.push(resolve);
      this.worker.postMessage(command);
    });
  }

  /** It ends by itself, normally. */
  async end(): Promise<void> {
    const exited = once(this.worker, "exit");
    this.worker.postMessage({ do: "end" } satisfies Command);
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.worker.terminate();
  }
}
