/**
 * A seqlock cell: a small record of words that one writer at a time replaces as a whole, and that readers copy without
 * ever holding a writer up. A reader that has met a writer tries again. For values that are read much more often than
 * written (progress, rates, positions).
 *
 * Words: 0 STATE    even, 2·v: version v stands; odd, 2·(threadId + 1) + 1: that thread is writing; 1: broken, its
 *                   writer died inside
 *        1 VERSION  the newest version that anybody has begun to write; only the writer changes it
 *        2 FLAGS    1: somebody may sleep until a write is over; 3 EVENTS what they sleep on (sleepers.ts)
 *        4 WIDTH, 5 SPINS   constants, stored before the handle exists; from 6 on the payload
 *
 * write     STATE: 2·v → odd by compare-and-set; VERSION = v + 1; payload; STATE = 2·(v + 1); wake
 * read      s = STATE, even; payload; STATE is still s: the copy is version s / 2. Else again
 * death     STATE: odd of the dead → 1 by compare-and-set. 1 → odd only by `writeForRepair`, which writes the whole
 *           payload; then VERSION + 1
 *
 * Why the payload is read and written with `Atomics`, never plainly: a reader does read while a writer writes, and
 * finds out afterwards. Plain accesses would be a data race, whose values the language says little about, and could be
 * moved past the second look at STATE. Sequentially consistent ones cannot, so of the fences in H. Boehm, "Can Seqlocks
 * Get Along with Programming Language Memory Models?" (2012), none is needed here. Floats travel as their bits. Why a
 * version never comes back: a reader that slept through a broken write and its repair must not find its old STATE; so
 * the version after a repair is taken from VERSION, which is written before the payload. Versions run to 2^30 − 1 and
 * then begin again at 0: a reader would have to sleep through all of them to be deceived.
 * Progress: a read is repeated only because a write ended meanwhile, so some thread gets on; one reader may be
 * overtaken without bound (give it a time limit). Once it has met an unfinished write in SPINS further looks, a reader
 * sleeps until that is over, as writers do. No order among writers is promised. Deaths: a dead reader leaves nothing. A
 * dead writer leaves the cell broken if it had begun, and readers and writers get OwnerDiedError.
 */
import { setImmediate } from "node:timers/promises";
import { threadId } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";
import type { Wakeable } from "./abort.ts";
import { callable, checkedThreadId, options as checkOptions, refused, whole } from "./arguments.ts";
import { OwnerDiedError, type Supervised } from "./owner-died.ts";
import { announce, wakeEverybody } from "./sleepers.ts";
import { cancelled, deadlineOf, sleep, sleepAsync, timedOut, type AsyncWaitOptions, type WaitOptions } from "./wait.ts";
import { allocateWords, attachWords, cas, load, type SyncHandle, type Words } from "./words.ts";

const STATE = 0,
  VERSION = 1,
  FLAGS = 2,
  EVENTS = 3,
  WIDTH = 4,
  SPINS = 5,
  PAYLOAD = 6;
const ASLEEP = 1;
const BROKEN = 1;
const VERSIONS = 0x3fff_ffff;

export interface SeqlockOptions {
  /**
   * How often a blocking form looks at an unfinished write again, each some 50 ns, before its thread sleeps: 0 (never)
   * to 2^24. @default 64
   */
  readonly spins?: number;
}

export type SeqlockHandle = SyncHandle<"seqlock">;

export class SeqlockCell implements Supervised, Wakeable {
  readonly handle: SeqlockHandle;
  /** Int32 words in the payload. */
  readonly width: number;
  readonly #words: Words;
  readonly #spins: number;
  readonly #self = 2 * (threadId + 1) + 1;

