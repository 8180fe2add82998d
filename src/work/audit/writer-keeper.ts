/**
 * Keeps the log's writing thread there. One that dies (out of memory, a fault in native code) is replaced: the log is
 * verified as a whole again, it has to have everything that was confirmed, and only then is anything added to it.
 *
 *   writing ── dies ──▶ gone ── at once, later after a pause ──▶ opening ──▶ writing
 *                        ▲                                          ├─ the disk, a lock ─▶ gone, a longer pause
 *                        └──────────────────────────────────────────┘
 *   opening ── it is not the log that it was ─▶ lost, for good: people have to look
 *
 * While there is no writer, calls are refused, and say when to try again: nothing waits for a log that may never come.
 * After the first try, which is made at once, a call that comes when the pause is over makes the next.
 */
import { LockstepError, toLockstepError, type Clock, type ErrorCode } from "../../base/index.ts";
import type { Known, LogStatus, WriterCall, WriterResults } from "./messages.ts";
import type { Receipt } from "./receipt.ts";

/** Between tries: doubled each time, until something has been written again. */
const MIN_PAUSE_MS = 500;
const MAX_PAUSE_MS = 30_000;

/** A log that is not what was written, or not this key's: no later try makes that right. */
const FOR_GOOD: ReadonlySet<ErrorCode> = new Set(["LOG_CORRUPT", "FORBIDDEN"]);

/** A writing thread. A call is rejected with WORKER_DIED once it is dead. */
export interface Writer {
  call<C extends WriterCall>(call: C): Promise<WriterResults[C["kind"]]>;
  /** Resolves when the thread has ended, and what it had open is closed. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Starts a thread; the log it opens must have what is known. */
export type StartWriter = (known: Known | undefined) => Writer;

export class WriterKeeper {
  readonly #start: StartWriter;
  readonly #clock: Clock;
  readonly #path: string;
  #writer: Writer | undefined;
  #opening: Promise<void> | undefined;
  /** What was confirmed last. */
  #known: Known;
  /** Why there is no writer. */
  #why: LockstepError | undefined;
  #lost: LockstepError | undefined;
  #retry = { at: 0, pauseMs: 0 };
  #stopped = false;

  private constructor(path: string, start: StartWriter, clock: Clock, writer: Writer, { count, head }: LogStatus) {
    this.#path = path;
    this.#start = start;
    this.#clock = clock;
    this.#known = { count, head };
    this.#take(writer);
  }

  /** @throws what opening the log throws */
  static async open(
    path: string,
    start: StartWriter,
    clock: Clock,
  ): Promise<{ readonly keeper: WriterKeeper; readonly status: LogStatus }> {
    const { writer, status } = await opened(start(undefined));
    return { keeper: new WriterKeeper(path, start, clock, writer, status), status };
  }

  /** WORKER_DIED: there is no writer now, or it died meanwhile; LOG_CORRUPT, FORBIDDEN: there will be none. */
  async call<C extends WriterCall>(call: C): Promise<WriterResults[C["kind"]]> {
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#writer === undefined) {
      if (!this.#stopped && this.#clock.elapsed() >= this.#retry.at) void this.#reopen();
      throw this.#away();
    }
    const result = await this.#writer.call(call);
    if (call.kind === "append") this.#wrote((result as WriterResults["append"]).at(-1));
    if (call.kind === "check") this.#wrote(undefined);
    return result;
  }

  /** Closes the log; where its writer is gone, it is opened once more for that. Then the thread ends. */
  async close(): Promise<void> {
    try {
      await this.#opening;
      if (this.#writer === undefined && this.#lost === undefined) await this.#reopen();
      this.#stopped = true;
      await this.call({ kind: "close" });
    } finally {
      this.#stopped = true;
      await this.#writer?.stop();
    }
  }

  #take(writer: Writer): void {
    this.#writer = writer;
    void writer.ended.then(() => {
      this.#writer = undefined;
      if (this.#stopped) return;
      this.#why = undefined;
      const { pauseMs } = this.#retry;
      this.#pause();
      if (pauseMs === 0) void this.#reopen();
    });
  }

  #reopen(): Promise<void> {
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  /** Never rejects: why there is still no writer is what calls are told. */
  async #open(): Promise<void> {
    try {
      this.#take((await opened(this.#start(this.#known))).writer);
    } catch (thrown) {
      const error = toLockstepError(thrown);
      if (FOR_GOOD.has(error.code)) this.#lost = error;
      this.#why = error;
      this.#pause();
    }
  }

  #pause(): void {
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, 2 * this.#retry.pauseMs));
    this.#retry = { at: this.#clock.elapsed() + pauseMs, pauseMs };
  }

  #wrote(last: Receipt | undefined): void {
    this.#retry = { at: 0, pauseMs: 0 };
    if (last !== undefined) this.#known = { count: last.index + 1, head: last.hash };
  }

  #away(): LockstepError {
    const seconds = Math.max(1, Math.ceil((this.#retry.at - this.#clock.elapsed()) / 1000));
    const why = this.#why === undefined ? "" : ` (${this.#why.message})`;
    return new LockstepError(
      "WORKER_DIED",
      `the audit log ${this.#path} has no writer at the moment: the thread ended, and ` +
        (this.#opening === undefined
          ? `could not be replaced yet${why}`
          : "the log is being opened and verified again") +
        "; try again in a moment",
      { path: this.#path, retryAfterSeconds: this.#opening === undefined ? seconds : 1 },
      { cause: this.#why },
    );
  }
}

/** A writer that has opened and verified the log; one that could not is ended. */
async function opened(writer: Writer): Promise<{ readonly writer: Writer; readonly status: LogStatus }> {
  try {
    return { writer, status: await writer.call({ kind: "status" }) };
  } catch (thrown) {
    await writer.stop();
    throw thrown;
  }
}
