/**
 * Renders chat templates on a thread of its own, one after the other. A template is a stranger's program: its steps and
 * its texts are counted (jinja.ts), and what counting cannot see, one long step or a heap that fills, ends with the
 * thread. The thread begins with the first template and ends when nothing was asked for a while.
 */
import { Worker } from "node:worker_threads";
import { LockstepError, ownFile } from "../../base/index.ts";
import { MAX_TEXT_LENGTH } from "./input.ts";
import type { ChatLimits, Rendered, RenderTask } from "./jinja.ts";

/** An ordinary template takes some hundred steps a message. */
export const CHAT_LIMITS: ChatLimits = { steps: 500_000, depth: 1000, length: MAX_TEXT_LENGTH };
/** Only where steps do not tell: far above what they allow. */
const MOST_MS = 20_000;
const MOST_HEAP_MB = 256;
const IDLE_MS = 3000;

export class ChatRenderer {
  readonly #mostMs: number;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** `mostMs`: how long one template may take, the thread's start included. */
  constructor(mostMs = MOST_MS) {
    this.#mostMs = mostMs;
  }

  /** Throws INPUT_INVALID with the template's own words, or TOKENIZER_INVALID where it is wrong or without bound. */
  async render(task: RenderTask): Promise<string> {
    const turn = this.#last.then(() => this.#render(task));
    this.#last = turn.catch(() => undefined);
    const rendered = await turn;
    switch (rendered.kind) {
      case "text":
        return rendered.text;
      case "refused":
        throw new LockstepError("INPUT_INVALID", `the chat template refuses these messages: ${rendered.message}`);
      case "bound":
        throw wrongTemplate(`without bound for these messages: ${rendered.message}`);
      case "failed":
        throw wrongTemplate(`wrong: ${rendered.message}`);
    }
  }

  async #render(task: RenderTask): Promise<Rendered> {
    clearTimeout(this.#idle);
    const worker = (this.#worker ??= start());
    worker.ref();
    const { promise, resolve } = Promise.withResolvers<Rendered>();
    const bound = { kind: "bound", message: `it takes more than ${this.#mostMs} ms or ${MOST_HEAP_MB} MB` } as const;
    let alive = true;
    const end = (rendered: Rendered): void => {
      alive = false;
      resolve(rendered);
    };
    const exited = (): void => end(bound);
    const broken = (error: Error & { readonly code?: string }): void =>
      end(error.code === "ERR_WORKER_OUT_OF_MEMORY" ? bound : { kind: "failed", message: error.message });
    worker.once("message", resolve).once("error", broken).once("exit", exited);
    const timer = setTimeout(exited, this.#mostMs);
    worker.postMessage(task);
    const rendered = await promise;
    clearTimeout(timer);
    worker.off("message", resolve).off("error", broken).off("exit", exited);
    if (!alive) {
      this.#worker = undefined;
      await worker.terminate(); // It runs JavaScript only, so it can be stopped at any time.
      return rendered;
    }
    worker.unref();
    this.#idle = setTimeout(() => {
      this.#worker = undefined;
      void worker.terminate();
    }, IDLE_MS).unref();
    return rendered;
  }
}

function start(): Worker {
  const worker = new Worker(new URL(ownFile(() => import.meta.resolve("#entry/language/text/chat-worker"))), {
    workerData: CHAT_LIMITS,
    resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB, maxYoungGenerationSizeMb: 32 },
  });
  // An error while nobody waits ends the thread; the next template starts another.
  worker.on("error", () => undefined);
  return worker;
}

const wrongTemplate = (what: string): LockstepError =>
  new LockstepError("TOKENIZER_INVALID", `the chat template is ${what}`);
