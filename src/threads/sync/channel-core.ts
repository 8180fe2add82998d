/**
 * The state machine of a channel: a ring of cells, filled by one sender at a time and emptied by one receiver at a
 * time. What is in a cell is the business of channel.ts and number-channel.ts.
 *
 * Words (each of the hot ones in a cache line of its own; all begin at 0 but the constants, which are stored before the
 * handle exists):
 *   SENDER    0, or threadId + 1 of the thread that is sending
 *   TAIL      2 · position of the next cell to fill + CLOSED. Written by the holder of SENDER; CLOSED is added by
 *             `close`
 *   RECEIVER  0, or threadId + 1 of the thread that is receiving
 *   HEAD      position of the next cell to empty. Written by the holder of RECEIVER
 *   FLAGS     who may be asleep: 1 senders, 2 receivers; SENDER_EVENTS and RECEIVER_EVENTS are what they sleep on
 *             (sleepers.ts)
 * Positions run from 0 to 2·capacity − 1, so that full (distance = capacity) differs from empty (0); the cell is the
 * position modulo capacity.
 *
 * send      SENDER: 0 → self by compare-and-set; room = capacity − (TAIL − HEAD); fill cells from TAIL on; TAIL += n by
 *           compare-and-set (fails: closed);
 *           SENDER = 0; wake a receiver, and a further sender if there still is room
 * receive   RECEIVER: 0 → self; empty the cells from HEAD to TAIL; HEAD += n; RECEIVER = 0; wake a sender, and a
 *           further receiver if cells are left
 * close     TAIL |= CLOSED; wake all. Nothing is sent after it; what was sent before is received
 *
 * Why two short locks instead of a sequence number in each cell (D. Vyukov's bounded queue), with the same number of
 * atomic operations a message: a batch costs what one message costs; a message is there or not there, so a sender that
 * dies leaves no hole that the queue would stop at; and the lock is taken by the very compare-and-set that says who has
 * it. The price: a sender that is descheduled inside delays the other senders, as it would delay all receivers there.
 * After M. Michael and M. Scott, "Simple, Fast, and Practical Non-Blocking and Blocking Concurrent Queue Algorithms"
 * (1996), two-lock queue.
 *
 * One sender (or one receiver): that side is taken once and kept, so no lock is taken for a message and the other
 * side's position is read only when it has to be; a second one is an error. Then a message costs two atomic operations
 * a side (L. Lamport's ring with remembered positions).
 *
 * Linearization: a send at its change of TAIL, a receive at its change of HEAD, "empty" and "full" at the load of the
 * other side's position. A `try` form that finds its side taken by another thread says the same as for full or empty:
 * it never waits. Order: the order of sending is the order of receiving, and so the order of each sender. Sleepers of a
 * side are woken in the order in which they fell asleep, one a change. Fairness: none beyond that: a newcomer that
 * finds room takes it, any number of times, before the one that was woken has come. Who finds its side
 * taken looks again when it is left: whoever leaves a side wakes a sleeper that can go on. Memory order: cells are
 * plain memory. They are filled before TAIL changes and read after TAIL is read; emptied before HEAD changes, and
 * filled again after HEAD is read. Both are sequentially consistent. A wake-up that a cancelled waiter has received
 * goes to the next (wait.ts). Deaths: a sender that dies before its change of TAIL has sent nothing; a receiver that
 * dies before its change of HEAD has taken nothing, and the next one gets those messages. `threadDied` takes back the
 * side that it had and wakes all. What a receiver had taken dies with it.
 */
