/**
 * One request from admission to answer. It is settled once, by whichever comes first: its last row, a failure, its
 * deadline or its signal; then its rows leave the queue and its pin is let go (`onSettled`). What comes back later for
 * it is dropped.
 */
import { LockstepError, type Clock } from "../../base/index.ts";
import type { NamedVersion, ServeAnswer } from "./contract.ts";

export interface TicketOptions<V extends NamedVersion> {
  readonly id: string;
  readonly version: V;
  readonly rows: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly clock: Clock;
  readonly onSettled: (ticket: Ticket<V>, error: unknown) => void;
}

export class Ticket<V extends NamedVersion> {
  readonly id: string;
  readonly promise: Promise<ServeAnswer<V>>;
  /** Rows that are counted as waiting. */
  waiting: number;
  readonly #options: TicketOptions<V>;
  readonly #outputs: Float32Array[] = [];
  readonly #settle: { resolve: (answer: ServeAnswer<V>) => void; reject: (error: unknown) => void };
  readonly #over = new AbortController();
  readonly #admittedAt: number;
  #startedAt: number | null = null;
  #rows: number;
  #missing: number;
  #verified = 0;
  #settled = false;

  constructor(options: TicketOptions<V>) {
    this.id = options.id;
    this.waiting = options.rows;
    this.#options = options;
    this.#rows = options.rows;
    this.#missing = options.rows;
    this.#admittedAt = options.clock.elapsed();
    const { promise, resolve, reject } = Promise.withResolvers<ServeAnswer<V>>();
    this.promise = promise;
    this.#settle = { resolve, reject };
    options.signal?.addEventListener("abort", this.#onAbort, { once: true });
    void this.#expire(options.timeoutMs);
  }

  /** Aborted when it is settled, however. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get settled(): boolean {
    return this.#settled;
  }

  get rows(): number {
    return this.#rows;
  }

  /** There are more rows than it was admitted with; none of them has been given yet. */
  expect(rows: number): void {
    this.#missing += rows - this.#rows;
    this.#rows = rows;
  }

  /** Milliseconds since admission. */
  get age(): number {
    return this.#options.clock.elapsed() - this.#admittedAt;
  }

  /** A row of it has been handed to a replica. */
  started(): void {
    this.#startedAt ??= this.#options.clock.elapsed();
  }

  /** The verified or unverified outputs of one row. */
  give(row: number, outputs: Float32Array, verified: boolean): void {
    if (this.#settled) return;
    this.#outputs[row] = outputs;
    if (verified) this.#verified++;
    if (--this.#missing > 0) return;
    const now = this.#options.clock.elapsed();
    this.#finish(null);
    this.#settle.resolve({
      version: this.#options.version,
      outputs: this.#outputs,
      verified: this.#verified,
      queueMs: (this.#startedAt ?? now) - this.#admittedAt,
      totalMs: now - this.#admittedAt,
    });
  }

  fail(error: unknown): void {
    if (this.#settled) return;
    this.#finish(error);
    this.#settle.reject(error);
  }

  #finish(error: unknown): void {
    this.#settled = true;
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#over.abort();
    this.#options.onSettled(this, error);
  }

  readonly #onAbort = (): void => {
    this.fail(
      new LockstepError(
        "CANCELLED",
        "the request was cancelled by its caller",
        { request: this.id },
        { cause: this.#options.signal?.reason },
      ),
    );
  };

  async #expire(timeoutMs: number): Promise<void> {
    try {
      await this.#options.clock.sleep(timeoutMs, this.#over.signal);
    } catch {
      return; // the sleep rejects only because the ticket is over
    }
    this.fail(
      new LockstepError("TIMEOUT", `the request was not answered within ${timeoutMs} ms`, {
        request: this.id,
        timeoutMs,
      }),
    );
  }
}
