/**
 * How far long work is, on standard error: one line that updates on a terminal, a plain line now and then elsewhere.
 * What is done within the first seconds says nothing.
 */
import { formatCount, formatDuration } from "../api/index.ts";
import { CLEAR, isLive, type Terminal } from "./progress.ts";

/** Milliseconds before the first line, and between two: on a terminal, elsewhere. */
const PAUSES = { live: { first: 1000, next: 200 }, plain: { first: 10_000, next: 10_000 } } as const;

export class Counter implements Disposable {
  readonly #noun: string;
  readonly #terminal: Terminal;
  readonly #isLive: boolean;
  readonly #now: () => number;
  readonly #started: number;
  #next: number;
  #isShown = false;

  constructor(noun: string, terminal: Terminal = process.stderr, env = process.env, now = () => performance.now()) {
    this.#noun = noun;
    this.#terminal = terminal;
    this.#isLive = isLive(terminal, env);
    this.#now = now;
    this.#started = now();
    this.#next = this.#started + this.#pauses.first;
  }

  /** `of`: of how many, where that is known. */
  readonly show = (done: number, of?: number): void => {
    const now = this.#now();
    if (now < this.#next) return;
    this.#next = now + this.#pauses.next;
    const passed = now - this.#started;
    const words = [
      `${formatCount(done)}${of === undefined ? "" : ` of ${formatCount(of)}`} ${this.#noun}`,
      `${formatCount(Math.round((1000 * done) / passed))} a second`,
      ...(of === undefined || done === 0 ? [] : [`${formatDuration((passed * (of - done)) / done)} left`]),
    ].join(", ");
    this.#terminal.write(this.#isLive ? `\r${words}${CLEAR_REST}` : `${words}\n`);
    this.#isShown = this.#isLive;
  };

  /** Takes the updating line away. */
  clear(): void {
    if (this.#isShown) this.#terminal.write(CLEAR);
    this.#isShown = false;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  get #pauses(): (typeof PAUSES)["live" | "plain"] {
    return this.#isLive ? PAUSES.live : PAUSES.plain;
  }
}

/** What was there of a longer line. */
const CLEAR_REST = "\u001b[K";