import { threadId } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";
import { checkedThreadId, oneOf, whole } from "./arguments.ts";
import { announce, wakeEverybody, wakeOne } from "./sleepers.ts";
import { deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const CAPACITY = 0,
  CELL_BYTES = 1,
  SINGLE = 2,
  SPINS = 3,
  EXTRA = 4;
const SENDER = 16,
  TAIL = 32,
  HEAD = 48,
  RECEIVER = 64,
  FLAGS = 80,
  SENDER_EVENTS = 96,
  RECEIVER_EVENTS = 112;
const HEADER = 128;
const CLOSED = 1;

/** A side, as its bit in FLAGS. */
export type Side = 1 | 2;
export const SENDERS = 1;
export const RECEIVERS = 2;

/** What `beginSend` and `beginReceive` say instead of a cell. Nothing is held then. */
export const BLOCKED = -1;
export const SHUT = -2;

const SIDES = ["one", "many"] as const;

/** What both kinds of channels are made with; each says more of it. */
export interface CoreOptions {
  readonly capacity: number;
  readonly senders?: "one" | "many";
  readonly receivers?: "one" | "many";
  readonly spins?: number;
}

/** `extra`: one more constant, for whoever says what is in a cell. */
export function allocateChannel(options: CoreOptions, cellBytes: number, extra: number): Words {
  const { capacity, spins = 100 } = options;
  whole("the capacity of a channel", capacity, 1, 2 ** 24);
  whole("spins of a channel", spins, 0, 2 ** 24);
  const senders = oneOf("senders of a channel", options.senders === undefined ? "many" : options.senders, SIDES);
  const receivers = oneOf(
    "receivers of a channel",
    options.receivers === undefined ? "many" : options.receivers,
    SIDES,
  );
  const bytes = capacity * cellBytes;
  if (bytes > 2 ** 30)
    throw new LockstepError(
      "OPTION_INVALID",
      `a channel of ${capacity} messages of ${cellBytes} bytes is larger than 1 GiB: take a smaller capacity ` +
        "or smaller messages",
      { capacity, cellBytes },
    );
  const words = allocateWords(HEADER + Math.ceil(bytes / 4));
  words[CAPACITY] = capacity;
  words[CELL_BYTES] = cellBytes;
  words[SINGLE] = (senders === "one" ? SENDERS : 0) | (receivers === "one" ? RECEIVERS : 0);
  words[SPINS] = spins;
  words[EXTRA] = extra;
  return words;
}

export class ChannelCore {
  readonly capacity: number;
  readonly cellBytes: number;
  readonly extra: number;
  /** Where the cells begin in the buffer. */
  readonly byteOffset: number;
  readonly buffer: SharedArrayBuffer;
  /** After `beginSend`: how many cells may be filled. After `beginReceive`: how many may be emptied. */
  count = 0;
  readonly #words: Words;
  readonly #self = threadId + 1;
  readonly #wrap: number;
  readonly #spins: number;
  readonly #oneSender: boolean;
  readonly #oneReceiver: boolean;
  #keepsSender = false;
  #keepsReceiver = false;
  #tail = 0;
  #head = 0;
  #headSeen = 0;
  #tailSeen = 0;

  constructor(handle: SyncHandle, kind: string) {
    const words = attachWords(handle, kind, HEADER);
    this.#words = words;
    this.capacity = load(words, CAPACITY);
    this.cellBytes = load(words, CELL_BYTES);
    this.extra = load(words, EXTRA);
    this.#spins = load(words, SPINS);
    const single = load(words, SINGLE);
    this.#oneSender = (single & SENDERS) !== 0;
    this.#oneReceiver = (single & RECEIVERS) !== 0;
    this.#wrap = 2 * this.capacity;
    this.buffer = words.buffer;
    this.byteOffset = words.byteOffset + 4 * HEADER;
    const cells = Math.floor((4 * (words.length - HEADER)) / Math.max(1, this.cellBytes));
    whole("the capacity of a channel, by its handle", this.capacity, 1, cells);
  }

  get closed(): boolean {
    return (load(this.#words, TAIL) & CLOSED) !== 0;
  }

  /** Messages in the ring; for metrics, as it may have changed when the caller looks. */
  get size(): number {
    return Math.min(this.#distance(load(this.#words, HEAD), load(this.#words, TAIL) >> 1), this.capacity);
  }

  /**
   * The cell to fill first, with `count` free ones from there on (going on at cell 0 after the last); or BLOCKED, or
   * SHUT. At least `wanted` of them, if there is room for so many.
   */
  beginSend(wanted = 1): number {
    if (!this.#keepsSender) {
      if (!this.#take(SENDER, this.#oneSender, "sender")) return BLOCKED;
      this.#keepsSender = this.#oneSender;
      this.#tail = load(this.#words, TAIL);
      this.#headSeen = load(this.#words, HEAD);
    }
    let room = this.capacity - this.#distance(this.#headSeen, this.#tail >> 1);
    if (room < wanted && this.#keepsSender) {
      this.#headSeen = load(this.#words, HEAD);
      this.#tail = load(this.#words, TAIL);
      room = this.capacity - this.#distance(this.#headSeen, this.#tail >> 1);
    }
    if ((this.#tail & CLOSED) !== 0 || room === 0) {
      this.#leaveSender(false);
      return (this.#tail & CLOSED) !== 0 ? SHUT : BLOCKED;
    }
    this.count = room;
    return this.#cell(this.#tail >> 1);
  }

  /** The cells are filled. False: the channel was closed meanwhile, and nothing was sent. */
  endSend(filled: number): boolean {
    const next = this.#forward(this.#tail >> 1, filled) << 1;
    const sent = cas(this.#words, TAIL, this.#tail, next);
    if (sent) this.#tail = next; // else it is closed, which every further try is told too
    this.#leaveSender(sent);
    return sent;
  }

  /**
   * The cell to empty first, with `count` full ones from there on; or BLOCKED (empty), or SHUT (closed and drained).
   * At least `wanted` of them, if so many are there.
   */
  beginReceive(wanted = 1): number {
    if (!this.#keepsReceiver) {
      if (!this.#take(RECEIVER, this.#oneReceiver, "receiver")) return BLOCKED;
      this.#keepsReceiver = this.#oneReceiver;
      this.#head = load(this.#words, HEAD);
      this.#tailSeen = load(this.#words, TAIL);
    }
    let full = this.#distance(this.#head, this.#tailSeen >> 1);
    if (full < wanted && this.#keepsReceiver) {
      this.#tailSeen = load(this.#words, TAIL);
      full = this.#distance(this.#head, this.#tailSeen >> 1);
    }
    if (full === 0) {
      this.#leaveReceiver(false);
      return (this.#tailSeen & CLOSED) !== 0 ? SHUT : BLOCKED;
    }
    this.count = full;
    return this.#cell(this.#head);
  }

  endReceive(emptied: number): void {
    this.#head = this.#forward(this.#head, emptied);
    Atomics.store(this.#words, HEAD, this.#head);
    this.#leaveReceiver(true);
  }

  close(): boolean {
    const first = (Atomics.or(this.#words, TAIL, CLOSED) & CLOSED) === 0;
    this.wakeAll();
    return first;
  }

  wakeAll(): void {
    wakeEverybody(this.#words, FLAGS, SENDERS, SENDER_EVENTS);
    wakeEverybody(this.#words, FLAGS, RECEIVERS, RECEIVER_EVENTS);
  }

  threadDied(deadThreadId: number): boolean {
    const dead = checkedThreadId(deadThreadId) + 1;
    const sent = cas(this.#words, SENDER, dead, 0);
    const received = cas(this.#words, RECEIVER, dead, 0);
    this.wakeAll();
    return sent || received;
  }

  /** Gives back the sides that this object keeps as the only sender or receiver. */
  leave(): void {
    if (this.#keepsSender) Atomics.store(this.#words, SENDER, 0);
    if (this.#keepsReceiver) Atomics.store(this.#words, RECEIVER, 0);
    this.#keepsSender = false;
    this.#keepsReceiver = false;
  }

  /**
   * Blocks until `attempt` returns something. It is to call `beginSend` or `beginReceive`, and to return undefined when
   * BLOCKED.
   */
  block<R>(side: Side, attempt: () => R | undefined, what: string, options: WaitOptions): R {
    const events = side === SENDERS ? SENDER_EVENTS : RECEIVER_EVENTS;
    const deadline = deadlineOf(options);
    for (;;) {
      for (let spin = 0; spin < this.#spins; spin++) {
        const early = this.#ready(side) ? attempt() : undefined;
        if (early !== undefined) return early;
        Atomics.pause();
      }
      const seen = announce(this.#words, FLAGS, side, events);
      const result = attempt();
      if (result !== undefined) return result;
      if (sleep(this.#words, events, seen, deadline, what, options.abort)) continue;
      const last = attempt();
      if (last !== undefined) return last;
      throw timedOut(what, options);
    }
  }

  /** The same without blocking the thread, and without spinning. */
  async blockAsync<R>(side: Side, attempt: () => R | undefined, what: string, options: AsyncWaitOptions): Promise<R> {
    const events = side === SENDERS ? SENDER_EVENTS : RECEIVER_EVENTS;
    const deadline = deadlineOf(options);
    for (;;) {
      const seen = announce(this.#words, FLAGS, side, events);
      const result = attempt();
      if (result !== undefined) return result;
      if (await sleepAsync(this.#words, events, seen, deadline, what, options.signal, options.abort)) continue;
      const last = attempt();
      if (last !== undefined) return last;
      throw timedOut(what, options);
    }
  }

  #take(word: number, single: boolean, side: string): boolean {
    const before = Atomics.compareExchange(this.#words, word, 0, this.#self);
    if (before === 0) return true;
    if (single)
      throw new LockstepError(
        "CONFLICT",
        `this channel was made for one ${side}, and thread ${before - 1} is it already: make it for many, or ` +
          "let that one leave() first",
        { side, thread: before - 1 },
      );
    return false;
  }

  #leaveSender(sent: boolean): void {
    if (!this.#keepsSender) Atomics.store(this.#words, SENDER, 0);
    const flags = load(this.#words, FLAGS);
    if (flags === 0) return;
    if (sent && (flags & RECEIVERS) !== 0) wakeOne(this.#words, FLAGS, RECEIVERS, RECEIVER_EVENTS);
    if ((flags & SENDERS) !== 0 && this.#ready(SENDERS)) wakeOne(this.#words, FLAGS, SENDERS, SENDER_EVENTS);
  }

  #leaveReceiver(received: boolean): void {
    if (!this.#keepsReceiver) Atomics.store(this.#words, RECEIVER, 0);
    const flags = load(this.#words, FLAGS);
    if (flags === 0) return;
    if (received && (flags & SENDERS) !== 0) wakeOne(this.#words, FLAGS, SENDERS, SENDER_EVENTS);
    if ((flags & RECEIVERS) !== 0 && this.#ready(RECEIVERS)) wakeOne(this.#words, FLAGS, RECEIVERS, RECEIVER_EVENTS);
  }

  /** Whether one of this side could go on now, were the side free. */
  #ready(side: Side): boolean {
    const head = load(this.#words, HEAD);
    const tail = load(this.#words, TAIL);
    if ((tail & CLOSED) !== 0) return true;
    const full = this.#distance(head, tail >> 1);
    return side === SENDERS ? full < this.capacity : full > 0;
  }

  #distance(from: number, to: number): number {
    return to >= from ? to - from : to - from + this.#wrap;
  }

  #forward(position: number, by: number): number {
    const next = position + by;
    return next >= this.#wrap ? next - this.#wrap : next;
  }

  #cell(position: number): number {
    return position >= this.capacity ? position - this.capacity : position;
  }
}
