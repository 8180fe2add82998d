/**
 * Data races, by ECMAScript's memory model (ECMA-262, "Memory Model"): two accesses of different threads to overlapping
 * bytes, at least one a write, neither happening before the other, unless both are atomic and of exactly the same
 * bytes. Happens-before is program order; an atomic read after the atomic write that it reads from; all uses of the
 * list of sleepers of one address, in their order (waiting, notifying); starting and ending a thread; sending a message
 * and receiving it.
 *
 * This order is not the one that partial-order reduction uses: there every two dependent steps are ordered, so nothing
 * could ever race.
 */
import { KIND } from "./control.ts";
import type { TraceEvent } from "./trace.ts";

export interface Race {
  /** Steps; `first` comes earlier in this schedule. */
  readonly first: number;
  readonly second: number;
}

interface Access {
  readonly step: number;
  readonly thread: number;
  readonly offset: number;
  readonly size: number;
  readonly atomic: boolean;
  readonly writes: boolean;
  /** The thread's own clock at the access. */
  readonly time: number;
}

type Clock = Int32Array;

const ATOMIC = mask(KIND.LOAD, KIND.STORE, KIND.RMW, KIND.CAS, KIND.WAIT, KIND.ASYNC_WAIT);
const PLAIN = mask(KIND.READ, KIND.WRITE);
const LIST = mask(KIND.WAIT, KIND.ASYNC_WAIT, KIND.NOTIFY, KIND.TIMEOUT);

function mask(...kinds: number[]): number {
  return kinds.reduce((bits, kind) => bits | (1 << kind), 0);
}

/** The first race of a schedule, or null. */
export function findRace(events: readonly TraceEvent[], threads: number): Race | null {
  const clocks: Clock[] = Array.from({ length: threads }, (_, thread) => {
    const clock = new Int32Array(threads);
    clock[thread] = 1;
    return clock;
  });
  const written = new Map<string, Clock>();
  const lists = new Map<string, Clock>();
  const deaths = new Map<number, Clock>();
  const accesses = new Map<number, Access[]>();
  for (const [step, event] of events.entries()) {
    const { thread, kind, buffer, offset, size } = event;
    const clock = clocks[thread]!;
    const bit = 1 << kind;
    if (kind === KIND.KILL) deaths.set(step, clock.slice());
    const death = deaths.get(event.wokenBy);
    if (death !== undefined) join(clock, death);
    const list = (bit & LIST) !== 0 ? `${buffer}:${offset}` : "";
    if (list !== "" && lists.has(list)) join(clock, lists.get(list)!);
    if ((bit & (ATOMIC | PLAIN)) !== 0) {
      const atomic = (bit & ATOMIC) !== 0;
      const cell = `${buffer}:${offset}:${size}`;
      const reads = kind !== KIND.STORE;
      if (atomic && reads && written.has(cell)) join(clock, written.get(cell)!);
      const access: Access = { step, thread, offset, size, atomic, writes: event.writes, time: clock[thread]! };
      const earlier = accesses.get(buffer) ?? [];
      const racing = earlier.find((other) => conflict(other, access) && other.time > clock[other.thread]!);
      if (racing !== undefined) return { first: racing.step, second: step };
      accesses.set(buffer, [...earlier.filter((other) => !covers(access, other)), access]);
      if (atomic && event.writes) written.set(cell, clock.slice());
    }
    if (list !== "") lists.set(list, clock.slice());
    if (kind === KIND.SEND) lists.set(mailbox(event), clock.slice());
    if (kind === KIND.RECEIVE && lists.has(mailbox(event))) join(clock, lists.get(mailbox(event))!);
    const release = clock.slice();
    clock[thread]!++;
    for (let woken = 0; woken < threads; woken++) if ((event.woken & (1 << woken)) !== 0) join(clocks[woken]!, release);
  }
  return null;
}

function conflict(a: Access, b: Access): boolean {
  if (
    a.thread === b.thread ||
    (!a.writes && !b.writes) ||
    a.offset >= b.offset + b.size ||
    b.offset >= a.offset + a.size
  )
    return false;
  return !(a.atomic && b.atomic && a.offset === b.offset && a.size === b.size);
}

/** Messages to one end of a channel come from one thread, in order. */
function mailbox({ buffer, offset }: TraceEvent): string {
  return `message ${buffer}:${offset}`;
}

/**
 * Whether a later access makes an earlier one of the same thread needless: whoever races with that one races with this
 * one.
 */
function covers(later: Access, earlier: Access): boolean {
  return (
    later.thread === earlier.thread &&
    later.offset === earlier.offset &&
    later.size === earlier.size &&
    later.atomic === earlier.atomic &&
    (later.writes || !earlier.writes)
  );
}

function join(into: Clock, other: Clock): void {
  for (let thread = 0; thread < into.length; thread++)
    if (other[thread]! > into[thread]!) into[thread] = other[thread]!;
}
