/** A token bucket for each client address: a sustained rate, and bursts of twice that. Memory is bounded. */
import { LockstepError, type Clock } from "../../base/index.ts";

const MAX_CLIENTS = 4096;

export class RateLimiter {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** In order of last use, so that the first is the one to forget. */
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#burst = Math.max(1, perSecond * 2);
    this.#clock = clock;
  }

  /** Counts one request of `client`; throws RATE_LIMITED, with the time to wait, when it has asked too much. */
  take(client: string): void {
    const now = this.#clock.elapsed();
    const known = this.#buckets.get(client);
    const tokens =
      known === undefined
        ? this.#burst
        : Math.min(this.#burst, known.tokens + ((now - known.at) / 1000) * this.#perSecond);
    this.#buckets.delete(client);
    this.#buckets.set(client, { tokens: tokens >= 1 ? tokens - 1 : tokens, at: now });
    if (this.#buckets.size > MAX_CLIENTS) this.#buckets.delete(this.#buckets.keys().next().value!);
    if (tokens >= 1) return;
    const retryAfterSeconds = Math.ceil((1 - tokens) / this.#perSecond);
    throw new LockstepError(
      "RATE_LIMITED",
      `more than ${this.#perSecond} requests a second from this address: try again in ${retryAfterSeconds} s`,
      { retryAfterSeconds },
    );
  }
}
