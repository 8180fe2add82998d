/**
 * A tokenizer that cannot be trusted to come back: it runs in a worker thread, every call has a time limit, and on
 * time-out the worker is terminated (7 ms, also inside a regular expression). `checkTokenizer` is the quick judgement
 * before a folder is accepted.
 */
import { Worker } from "node:worker_threads";
import { LockstepError, decodeError, parseOptions } from "../../base/index.ts";
import { z } from "zod";
import { checkText } from "./input.ts";
import { DEFAULT_MAX_LENGTH, loadTokenizer } from "./load.ts";
import type { FromWorker, ToWorker, WorkerStart } from "./messages.ts";
import { findUnbounded, parseTokenizerJson } from "./schema.ts";
import type { EncodeOptions, Encoded, SpecialIds, TokenizerSource } from "./types.ts";

const isolateOptions = z.strictObject({
  /** Longest encoding in tokens. */
  maxLength: z
    .int()
    .min(5)
    .max(1 << 20)
    .default(DEFAULT_MAX_LENGTH),
  /** Milliseconds that one text, the building or the probe may take. */
  timeoutMs: z.int().min(1).max(600_000).default(2_000),
});
export type IsolateOptions = z.input<typeof isolateOptions>;

export interface IsolatedTokenizer extends AsyncDisposable {
  readonly vocabSize: number;
  readonly special: SpecialIds;
  /**
   * As `Tokenizer.encode`; TOKENIZER_INVALID when the text takes longer than `timeoutMs`. Calls are answered one after
   * another.
   */
  encode(text: string, options?: EncodeOptions): Promise<Encoded>;
  close(): Promise<void>;
}

/** V8 limits of the worker: a tokenizer of 64 MiB fits several times over. */
const MEMORY = { maxOldGenerationSizeMb: 1024, stackSizeMb: 4 };

/**
 * Resolves with how the tokenizer may be run: "thread" by `loadTokenizer`, "isolated" only by `openIsolatedTokenizer`.
 * Rejects with TOKENIZER_INVALID when it is damaged, or does not come to an end on a probe text within `timeoutMs`.
 */
export async function checkTokenizer(
  source: TokenizerSource,
  options: IsolateOptions = {},
): Promise<"thread" | "isolated"> {
  const settled = parseOptions(isolateOptions, options, "the options of checkTokenizer");
  if (findUnbounded(parseTokenizerJson(source.tokenizerJson)) === undefined) {
    loadTokenizer(source, { maxLength: settled.maxLength });
    return "thread";
  }
  const thread = new TokenizerThread(source, settled.maxLength, settled.timeoutMs);
  try {
    await thread.ready();
    await thread.ask((id) => ({ kind: "probe", id }), "a probe text");
    return "isolated";
  } finally {
    await thread.stop();
  }
}

/**
 * Opens any tokenizer in a worker of its own. Rejects with TOKENIZER_INVALID when it cannot be built within
 * `timeoutMs`.
 */
export async function openIsolatedTokenizer(
  source: TokenizerSource,
  options: IsolateOptions = {},
): Promise<IsolatedTokenizer> {
  const { maxLength, timeoutMs } = parseOptions(isolateOptions, options, "the options of openIsolatedTokenizer");
  parseTokenizerJson(source.tokenizerJson);
  const start = (): TokenizerThread => new TokenizerThread(source, maxLength, timeoutMs);
  let thread = start();
  let closed = false;
  let last: Promise<unknown> = Promise.resolve();
  const facts = await thread.ready();
  const encode = async (text: string, encodeOptions: EncodeOptions): Promise<Encoded> => {
    if (closed) throw new LockstepError("CANCELLED", "this tokenizer is closed");
    // One that was stopped on an earlier text is built again: its expressions may do well on this one.
    if (thread.stopped) thread = start();
    await thread.ready();
    const answer = await thread.ask(
      (id) => ({ kind: "encode", id, text, options: encodeOptions }),
      `a text of ${text.length} characters`,
    );
    if (answer.kind !== "encoded")
      throw new LockstepError("INTERNAL", `the tokenizer's worker answered ${answer.kind}`);
    return answer.encoded;
  };
  const close = async (): Promise<void> => {
    closed = true;
    await thread.stop();
  };
  return {
    ...facts,
    encode: (text, encodeOptions = {}) => {
      checkText(text);
      const result = last.then(() => encode(text, encodeOptions));
      last = result.catch(() => undefined); // The caller gets the error; the next call only waits.
      return result;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Waiting {
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** One worker and the questions it has not answered yet. Question -1 is "are you built?". */
class TokenizerThread {
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<FromWorker>;
  #next = 0;
  #stopping: Promise<unknown> | undefined;

  constructor(source: TokenizerSource, maxLength: number, timeoutMs: number) {
    const workerData: WorkerStart = { source, maxLength };
    this.#timeoutMs = timeoutMs;
    this.#worker = new Worker(new URL(import.meta.resolve("#entry/language/text/probe-worker")), {
      workerData,
      resourceLimits: MEMORY,
      stdin: false,
    });
    this.#worker.on("message", (message: FromWorker) => this.#settle(message));
    this.#worker.on("error", (error) =>
      this.#fail(
        new LockstepError(
          "TOKENIZER_INVALID",
          "tokenizer.json cannot be used: its worker ended with " +
            (error instanceof Error ? error.message : String(error)),
          {},
          { cause: error },
        ),
      ),
    );
    this.#worker.on("exit", () => this.#fail(new LockstepError("CANCELLED", "this tokenizer was closed")));
    // Starting a thread and loading the modules is not the tokenizer's fault, so it has ten seconds more.
    this.#ready = this.#wait(-1, timeoutMs + 10_000, "its own file");
    this.#ready.catch(() => undefined); // Seen by whoever calls ready().
  }

  get stopped(): boolean {
    return this.#stopping !== undefined;
  }

  async ready(): Promise<{ vocabSize: number; special: SpecialIds }> {
    const message = await this.#ready;
    if (message.kind !== "ready")
      throw new LockstepError("INTERNAL", `the tokenizer's worker answered ${message.kind}`);
    return { vocabSize: message.vocabSize, special: message.special };
  }

  ask(question: (id: number) => ToWorker, what: string): Promise<FromWorker> {
    const id = this.#next++;
    const answer = this.#wait(id, this.#timeoutMs, what);
    this.#worker.postMessage(question(id));
    return answer;
  }

  async stop(): Promise<void> {
    this.#stopping ??= this.#worker.terminate();
    await this.#stopping;
  }

  #wait(id: number, ms: number, what: string): Promise<FromWorker> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(
          new LockstepError(
            "TOKENIZER_INVALID",
            `tokenizer.json cannot be used: it did not finish ${what} within ${ms} ms; a regular expression in ` +
              "it probably backtracks without end",
            { timeoutMs: ms },
          ),
        );
      }, ms);
      this.#waiting.set(id, { resolve, reject, timer });
    });
  }

  #settle(message: FromWorker): void {
    const id = message.kind === "ready" ? -1 : message.id;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (message.kind === "failed") waiting.reject(decodeError(message.error));
    else waiting.resolve(message);
  }

  #fail(error: Error): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
    this.#stopping ??= this.#worker.terminate();
  }
}
