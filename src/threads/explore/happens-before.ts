/**
 * Which steps of a schedule depend on which, as vector clocks: `clock(i)[t]` is the last step of thread t that step i
 * comes after in every equivalent schedule (−1: none), itself included. And which pairs of steps are in a *race* in the
 * sense of partial-order reduction: dependent, of different threads, with nothing in between that orders them, so that
 * another schedule has them the other way round.
 */
import { KIND, MAX_THREADS } from "./control.ts";
import { dependent } from "./dependence.ts";
import type { TraceEvent } from "./trace.ts";

/**
 * A death is a step of a process of its own, which may come whenever its thread lives: processes are the threads, and
 * after them their deaths.
 */
export const processOf = ({ kind, thread }: TraceEvent): number => (kind === KIND.KILL ? MAX_THREADS + thread : thread);

export class HappensBefore {
  readonly #threads: number;
  readonly #supervisor: number;
  readonly #events: TraceEvent[] = [];
  readonly #clocks: Int32Array[] = [];
  /** Steps of each thread, in order. */
  readonly #steps: number[][];

  /** `deaths`: threads may die, and one more, after the last, deals with it. */
  constructor(threads: number, deaths = false) {
    this.#supervisor = threads;
    this.#threads = deaths ? 2 * MAX_THREADS : threads;
    this.#steps = Array.from({ length: this.#threads }, () => []);
  }

  get length(): number {
    return this.#events.length;
  }

  event(step: number): TraceEvent {
    return this.#events[step]!;
  }

  clock(step: number): Int32Array {
    return this.#clocks[step]!;
  }

  /** Whether step i comes before step j (i < j) in every equivalent schedule. */
  before(i: number, j: number): boolean {
    return i <= this.#clocks[j]![processOf(this.#events[i]!)]!;
  }

  /** Forgets the steps from `length` on. */
  truncate(length: number): void {
    while (this.#events.length > length) {
      const event = this.#events.pop()!;
      this.#clocks.pop();
      this.#steps[processOf(event)]!.pop();
    }
  }

  /** Appends a step; returns the earlier steps that it races with, latest first. */
  push(event: TraceEvent): number[] {
    const step = this.#events.length;
    const process = processOf(event);
    const own = this.#steps[process]!;
    const previous = own.at(-1);
    const clock = previous === undefined ? new Int32Array(this.#threads).fill(-1) : this.#clocks[previous]!.slice();
    if (event.wokenBy >= 0) join(clock, this.#clocks[event.wokenBy]!);
    const candidates: number[] = [];
    for (let thread = 0; thread < this.#threads; thread++) {
      if (thread === process) continue;
      const steps = this.#steps[thread]!;
      for (let at = steps.length - 1; at >= 0 && steps[at]! > clock[thread]!; at--) {
        if (!this.#dependent(this.#events[steps[at]!]!, event)) continue;
        candidates.push(steps[at]!);
        break;
      }
    }
    const races = candidates.filter((candidate) =>
      candidates.every((other) => other === candidate || !this.before(candidate, other) || other < candidate),
    );
    for (const candidate of candidates) join(clock, this.#clocks[candidate]!);
    clock[process] = step;
    this.#events.push(event);
    this.#clocks.push(clock);
    own.push(step);
    return races.sort((a, b) => b - a);
  }

  /**
   * A death ends its thread, takes it from where it sleeps, and gives the supervisor something to do; nobody else can
   * tell when it was.
   */
  #dependent(a: TraceEvent, b: TraceEvent): boolean {
    if (a.kind !== KIND.KILL && b.kind !== KIND.KILL) return dependent(a, b);
    const [death, other] = a.kind === KIND.KILL ? [a, b] : [b, a];
    return (
      other.kind === KIND.KILL ||
      other.kind === KIND.NOTIFY ||
      other.thread === death.thread ||
      other.thread === this.#supervisor
    );
  }
}

function join(into: Int32Array, other: Int32Array): void {
  for (let thread = 0; thread < into.length; thread++)
    if (other[thread]! > into[thread]!) into[thread] = other[thread]!;
}
