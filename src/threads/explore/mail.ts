/** Messages between explored threads, in the control memory: a queue for each end of each channel. */
import {
  H,
  L,
  listenerBase,
  M,
  MAX_LISTENERS,
  MAX_MESSAGES,
  MESSAGE_BYTES,
  messageBase,
  messageBytes,
  type Control,
} from "./control.ts";

interface Listener {
  readonly channel: number;
  readonly side: number;
  readonly receive: (bytes: Uint8Array) => void;
}

export class Mail {
  readonly #control: Control;
  readonly #thread: number;
  readonly #refuse: (what: string) => never;
  #listeners: Listener[] = [];

  /** `refuse`: for what has no room. */
  constructor(control: Control, thread: number, refuse: (what: string) => never) {
    this.#control = control;
    this.#thread = thread;
    this.#refuse = refuse;
  }

  forget(): void {
    this.#listeners = [];
  }

  listen(channel: number, side: number, receive: (bytes: Uint8Array) => void): void {
    const control = this.#control;
    this.#listeners.push({ channel, side, receive });
    for (let index = 0; index < MAX_LISTENERS; index++) {
      const at = listenerBase(index);
      if (control[at + L.USED] !== 0) continue;
      control[at + L.USED] = 1;
      control[at + L.CHANNEL] = channel;
      control[at + L.SIDE] = side;
      control[at + L.THREAD] = this.#thread;
      return;
    }
    return this.#refuse(`more than ${MAX_LISTENERS} ports are listened at in one schedule`);
  }

  /** Returns the thread that listens there, or −1. */
  put(channel: number, to: number, bytes: Uint8Array): number {
    const control = this.#control;
    const at = this.#free();
    const start = control[H.BYTES]!;
    if (start + bytes.length > MESSAGE_BYTES)
      return this.#refuse(`the messages of one schedule have more than ${MESSAGE_BYTES} bytes`);
    messageBytes(control).set(bytes, start);
    control[H.BYTES] = start + bytes.length;
    control[at + M.USED] = 1;
    control[at + M.CHANNEL] = channel;
    control[at + M.TO] = to;
    control[at + M.AT] = start;
    control[at + M.LENGTH] = bytes.length;
    control[at + M.STAMP] = control[H.STAMP]!++;
    for (let index = 0; index < MAX_LISTENERS; index++) {
      const listener = listenerBase(index);
      if (
        control[listener + L.USED] !== 0 &&
        control[listener + L.CHANNEL] === channel &&
        control[listener + L.SIDE] === to
      )
        return control[listener + L.THREAD]!;
    }
    return -1;
  }

  take(channel: number, side: number): Uint8Array | null {
    return this.#taken(
      this.#oldest((at) => this.#control[at + M.CHANNEL] === channel && this.#control[at + M.TO] === side),
    );
  }

  /** Whether anything has come that this thread listens for. */
  has(): boolean {
    return this.#listeners.length > 0 && this.#oldest((at) => this.#listenerOf(at) !== undefined) >= 0;
  }

  /** Hands the oldest message to its listener. */
  deliver(): void {
    const at = this.#oldest((message) => this.#listenerOf(message) !== undefined);
    if (at < 0) return;
    const listener = this.#listenerOf(at)!;
    listener.receive(this.#taken(at)!);
  }

  #listenerOf(at: number): Listener | undefined {
    const control = this.#control;
    return this.#listeners.find(
      ({ channel, side }) => control[at + M.CHANNEL] === channel && control[at + M.TO] === side,
    );
  }

  #taken(at: number): Uint8Array | null {
    if (at < 0) return null;
    const control = this.#control;
    control[at + M.USED] = 0;
    const start = control[at + M.AT]!;
    return Uint8Array.from(messageBytes(control).subarray(start, start + control[at + M.LENGTH]!));
  }

  #free(): number {
    for (let index = 0; index < MAX_MESSAGES; index++)
      if (this.#control[messageBase(index)] === 0) return messageBase(index);
    return this.#refuse(`more than ${MAX_MESSAGES} messages are under way at once`);
  }

  #oldest(wanted: (at: number) => boolean): number {
    const control = this.#control;
    let first = -1;
    for (let index = 0; index < MAX_MESSAGES; index++) {
      const at = messageBase(index);
      if (control[at + M.USED] === 0 || !wanted(at)) continue;
      if (first < 0 || control[at + M.STAMP]! < control[first + M.STAMP]!) first = at;
    }
    return first;
  }
}
