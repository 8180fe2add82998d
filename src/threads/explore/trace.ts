/** What happened in one schedule, step by step. */
import { E, EVENT_WORDS, eventBase, KILL_FLAG, KIND, type Control } from "./control.ts";
import type { Footprint } from "./dependence.ts";

export interface TraceEvent extends Footprint {
  thread: number;
  a: number;
  before: number;
  after: number;
  /** Threads that could take this step; whoever was put off because it spun is not among them. */
  enabled: number;
  /** Threads whose operation had been explored already when this step was chosen. */
  sleep: number;
  /** The step of the notification that this thread had been woken by since its last one, or −1. */
  wokenBy: number;
  alive: number;
  /** Threads that this notification woke. */
  woken: number;
  /** Threads that stood at an operation, of those enabled: the others could only time out. */
  ready: number;
  /** What kind of element `a`, `before` and `after` are of (`ELEMENTS`), and their upper halves. */
  element: number;
  aHigh: number;
  beforeHigh: number;
  afterHigh: number;
}

const IDENTITY = [E.THREAD, E.KIND, E.BUFFER, E.OFFSET];
const VALUES = [E.SIZE, E.A, E.BEFORE, E.AFTER, E.WOKE];

export class Trace {
  readonly length: number;
  readonly #words: Int32Array;

  /** Copied into `into`, which has to be long enough: the next schedule overwrites the control memory. */
  static of(control: Control, length: number, into: Int32Array): Trace {
    into.set(control.subarray(eventBase(0), eventBase(length)));
    return new Trace(into, length);
  }

  private constructor(words: Int32Array, length: number) {
    this.length = length;
    this.#words = words;
  }

  /** One that is good for as long as it is wanted. */
  copy(): Trace {
    return new Trace(this.#words.slice(0, this.length * EVENT_WORDS), this.length);
  }

  /**
   * Whether anything was read or written that is not atomic, or atomically in pieces of another size than four bytes:
   * else nothing can race.
   */
  get mayRace(): boolean {
    for (let at = 0; at < this.length * EVENT_WORDS; at += EVENT_WORDS) {
      const kind = this.#words[at + E.KIND]!;
      if (kind === KIND.READ || kind === KIND.WRITE || (kind <= KIND.ASYNC_WAIT && this.#words[at + E.SIZE] !== 4))
        return true;
    }
    return false;
  }

  /**
   * Whether the same threads did the same operations at the same places, in the first `steps` steps; else the first
   * that differs. `values`: and saw and left the same.
   */
  differsFrom(other: Trace, steps: number, values = false): number | null {
    for (let step = 0; step < steps; step++) {
      if (step >= this.length || step >= other.length) return step;
      for (const word of values ? [...IDENTITY, ...VALUES] : IDENTITY)
        if (this.#words[step * EVENT_WORDS + word] !== other.#words[step * EVENT_WORDS + word]) return step;
    }
    return null;
  }

  /** As choices, to be made again. */
  choices(): number[] {
    return Array.from({ length: this.length }, (_, step) => {
      const thread = this.#words[step * EVENT_WORDS + E.THREAD]!;
      return this.#words[step * EVENT_WORDS + E.KIND] === KIND.KILL ? thread | KILL_FLAG : thread;
    });
  }

  at(step: number): TraceEvent {
    const words = this.#words;
    const at = step * EVENT_WORDS;
    return {
      thread: words[at + E.THREAD]!,
      kind: words[at + E.KIND]!,
      buffer: words[at + E.BUFFER]!,
      offset: words[at + E.OFFSET]!,
      size: words[at + E.SIZE]!,
      a: words[at + E.A]!,
      before: words[at + E.BEFORE]!,
      after: words[at + E.AFTER]!,
      writes: words[at + E.WROTE] !== 0,
      enabled: words[at + E.ENABLED]!,
      sleep: words[at + E.SLEEP]!,
      inbox: words[at + E.INBOX]!,
      woke: words[at + E.WOKE]!,
      wokenBy: words[at + E.WOKEN_BY]!,
      alive: words[at + E.ALIVE]!,
      woken: words[at + E.WOKEN]!,
      ready: words[at + E.READY]!,
      spun: words[at + E.SPUN] !== 0,
      element: words[at + E.ELEMENT]!,
      aHigh: words[at + E.A_HIGH]!,
      beforeHigh: words[at + E.BEFORE_HIGH]!,
      afterHigh: words[at + E.AFTER_HIGH]!,
    };
  }

  events(): TraceEvent[] {
    return Array.from({ length: this.length }, (_, step) => this.at(step));
  }
}
