/**
 * A bounded channel of messages between threads: any number of senders and receivers, each message received once, in
 * order. What a message is, is said when the channel is made: a JSON value (default), a value that structured clone
 * knows, or bytes. For numbers by the thousand there is number-channel.ts. States, transitions, memory order and
 * deaths: channel-core.ts.
 *
 * A cell is a length in bytes and that many bytes. A message is made into bytes before the channel is touched and read
 * after it was let go, so neither a `toJSON` of the caller's nor a long parse keeps anybody waiting, and a message that
 * cannot be read is gone like one that can.
 */
import { deserialize, serialize } from "node:v8";
import { LockstepError } from "../../base/index.ts";
import { checkWait, oneOf, options as checkOptions, refused, whole } from "./arguments.ts";
import { allocateChannel, BLOCKED, ChannelCore, RECEIVERS, SENDERS, SHUT } from "./channel-core.ts";
import { ChannelEnd } from "./channel-end.ts";
import type { AsyncWaitOptions, WaitOptions } from "./wait.ts";
import type { SyncHandle } from "./words.ts";

/** Position is the number in the channel's words. */
const CODECS = ["json", "structured", "bytes"] as const;

/**
 * "json": what JSON can say, read back as a new value. "structured": also maps, dates, typed arrays, cycles; slower.
 * "bytes": `Uint8Array`s.
 */
export type ChannelCodec = (typeof CODECS)[number];

export interface ChannelOptions {
  /** Messages that it holds before senders wait: 1 to 2^24. */
  readonly capacity: number;
  /** The longest message, in bytes of its encoded form. @default 1024 */
  readonly bytes?: number;
  /** How a message becomes bytes. @default "json" */
  readonly codec?: ChannelCodec;
  /**
   * "one": only one thread ever sends at a time in the channel's life, which then costs it no lock; a second is refused
   * with CONFLICT. @default "many"
   */
  readonly senders?: "one" | "many";
  /** The same for receiving. @default "many" */
  readonly receivers?: "one" | "many";
  /** How often a blocking form looks again, each some 50 ns, before its thread sleeps; 0 for never. @default 100 */
  readonly spins?: number;
}

/** What a message can be. `null` is what a receiver gets when the channel has ended. */
export type Message = NonNullable<unknown>;

/** `message` is never there: it carries the type of messages to `attach`. */
export interface ChannelHandle<T extends Message = Message> extends SyncHandle<"channel"> {
  readonly message?: T;
}

export class Channel<T extends Message = Message> extends ChannelEnd<T> {
  readonly handle: ChannelHandle<T>;
  readonly #core: ChannelCore;
  readonly #codec: ChannelCodec;
  readonly #limit: number;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #lengths: Int32Array<SharedArrayBuffer>;
  readonly #scratch: Buffer;

  private constructor(handle: ChannelHandle<T>) {
    const core = new ChannelCore(handle, "channel");
    super(core);
    this.handle = handle;
    this.#core = core;
    this.#codec = CODECS[core.extra & 3]!;
    this.#limit = core.extra >> 2;
    this.#bytes = new Uint8Array(core.buffer, core.byteOffset, core.capacity * core.cellBytes);
    this.#lengths = new Int32Array(core.buffer, core.byteOffset, (core.capacity * core.cellBytes) / 4);
    this.#scratch = Buffer.alloc(this.#limit);
  }

  static create(options: ChannelOptions & { readonly codec: "bytes" }): Channel<Uint8Array>;
  static create<T extends Message>(options: ChannelOptions): Channel<T>;
  static create<T extends Message>(options: ChannelOptions): Channel<T> {
    checkOptions("a channel", options, ["capacity", "bytes", "codec", "senders", "receivers", "spins"]);
    const { bytes = 1024, codec = "json" } = options;
    whole("bytes of a channel, its longest message", bytes, 1, 2 ** 28);
    oneOf("the codec of a channel", codec, CODECS);
    const cellBytes = 4 + 4 * Math.ceil(bytes / 4);
    const words = allocateChannel(options, cellBytes, (bytes << 2) | CODECS.indexOf(codec));
    return new Channel<T>({ kind: "channel", words });
  }

