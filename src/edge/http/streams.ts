/**
 * Server-sent events: every open stream gets each change of status. A client that reads too slowly loses intermediate
 * changes, never the latest one, and costs no memory.
 */
import type { ServerResponse } from "node:http";
import { LockstepError } from "../../base/index.ts";
import type { Status } from "./contract.ts";

export const EVENT_STREAM = "text/event-stream; charset=utf-8";
const HEARTBEAT_MS = 15_000;
/** How long a browser waits before it connects again. */
const RETRY_MS = 1000;

export class EventStreams {
  readonly #max: number;
  readonly #open = new Map<ServerResponse, { waiting: string | undefined }>();
  readonly #heartbeat: NodeJS.Timeout;
  #id = 0;

  constructor(max: number) {
    this.#max = max;
    this.#heartbeat = setInterval(() => {
      for (const response of this.#open.keys()) this.#write(response, ": still here\n\n");
    }, HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** Throws OVERLOADED when there are too many streams already. */
  admit(): void {
    if (this.#open.size >= this.#max)
      throw new LockstepError("OVERLOADED", `this server has ${this.#max} event streams open, as many as it takes`, {
        retryAfterSeconds: 10,
      });
  }

  /** Takes over the response and starts with the present status. */
  add(response: ServerResponse, status: Status): void {
    response.setHeader("content-type", EVENT_STREAM);
    response.writeHead(200);
    this.#open.set(response, { waiting: undefined });
    response.once("close", () => this.#open.delete(response));
    response.on("drain", () => {
      const stream = this.#open.get(response);
      if (stream?.waiting === undefined) return;
      const { waiting } = stream;
      stream.waiting = undefined;
      this.#write(response, waiting);
    });
    this.#write(response, `retry: ${RETRY_MS}\n${this.#event(status)}`);
  }

  publish(status: Status): void {
    if (this.#open.size === 0) return;
    const event = this.#event(status);
    for (const response of this.#open.keys()) this.#write(response, event);
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const response of this.#open.keys()) response.end();
  }

  #event(status: Status): string {
    this.#id += 1;
    return `id: ${this.#id}\nevent: status\ndata: ${JSON.stringify(status)}\n\n`;
  }

  #write(response: ServerResponse, text: string): void {
    const stream = this.#open.get(response);
    if (stream === undefined || response.writableEnded) return;
    if (response.writableNeedDrain) {
      if (!text.startsWith(":")) stream.waiting = text;
    } else {
      response.write(text);
    }
  }
}
