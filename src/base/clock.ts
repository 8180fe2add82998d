/**
 * Time as something that is handed in: for progress, deadlines and records, never for what decides a result. Tests hand
 * in a clock that they move themselves.
 */
import { setTimeout as delay } from "node:timers/promises";
import { LockstepError } from "./errors.ts";

export interface Clock {
  /** Milliseconds since 1970; may jump. For records that people read. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For durations and deadlines. */
  elapsed(): number;
  /** Resolves after `ms` milliseconds; rejects with CANCELLED when `signal` is aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = Object.freeze({
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: async (ms: number, signal?: AbortSignal) => {
    try {
      await delay(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      throw cancelled(error);
    }
  },
});

/**
 * The time as ISO 8601 in UTC, for a record. @throws RUNTIME_FAILED where the machine's clock names no year of four
 * digits, which no reader of the record would understand
 */
export function timestamp(clock: Clock = systemClock): string {
  const date = new Date(clock.now());
  const year = date.getUTCFullYear();
  if (year >= 0 && year <= 9999) return date.toISOString();
  throw new LockstepError("RUNTIME_FAILED", `this machine's clock says the year ${year}: set it, and ask again`);
}

/** A clock that stands still until `advance` is called. */
export class ManualClock implements Clock {
  readonly #start: number;
  #elapsed = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  constructor(start = 0) {
    this.#start = start;
  }

  now(): number {
    return this.#start + this.#elapsed;
  }
  elapsed(): number {
    return this.#elapsed;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(cancelled(signal.reason));
      const sleeper = {
        at: this.#elapsed + ms,
        wake: () => {
          signal?.removeEventListener("abort", abort);
          resolve();
        },
      };
      const abort = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        reject(cancelled(signal?.reason));
      };
      signal?.addEventListener("abort", abort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Moves time on and wakes whoever is due, in the order of their times. */
  advance(ms: number): void {
    this.#elapsed += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.at <= this.#elapsed).sort((a, b) => a.at - b.at);
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.at > this.#elapsed);
    for (const sleeper of due) sleeper.wake();
  }
}

function cancelled(cause: unknown): LockstepError {
  return new LockstepError("CANCELLED", "waiting was cancelled", {}, { cause });
}