  static attach<T extends Message>(handle: ChannelHandle<T>): Channel<T> {
    return new Channel<T>(handle);
  }

  /**
   * Blocks while the channel is full. Throws SHUTTING_DOWN once it is closed, INPUT_TOO_LARGE, TIMEOUT, or the abort's
   * reason.
   */
  send(message: T, options: WaitOptions = {}): void {
    checkWait(options);
    const encoded = this.#encode(message);
    if (!this.#put(encoded))
      this.#core.block(SENDERS, () => this.#put(encoded) || undefined, "sending to a channel", options);
  }

  /** The form for a thread that must not block. */
  async sendAsync(message: T, options: AsyncWaitOptions = {}): Promise<void> {
    checkWait(options);
    const encoded = this.#encode(message);
    if (this.#put(encoded)) return;
    const kept = new Uint8Array(encoded); // the scratch memory is the next message's
    await this.#core.blockAsync(SENDERS, () => this.#put(kept) || undefined, "sending to a channel", options);
  }

  /**
   * False if the channel is full, or another thread is sending at this moment. Throws SHUTTING_DOWN once it is closed,
   * or INPUT_TOO_LARGE.
   */
  trySend(message: T): boolean {
    return this.#put(this.#encode(message));
  }

  /**
   * Sends them in order, as many at a time as there is room for; other senders' messages may come between those. Throws
   * as `send` does.
   */
  sendMany(messages: readonly T[], options: WaitOptions = {}): void {
    checkWait(options);
    if (!Array.isArray(messages)) throw refused("what sendMany sends", "an array of messages", messages);
    const encoded = messages.map((message: T) => new Uint8Array(this.#encode(message)));
    for (let sent = 0; sent < encoded.length;) {
      sent +=
        this.#putSome(encoded, sent) ||
        this.#core.block(SENDERS, () => this.#putSome(encoded, sent) || undefined, "sending to a channel", options);
    }
  }

  /**
   * Undefined if the channel is empty, or another thread is receiving at this moment; null once it is closed and
   * drained.
   */
  override tryReceive(): T | null | undefined {
    const core = this.#core;
    const cell = core.beginReceive();
    if (cell < 0) return cell === SHUT ? null : undefined;
    const length = this.#take(cell);
    core.endReceive(1);
    return this.#decode(length);
  }

  /**
   * Blocks until there is at least one, then takes up to `limit` at once. Empty once the channel is closed and drained.
   */
  receiveMany(limit: number, options: WaitOptions = {}): T[] {
    checkWait(options);
    whole("how many messages receiveMany takes at most", limit, 1, Number.MAX_SAFE_INTEGER);
    return (
      this.#takeSome(limit) ??
      this.#core.block(RECEIVERS, () => this.#takeSome(limit), "receiving from a channel", options)
    );
  }

  /** Receives until the channel is closed and drained, blocking. */
  *[Symbol.iterator](): Generator<T, void> {
    for (let message = this.receive(); message !== null; message = this.receive()) yield message;
  }

  /** The same without blocking. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (let message = await this.receiveAsync(); message !== null; message = await this.receiveAsync()) yield message;
  }

  #put(encoded: Uint8Array): boolean {
    const core = this.#core;
    const cell = core.beginSend();
    if (cell === BLOCKED) return false;
    if (cell === SHUT) throw shut();
    this.#fill(cell, encoded);
    if (!core.endSend(1)) throw shut();
    return true;
  }

  #putSome(encoded: readonly Uint8Array[], from: number): number {
    const core = this.#core;
    const first = core.beginSend(encoded.length - from);
    if (first === BLOCKED) return 0;
    if (first === SHUT) throw shut();
    const count = Math.min(core.count, encoded.length - from);
    for (let i = 0; i < count; i++) this.#fill((first + i) % core.capacity, encoded[from + i]!);
    if (!core.endSend(count)) throw shut();
    return count;
  }

  #takeSome(limit: number): T[] | undefined {
    const core = this.#core;
    const first = core.beginReceive(limit);
    if (first < 0) return first === SHUT ? [] : undefined;
    const count = Math.min(core.count, limit);
    const taken: Uint8Array[] = [];
    for (let i = 0; i < count; i++)
      taken.push(new Uint8Array(this.#scratch.subarray(0, this.#take((first + i) % core.capacity))));
    core.endReceive(count);
    return taken.map((bytes) => {
      this.#scratch.set(bytes);
      return this.#decode(bytes.length);
    });
  }

  #fill(cell: number, encoded: Uint8Array): void {
    const at = cell * this.#core.cellBytes;
    this.#lengths[at >> 2] = encoded.length;
    this.#bytes.set(encoded, at + 4);
  }

  /** Into the scratch memory; returns the length. */
  #take(cell: number): number {
    const at = cell * this.#core.cellBytes;
    const length = this.#lengths[at >> 2]!;
    this.#scratch.set(this.#bytes.subarray(at + 4, at + 4 + length));
    return length;
  }

  /** The bytes of a message; those of JSON lie in the scratch memory until the next message. */
  #encode(message: T): Uint8Array {
    if (this.#codec === "bytes") {
      if (!(message instanceof Uint8Array))
        throw new LockstepError(
          "INPUT_INVALID",
          "a channel of bytes takes Uint8Arrays: give it a codec for other messages",
        );
      return this.#fitting(message);
    }
    if ((message as T | null | undefined) === null || message === undefined) throw noMessage(String(message));
    if (this.#codec === "structured") return this.#fitting(encodedBy("structured clone", () => serialize(message)));
    const text = encodedBy("JSON", () => JSON.stringify(message) as string | undefined);
    if (text === undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `JSON has no form for this message (${typeof message}): send another, or make the channel with codec ` +
          `"structured"`,
      );
    if (text === "null") throw noMessage(`what JSON makes of this message (${typeof message}), null,`);
    if (3 * text.length > this.#limit) this.#check(Buffer.byteLength(text));
    return this.#scratch.subarray(0, this.#scratch.write(text, 0, "utf8"));
  }

  #fitting(bytes: Uint8Array): Uint8Array {
    this.#check(bytes.length);
    return bytes;
  }

  #check(length: number): void {
    if (length > this.#limit)
      throw new LockstepError(
        "INPUT_TOO_LARGE",
        `a message of ${length} bytes does not fit into a channel for messages of up to ${this.#limit}: make ` +
          `the channel with larger \`bytes\`, or send it in parts`,
        { length, limit: this.#limit },
      );
  }

  /** The message in the first `length` bytes of the scratch memory. */
  #decode(length: number): T {
    if (this.#codec === "bytes") return new Uint8Array(this.#scratch.subarray(0, length)) as Message as T;
    if (this.#codec === "structured") return deserialize(Buffer.from(this.#scratch.subarray(0, length))) as T;
    return JSON.parse(this.#scratch.toString("utf8", 0, length)) as T;
  }
}

function noMessage(what: string): LockstepError {
  return new LockstepError(
    "INPUT_INVALID",
    `${what} cannot be sent: null is what a receiver gets at a channel's end; send an object with it inside`,
  );
}

function encodedBy<R>(codec: string, encode: () => R): R {
  try {
    return encode();
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new LockstepError("INPUT_INVALID", `${codec} cannot write this message: ${why}`, {}, { cause: thrown });
  }
}

export function shut(): LockstepError {
  return new LockstepError("SHUTTING_DOWN", "the channel is closed: nothing can be sent any more");
}
