/**
 * Which operations depend on each other: two that do not may be swapped without anybody noticing (Mazurkiewicz 1977),
 * so only the orders of those that do are explored. Works on raw records, since it runs at every step of every
 * schedule.
 */
import { KIND } from "./control.ts";

/**
 * An operation in some Int32Array, at `at`: kind, buffer, offset, size, in this order, and where its other words lie.
 */
export interface Footprint {
  kind: number;
  buffer: number;
  offset: number;
  size: number;
  /** Whether it wrote, or might if it has not been done yet. */
  writes: boolean;
  /**
   * NOTIFY: how many it woke; −1: not known yet. WAIT: 1 if it went to sleep, 0 if the word was another, −1 not known
   * yet.
   */
  woke: number;
  /** Bits of the threads whose event loop it gave something to do; −1: not known yet. */
  inbox: number;
  /** It was put off, as a spin, until somebody changed something. */
  spun: boolean;
}

const READS_MEMORY = bits(KIND.LOAD, KIND.RMW, KIND.CAS, KIND.WAIT, KIND.ASYNC_WAIT, KIND.READ);
const TOUCHES_MEMORY = READS_MEMORY | bits(KIND.STORE, KIND.WRITE);
const MAY_WRITE = bits(KIND.STORE, KIND.RMW, KIND.CAS, KIND.WRITE);
const QUEUES = bits(KIND.WAIT, KIND.ASYNC_WAIT, KIND.NOTIFY, KIND.TIMEOUT);
const LISTS = bits(KIND.WAIT, KIND.ASYNC_WAIT);
/** `buffer` is the channel, `offset` the side that receives. */
const MESSAGES = bits(KIND.SEND, KIND.RECEIVE);
/**
 * Whether one operation ended before another began decides what is linearizable; two beginnings, or two ends, do not
 * matter.
 */
const MARKS = bits(KIND.INVOKE, KIND.RESPOND);

function bits(...kinds: number[]): number {
  return kinds.reduce((mask, kind) => mask | (1 << kind), 0);
}

export function mayWrite(kind: number): boolean {
  return ((1 << kind) & MAY_WRITE) !== 0;
}

/** Of operations of different threads. */
export function dependent(a: Footprint, b: Footprint): boolean {
  const ka = 1 << a.kind;
  const kb = 1 << b.kind;
  if (a.inbox !== 0 && b.inbox !== 0 && (a.inbox & b.inbox) !== 0) return true;
  if (a.kind === KIND.KILL || b.kind === KIND.KILL) return true;
  if ((a.spun && b.writes) || (b.spun && a.writes)) return true;
  if ((ka & MARKS) !== 0) return (kb & MARKS) !== 0 && a.kind !== b.kind;
  if ((ka & MESSAGES) !== 0) return (kb & MESSAGES) !== 0 && a.buffer === b.buffer && a.offset === b.offset;
  if (a.buffer !== b.buffer) return false;
  if (
    (ka & TOUCHES_MEMORY) !== 0 &&
    (kb & TOUCHES_MEMORY) !== 0 &&
    (a.writes || b.writes) &&
    a.offset < b.offset + b.size &&
    b.offset < a.offset + a.size
  )
    return true;
  if ((ka & QUEUES) === 0 || (kb & QUEUES) === 0 || a.offset !== b.offset) return false;
  return queuesDepend(a, b) || queuesDepend(b, a);
}

/**
 * On the list of those who sleep on one address. A wait that found another word did not come to the list, and depends
 * on a notification all the same: with a store left out between them it would have, and the store does not depend on
 * the notification, so nothing else would show the schedules in which the notification comes before it.
 */
function queuesDepend(a: Footprint, b: Footprint): boolean {
  const kb = 1 << b.kind;
  if ((LISTS & (1 << a.kind)) !== 0) return (LISTS & kb) !== 0 ? a.woke !== 0 && b.woke !== 0 : b.kind === KIND.NOTIFY;
  if (a.kind !== KIND.NOTIFY) return false;
  return b.kind === KIND.TIMEOUT || (b.kind === KIND.NOTIFY && !(a.woke === 0 && b.woke === 0));
}