  private constructor(handle: SeqlockHandle) {
    this.handle = handle;
    this.#words = attachWords(handle, "seqlock", PAYLOAD);
    this.width = load(this.#words, WIDTH);
    this.#spins = load(this.#words, SPINS);
    whole("the width of a seqlock cell, by its handle", this.width, 1, this.#words.length - PAYLOAD);
  }

  /** A payload of `width` Int32 words (1 to 2^20), all 0, version 0. For a float64 take two words. */
  static create(width: number, options: SeqlockOptions = {}): SeqlockCell {
    whole("the number of a seqlock cell's words", width, 1, 2 ** 20);
    checkOptions("a seqlock cell", options, ["spins"]);
    const spins = whole("spins of a seqlock cell", options.spins ?? 64, 0, 2 ** 24);
    const words = allocateWords(PAYLOAD + width);
    words[WIDTH] = width;
    words[SPINS] = spins;
    return new SeqlockCell({ kind: "seqlock", words });
  }

  static attach(handle: SeqlockHandle): SeqlockCell {
    return new SeqlockCell(handle);
  }

  get broken(): boolean {
    return load(this.#words, STATE) === BROKEN;
  }

  /** How many writes are done or begun, modulo 2^30. */
  get version(): number {
    return load(this.#words, VERSION);
  }

  /**
   * Copies the payload into `into` and returns it. `into` is any view of 4 · width bytes over memory of the caller's
   * own: `Int32Array`, or `Float32Array` or `Float64Array` for what was written from one. Blocks only while a write is
   * under way. Throws OwnerDiedError while broken, TIMEOUT, or the abort's reason.
   */
  read<V extends ArrayBufferView = Int32Array>(into?: V, options: WaitOptions = {}): V {
    const { view, words } = this.#target(into);
    const deadline = deadlineOf(options);
    for (;;) {
      for (let spin = 0; spin < this.#spins; spin++) {
        if (this.#copy(words)) return view;
        Atomics.pause();
      }
      if (load(this.#words, STATE) === this.#self) throw this.#inOwnWay();
      const seen = announce(this.#words, FLAGS, ASLEEP, EVENTS);
      if (this.#copy(words)) return view;
      // the write that was met is over, and EVENTS has changed, or it wakes who sleeps
      if (!sleep(this.#words, EVENTS, seen, deadline, "reading a seqlock cell", options.abort))
        throw timedOut("reading a seqlock cell", options);
    }
  }

  /** The form for a thread that must not block. */
  async readAsync<V extends ArrayBufferView = Int32Array>(into?: V, options: AsyncWaitOptions = {}): Promise<V> {
    const { view, words } = this.#target(into);
    await this.#untilAsync(() => this.#copy(words), "reading a seqlock cell", options);
    return view;
  }

  /** One try: null if a write came between. Throws OwnerDiedError while broken. */
  tryRead<V extends ArrayBufferView = Int32Array>(into?: V): V | null {
    const { view, words } = this.#target(into);
    return this.#copy(words) ? view : null;
  }

  /**
   * Replaces the whole payload by the bits of `values`, a view of 4 · width bytes. Waits for other writers. Throws as
   * `read` does.
   */
  write(values: ArrayBufferView, options: WaitOptions = {}): void {
    const source = this.#source(values);
    this.#finish(this.#enter(false, options), source);
  }

  async writeAsync(values: ArrayBufferView, options: AsyncWaitOptions = {}): Promise<void> {
    const source = this.#source(values);
    let state = 0;
    await this.#untilAsync(() => (state = this.#tryEnter(false)) >= 0, "writing a seqlock cell", options);
    this.#finish(state, source);
  }

  /** False if another thread is writing. Throws OwnerDiedError while broken. */
  tryWrite(values: ArrayBufferView): boolean {
    const source = this.#source(values);
    const state = this.#tryEnter(false);
    if (state >= 0) this.#finish(state, source);
    return state >= 0;
  }

  /** Makes a broken cell whole: `values` are the whole payload. Also writes a cell that is not broken. */
  writeForRepair(values: ArrayBufferView, options: WaitOptions = {}): void {
    const source = this.#source(values);
    this.#finish(this.#enter(true, options), source);
  }

  /**
   * Lets `change` alter a copy of the payload and writes that, with no other write between. If it throws, nothing is
   * written.
   */
  update(change: (words: Int32Array) => void, options: WaitOptions = {}): void {
    callable("what changes a seqlock cell", change);
    const state = this.#enter(false, options);
    const words = new Int32Array(this.width);
    for (let i = 0; i < words.length; i++) words[i] = load(this.#words, PAYLOAD + i);
    let changed = false;
    try {
      change(words);
      changed = true;
    } finally {
      if (changed) this.#finish(state, words);
      else this.#leave(state);
    }
  }

  wakeAll(): void {
    wakeEverybody(this.#words, FLAGS, ASLEEP, EVENTS);
  }

  /** A writer that died inside leaves the cell broken. */
  threadDied(deadThreadId: number): boolean {
    const inside = cas(this.#words, STATE, 2 * (checkedThreadId(deadThreadId) + 1) + 1, BROKEN);
    this.wakeAll();
    return inside;
  }

  #copy(into: Int32Array): boolean {
    const before = load(this.#words, STATE);
    if (before === BROKEN) throw this.#ownerDied();
    if ((before & 1) !== 0) return false;
    for (let i = 0; i < into.length; i++) into[i] = load(this.#words, PAYLOAD + i);
    return load(this.#words, STATE) === before;
  }

  /** The state before, if this thread is the writer now; else −1. */
  #tryEnter(repair: boolean): number {
    const state = load(this.#words, STATE);
    if (state === BROKEN && !repair) throw this.#ownerDied();
    if (state === this.#self) throw this.#inOwnWay();
    if (state !== BROKEN && (state & 1) !== 0) return -1;
    return cas(this.#words, STATE, state, this.#self) ? state : -1;
  }

  #enter(repair: boolean, options: WaitOptions): number {
    const deadline = deadlineOf(options);
    for (;;) {
      for (let spin = 0; spin < this.#spins; spin++) {
        const state = this.#tryEnter(repair);
        if (state >= 0) return state;
        Atomics.pause();
      }
      const seen = announce(this.#words, FLAGS, ASLEEP, EVENTS);
      const state = this.#tryEnter(repair);
      if (state >= 0) return state;
      if (!sleep(this.#words, EVENTS, seen, deadline, "writing a seqlock cell", options.abort))
        throw timedOut("writing a seqlock cell", options);
    }
  }

  #finish(before: number, source: Int32Array): void {
    const version = (before === BROKEN ? load(this.#words, VERSION) + 1 : (before >> 1) + 1) & VERSIONS;
    Atomics.store(this.#words, VERSION, version);
    for (let i = 0; i < source.length; i++) Atomics.store(this.#words, PAYLOAD + i, source[i]!);
    this.#leave(2 * version);
  }

  #leave(state: number): void {
    Atomics.store(this.#words, STATE, state);
    if (load(this.#words, FLAGS) !== 0) this.wakeAll();
  }

  async #untilAsync(attempt: () => boolean, what: string, options: AsyncWaitOptions): Promise<void> {
    const deadline = deadlineOf(options);
    for (let looks = 1; !attempt(); looks++) {
      const seen = announce(this.#words, FLAGS, ASLEEP, EVENTS);
      const state = load(this.#words, STATE);
      if (state !== BROKEN && (state & 1) !== 0) {
        if (!(await sleepAsync(this.#words, EVENTS, seen, deadline, what, options.signal, options.abort)))
          throw timedOut(what, options);
      } else if (looks % (this.#spins + 1) === 0) {
        await setImmediate(undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {
          throw cancelled(what, options.signal);
        }); // writers outrun this thread: its event loop goes on
        options.abort?.throwIfAborted(what);
        if (performance.now() >= deadline) throw timedOut(what, options);
      }
    }
  }

  #target<V extends ArrayBufferView>(into: V | undefined): { readonly view: V; readonly words: Int32Array } {
    const view = into ?? (new Int32Array(this.width) as ArrayBufferView as V);
    return { view, words: this.#source(view) };
  }

  #source(view: ArrayBufferView): Int32Array {
    const what = `what a seqlock cell of ${this.width} words is read and written through`;
    if (!ArrayBuffer.isView(view)) throw refused(what, `a view of ${4 * this.width} bytes`, view);
    if (view.byteLength !== 4 * this.width) throw refused(what, `a view of ${4 * this.width} bytes`, view.byteLength);
    if (view.byteOffset % 4 !== 0)
      throw refused(`where ${what} begins in its buffer`, "a multiple of 4 bytes", view.byteOffset);
    return view instanceof Int32Array ? view : new Int32Array(view.buffer, view.byteOffset, this.width);
  }

  #inOwnWay(): LockstepError {
    return new LockstepError(
      "DEADLOCK",
      "this thread is writing the seqlock cell (inside `update`): to read or write it there would never end; use the " +
        "words that `update` gives",
      { thread: threadId },
    );
  }

  #ownerDied(): OwnerDiedError {
    return new OwnerDiedError("the seqlock cell", "write its whole payload anew with writeForRepair");
  }
}
