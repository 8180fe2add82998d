/**
 * The requests that have begun and are not answered yet, and how a server that closes waits for them: for answers as
 * long as it may, for the rest of a request that is half sent only a moment, and for a reader of events not at all.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../base/index.ts";

/** How often it looks, and how long it must have been quiet: whatever lies unread in a socket is read meanwhile. */
const LOOK_MS = 10;
const QUIET_LOOKS = 2;
/** For the rest of a request whose beginning is here. */
const ARRIVAL_MS = 1_000;

export class UnderWay {
  readonly #requests = new Map<IncomingMessage, ServerResponse>();
  #begun = 0;

  /** Counts a request until its response is closed. */
  add(request: IncomingMessage, response: ServerResponse, closed: () => void): void {
    this.#begun += 1;
    this.#requests.set(request, response);
    response.once("close", () => {
      this.#requests.delete(request);
      closed();
    });
  }

  /** An event stream: it never ends by itself. */
  leave(request: IncomingMessage): void {
    this.#requests.delete(request);
  }

  /**
   * Resolves when nothing is under way and nothing new has come for a moment, at most after `ms`. `refuse` gets the
   * responses of requests whose rest did not come.
   */
  async drained(ms: number, clock: Clock, refuse: (response: ServerResponse) => void): Promise<void> {
    const started = clock.elapsed();
    const left = (): number => ms - (clock.elapsed() - started);
    let quiet = 0;
    let begun = this.#begun;
    while (quiet < QUIET_LOOKS && left() > 0) {
      await clock.sleep(Math.min(LOOK_MS, left()));
      if (clock.elapsed() - started >= Math.min(ARRIVAL_MS, ms)) this.#refuseHalfSent(refuse);
      quiet = this.#requests.size === 0 && begun === this.#begun ? quiet + 1 : 0;
      begun = this.#begun;
    }
  }

  #refuseHalfSent(refuse: (response: ServerResponse) => void): void {
    for (const [request, response] of this.#requests) {
      if (request.complete) continue;
      this.#requests.delete(request);
      refuse(response);
    }
  }
}
