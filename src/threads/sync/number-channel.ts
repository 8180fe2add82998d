/**
 * A bounded channel of numbers, or of records of `width` numbers, between threads: what a message is, is known, so a
 * cell has neither length nor encoding, and a batch is copied in one or two pieces at the cost of one message. States,
 * transitions, memory order and deaths: channel-core.ts. With one sender and one receiver it is a ring of numbers that
 * can also sleep.
 */
import { LockstepError } from "../../base/index.ts";
import { checkWait, oneOf, options as checkOptions, refused, whole } from "./arguments.ts";
import { allocateChannel, BLOCKED, ChannelCore, RECEIVERS, SENDERS, SHUT } from "./channel-core.ts";
import { ChannelEnd } from "./channel-end.ts";
import { shut } from "./channel.ts";
import type { AsyncWaitOptions, WaitOptions } from "./wait.ts";
import type { SyncHandle } from "./words.ts";

type Numbers = Int32Array | Float32Array | Float64Array;

const TYPES = {
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;
/** Position is the number in the channel's words. */
const NAMES = ["int32", "float32", "float64"] as const;

export type ChannelNumber = (typeof NAMES)[number];
type ArrayOf<N extends ChannelNumber> = N extends "int32"
  ? Int32Array
  : N extends "float32"
    ? Float32Array
    : Float64Array;

export interface NumberChannelOptions<N extends ChannelNumber> {
  /** Messages that it holds before senders wait: 1 to 2^24. */
  readonly capacity: number;
  readonly type: N;
  /** Numbers in a message, which stay together. @default 1 */
  readonly width?: number;
  /** "one": only one thread sends, which then costs it no lock; a second is refused with CONFLICT. @default "many" */
  readonly senders?: "one" | "many";
  /** The same for receiving. @default "many" */
  readonly receivers?: "one" | "many";
  /** How often a blocking form looks again, each some 50 ns, before its thread sleeps; 0 for never. @default 100 */
  readonly spins?: number;
}

export interface NumberChannelHandle<N extends ChannelNumber = ChannelNumber> extends SyncHandle<"number-channel"> {
  readonly type: N;
}

const INT32 = "a whole number from −2^31 to 2^31 − 1";

/** Below this many numbers a loop copies faster than a call. */
const FEW = 24;

export class NumberChannel<N extends ChannelNumber = ChannelNumber> extends ChannelEnd<number> {
  readonly handle: NumberChannelHandle<N>;
  /** Numbers in a message. */
  readonly width: number;
  readonly #core: ChannelCore;
  readonly #cells: Numbers;
  readonly #type: ChannelNumber;

  private constructor(handle: NumberChannelHandle<N>) {
    const core = new ChannelCore(handle, "number-channel");
    super(core);
    this.handle = handle;
    this.#core = core;
    this.#type = NAMES[core.extra]!;
    const Type = TYPES[NAMES[core.extra]!] as new (
      buffer: ArrayBufferLike,
      byteOffset: number,
      length: number,
    ) => Numbers;
    this.width = core.cellBytes / TYPES[NAMES[core.extra]!].BYTES_PER_ELEMENT;
    this.#cells = new Type(core.buffer, core.byteOffset, core.capacity * this.width);
  }

  static create<N extends ChannelNumber>(options: NumberChannelOptions<N>): NumberChannel<N> {
    checkOptions("a channel of numbers", options, ["capacity", "type", "width", "senders", "receivers", "spins"]);
    const { type, width = 1 } = options;
    oneOf("the type of a channel's numbers", type, NAMES);
    whole("width of a channel, the numbers in a message", width, 1, 2 ** 24);
    const cellBytes = width * TYPES[type].BYTES_PER_ELEMENT;
    const words = allocateChannel(options, cellBytes, NAMES.indexOf(type));
    return new NumberChannel<N>({ kind: "number-channel", words, type });
  }

  static attach<N extends ChannelNumber>(handle: NumberChannelHandle<N>): NumberChannel<N> {
    return new NumberChannel<N>(handle);
  }

  /**
   * Width 1 only. Blocks while the channel is full. Throws SHUTTING_DOWN once it is closed, TIMEOUT, or the abort's
   * reason.
   */
  send(value: number, options?: WaitOptions): void {
    if (options !== undefined) checkWait(options);
    if (!this.trySend(value))
      this.#core.block(SENDERS, () => this.trySend(value) || undefined, "sending to a channel", options ?? {});
  }

  /** The form for a thread that must not block. */
  async sendAsync(value: number, options: AsyncWaitOptions = {}): Promise<void> {
    checkWait(options);
    if (!this.trySend(value))
      await this.#core.blockAsync(SENDERS, () => this.trySend(value) || undefined, "sending to a channel", options);
  }

  /**
   * Width 1 only. False if the channel is full, or another thread is sending at this moment. Throws SHUTTING_DOWN once
   * it is closed.
   */
  trySend(value: number): boolean {
    if (this.width !== 1) throw this.#wide();
    if (typeof value !== "number" || (value | 0) !== value) this.#checkFits(value);
    const cell = this.#core.beginSend();
    if (cell === BLOCKED) return false;
    if (cell === SHUT) throw shut();
    this.#cells[cell] = value;
    if (!this.#core.endSend(1)) throw shut();
    return true;
  }

  /**
   * Sends all messages of `values` (a multiple of `width` numbers), in order, as many at a time as there is room for;
   * other senders' messages may come between those. Throws as `send` does: what was sent until then stays sent.
   */
  sendMany(values: ArrayOf<N>, options?: WaitOptions): void {
    if (options !== undefined) checkWait(options);
    const count = this.#messages(values);
    for (let sent = 0; sent < count;) {
      sent +=
        this.#put(values, sent, count) ||
        this.#core.block(
          SENDERS,
          () => this.#put(values, sent, count) || undefined,
          "sending to a channel",
          options ?? {},
        );
    }
  }

  /** The form for a thread that must not block. `values` must not change until it is done. */
  async sendManyAsync(values: ArrayOf<N>, options: AsyncWaitOptions = {}): Promise<void> {
    checkWait(options);
    const count = this.#messages(values);
    for (let sent = 0; sent < count;) {
      sent +=
        this.#put(values, sent, count) ||
        (await this.#core.blockAsync(
          SENDERS,
          () => this.#put(values, sent, count) || undefined,
          "sending to a channel",
          options,
        ));
    }
  }

  /** Sends what there is room for, beginning with message `from`. Returns how many messages that was. */
  trySendMany(values: ArrayOf<N>, from = 0): number {
    const count = this.#messages(values);
    whole("the message that trySendMany begins with", from, 0, count);
    return from < count ? this.#put(values, from, count) : 0;
  }

  /**
   * Width 1 only. Undefined if the channel is empty, or another thread is receiving at this moment; null once it is
   * closed and drained.
   */
  override tryReceive(): number | null | undefined {
    if (this.width !== 1) throw this.#wide();
    const cell = this.#core.beginReceive();
    if (cell < 0) return cell === SHUT ? null : undefined;
    const value = this.#cells[cell]!;
    this.#core.endReceive(1);
    return value;
  }

  /**
   * Blocks until there is at least one message, then takes as many as fit into `into`. Returns how many; 0 once closed
   * and drained.
   */
  receiveMany(into: ArrayOf<N>, options?: WaitOptions): number {
    if (options !== undefined) checkWait(options);
    this.#messages(into);
    return (
      this.#get(into) ?? this.#core.block(RECEIVERS, () => this.#get(into), "receiving from a channel", options ?? {})
    );
  }

  /** The form for a thread that must not block. `into` is written when it is done. */
  async receiveManyAsync(into: ArrayOf<N>, options: AsyncWaitOptions = {}): Promise<number> {
    checkWait(options);
    this.#messages(into);
    return (
      this.#get(into) ??
      (await this.#core.blockAsync(RECEIVERS, () => this.#get(into), "receiving from a channel", options))
    );
  }

  /**
   * Takes what is there and fits. Returns how many messages; 0 if there is none now. `closed` says whether there ever
   * will be.
   */
  tryReceiveMany(into: ArrayOf<N>): number {
    this.#messages(into);
    return this.#get(into) ?? 0;
  }

  #put(values: ArrayOf<N>, from: number, to: number): number {
    const core = this.#core;
    const cell = core.beginSend(to - from);
    if (cell === BLOCKED) return 0;
    if (cell === SHUT) throw shut();
    const count = Math.min(core.count, to - from);
    const first = Math.min(count, core.capacity - cell);
    const { width } = this;
    copy(values, from * width, this.#cells, cell * width, first * width);
    if (count > first) copy(values, (from + first) * width, this.#cells, 0, (count - first) * width);
    if (!core.endSend(count)) throw shut();
    return count;
  }

  #get(into: ArrayOf<N>): number | undefined {
    const core = this.#core;
    const { width } = this;
    const wanted = into.length / width;
    const cell = core.beginReceive(wanted);
    if (cell < 0) return cell === SHUT ? 0 : undefined;
    const count = Math.min(core.count, wanted);
    const first = Math.min(count, core.capacity - cell);
    copy(this.#cells, cell * width, into, 0, first * width);
    if (count > first) copy(this.#cells, 0, into, first * width, (count - first) * width);
    core.endReceive(count);
    return count;
  }

  #messages(values: ArrayOf<N>): number {
    if (!(values instanceof TYPES[this.#type]))
      throw refused("what holds numbers of this channel", `of type ${TYPES[this.#type].name}`, values);
    const count = values.length / this.width;
    if (!Number.isSafeInteger(count) || count < 1)
      throw new LockstepError(
        "OPTION_INVALID",
        `an array of ${values.length} numbers is not a positive multiple of the channel's width, ${this.width}`,
        { length: values.length, width: this.width },
      );
    return count;
  }

  /** A number that the channel's type cannot hold is refused: the array would make another of it. */
  #checkFits(value: number): void {
    if (typeof value !== "number" || this.#type === "int32")
      throw refused("a number for this channel", this.#type === "int32" ? INT32 : "a number", value);
    if (this.#type === "float32" && Number.isFinite(value) && !Number.isFinite(Math.fround(value)))
      throw refused("a number for this channel", "at most 3.4028234663852886e38, as a float32 holds it", value);
  }

  #wide(): LockstepError {
    return new LockstepError(
      "OPTION_INVALID",
      `a message of this channel has ${this.width} numbers: use sendMany and receiveMany`,
      { width: this.width },
    );
  }
}

function copy(from: Numbers, start: number, to: Numbers, at: number, count: number): void {
  if (count > FEW) to.set(start === 0 && count === from.length ? from : from.subarray(start, start + count), at);
  else for (let i = 0; i < count; i++) to[at + i] = from[start + i]!;
}
