/**
 * `MessageChannel` as explored code sees it. In `setup` it makes two marks, which become ports in the threads; in a
 * thread it makes ports at once. A port has the methods of Node's; a message is a structured clone, in which shared
 * buffers of the program's state, and ports, stay what they are.
 */
import { EventEmitter } from "node:events";
import { deserialize, serialize } from "node:v8";
import type { ThreadRuntime } from "./runtime.ts";

/** An end of a channel on its way between threads. */
export interface PortMark {
  readonly exploredPort: { readonly channel: number; readonly side: 0 | 1 };
}

export function isPortMark(value: unknown): value is PortMark {
  return typeof value === "object" && value !== null && "exploredPort" in value;
}

let marked = 0;

/** In the controller, while `setup` runs. */
export class MarkedChannel {
  /** Each time `setup` runs, the same numbers. */
  static restart(): void {
    marked = 0;
  }

  readonly port1: PortMark;
  readonly port2: PortMark;

  constructor() {
    const channel = marked++;
    this.port1 = { exploredPort: { channel, side: 0 } };
    this.port2 = { exploredPort: { channel, side: 1 } };
  }
}

export class ExploredPort extends EventEmitter implements PortMark {
  readonly exploredPort: PortMark["exploredPort"];
  readonly #runtime: ThreadRuntime;
  readonly #buffers: Buffers;
  readonly #heard = new Map<(event: { readonly data: unknown }) => void, (data: unknown) => void>();
  #listening = false;
  #closed = false;
  #onmessage: ((event: { readonly data: unknown }) => void) | null = null;

  constructor(runtime: ThreadRuntime, buffers: Buffers, { exploredPort }: PortMark) {
    super();
    this.exploredPort = exploredPort;
    this.#runtime = runtime;
    this.#buffers = buffers;
    this.on("newListener", (event) => {
      if (event === "message") this.start();
    });
  }

  get onmessage(): ((event: { readonly data: unknown }) => void) | null {
    return this.#onmessage;
  }
  set onmessage(listener: ((event: { readonly data: unknown }) => void) | null) {
    this.#onmessage = listener;
    this.start();
  }

  postMessage(message: unknown): void {
    if (this.#closed) return;
    const { channel, side } = this.exploredPort;
    this.#runtime.send(
      channel,
      1 - side,
      encode(message, this.#buffers, (what) => this.#runtime.refuse(what)),
    );
  }

  /** What `receiveMessageOnPort` does. */
  receive(): { readonly message: unknown } | undefined {
    const { channel, side } = this.exploredPort;
    const bytes = this.#runtime.receive(channel, side);
    return bytes === null ? undefined : { message: decode(bytes, this.#runtime, this.#buffers) };
  }

  start(): void {
    if (this.#listening) return;
    this.#listening = true;
    const { channel, side } = this.exploredPort;
    this.#runtime.listen(channel, side, (bytes) => {
      if (this.#closed) return;
      const data = decode(bytes, this.#runtime, this.#buffers);
      this.emit("message", data);
      this.#onmessage?.({ data });
    });
  }

  /** The other end hears nothing of it: deaths are explored by killing threads. */
  close(): void {
    this.#closed = true;
  }
  ref(): void {}
  unref(): void {}
  hasRef(): boolean {
    return true;
  }
  addEventListener(name: string, listener: (event: { readonly data: unknown }) => void): void {
    if (this.#heard.has(listener)) return;
    const heard = (data: unknown): void => listener({ data });
    this.#heard.set(listener, heard);
    this.on(name, heard);
  }
  removeEventListener(name: string, listener: (event: { readonly data: unknown }) => void): void {
    const heard = this.#heard.get(listener);
    if (heard !== undefined) this.off(name, heard);
    this.#heard.delete(listener);
  }
}

/** The shared buffers that every thread knows, by number. */
export type Buffers = readonly SharedArrayBuffer[];

export function exploredChannel(
  runtime: ThreadRuntime,
  buffers: Buffers,
): new () => { readonly port1: ExploredPort; readonly port2: ExploredPort } {
  return class MessageChannel {
    readonly port1: ExploredPort;
    readonly port2: ExploredPort;

    constructor() {
      const channel = runtime.ownChannel();
      this.port1 = new ExploredPort(runtime, buffers, { exploredPort: { channel, side: 0 } });
      this.port2 = new ExploredPort(runtime, buffers, { exploredPort: { channel, side: 1 } });
    }
  };
}

type Coded =
  | { readonly shared: number; readonly view?: string; readonly offset?: number; readonly length?: number }
  | { readonly port: PortMark["exploredPort"] }
  | { readonly items: Coded[] }
  | { readonly fields: [string, Coded][] }
  | { readonly value: unknown };

type Refuse = (what: string) => never;

function encode(message: unknown, buffers: Buffers, refuse: Refuse): Uint8Array {
  return serialize(code(message, buffers, refuse));
}

function code(value: unknown, buffers: Buffers, refuse: Refuse): Coded {
  if (isPortMark(value)) return { port: value.exploredPort };
  if (value instanceof SharedArrayBuffer) return { shared: known(value, buffers, refuse) };
  if (ArrayBuffer.isView(value) && value.buffer instanceof SharedArrayBuffer) {
    return {
      shared: known(value.buffer, buffers, refuse),
      view: value.constructor.name,
      offset: value.byteOffset,
      length: "length" in value ? (value.length as number) : value.byteLength,
    };
  }
  if (Array.isArray(value)) return { items: value.map((item) => code(item, buffers, refuse)) };
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype)
    return { fields: Object.entries(value).map(([key, inner]) => [key, code(inner, buffers, refuse)]) };
  return { value };
}

function known(buffer: SharedArrayBuffer, buffers: Buffers, refuse: Refuse): number {
  const id = buffers.indexOf(buffer);
  if (id < 0)
    refuse(
      "a shared buffer that was made within a schedule cannot be sent to another explored thread: make it in setup",
    );
  return id;
}

function decode(bytes: Uint8Array, runtime: ThreadRuntime, buffers: Buffers): unknown {
  const revive = (coded: Coded): unknown => {
    if ("port" in coded) return new ExploredPort(runtime, buffers, { exploredPort: coded.port });
    if ("items" in coded) return coded.items.map(revive);
    if ("fields" in coded) return Object.fromEntries(coded.fields.map(([key, inner]) => [key, revive(inner)]));
    if ("value" in coded) return coded.value;
    const buffer = buffers[coded.shared]!;
    if (coded.view === undefined) return buffer;
    const View = (
      globalThis as unknown as Record<
        string,
        new (buffer: SharedArrayBuffer, offset: number, length: number) => unknown
      >
    )[coded.view]!;
    return new View(buffer, coded.offset!, coded.length!);
  };
  return revive(deserialize(bytes) as Coded);
}
