/**
 * The memory through which one exploration is steered, shared by the controller and the explored threads. Exactly one
 * of them runs at a time: it holds the *baton*, which is passed by setting the receiver's GO word. Whoever holds it may
 * read and write everything here; the store and load of GO order all the rest. A thread that comes to an operation on
 * shared memory writes down what it wants to do (its *pending* operation) and decides itself who goes next
 * (scheduler.ts), so a schedule in which nothing switches costs no wake-up at all.
 */
export const MAX_THREADS = 9;
/** The index of the thread that runs `supervise`, and of the controller as a receiver of the baton. */
export const CONTROLLER = MAX_THREADS;

export const KIND = {
  LOAD: 1,
  STORE: 2,
  RMW: 3,
  CAS: 4,
  WAIT: 5,
  ASYNC_WAIT: 6,
  NOTIFY: 7,
  TIMEOUT: 8,
  READ: 9,
  WRITE: 10,
  INVOKE: 11,
  RESPOND: 12,
  KILL: 13,
  SEND: 14,
  RECEIVE: 15,
} as const;
export const KIND_NAMES = [
  "",
  "load",
  "store",
  "rmw",
  "compareExchange",
  "wait",
  "waitAsync",
  "notify",
  "time limit",
  "read",
  "write",
  "begins",
  "ends",
  "is killed",
  "sends",
  "receives",
] as const;

export const STATUS = {
  OFF: 0,
  /** Has not run yet in this schedule, or was woken: it runs to its next operation before anything is chosen. */
  DUE: 1,
  /** At an operation, could go on. */
  READY: 2,
  /** In `Atomics.wait`. */
  BLOCKED: 3,
  /** Its event loop has nothing to do: waits for an asynchronous wait, or for a timer. */
  IDLE: 4,
  /** Does the same again and again (spin.ts): goes on when somebody changes something. */
  SPINNING: 5,
  DONE: 6,
  KILLED: 7,
} as const;

export const OUTCOME = { NONE: 0, ENDED: 1, DEADLOCK: 2, REDUNDANT: 3, STEPS: 4, FAILED: 5, MISMATCH: 6 } as const;
export const STRATEGY = { STRAIGHT: 0, PRIORITIES: 1, WALK: 2 } as const;

/** Header words. */
export const H = {
  STEP: 0,
  OUTCOME: 1,
  CUT: 2,
  THREADS: 3,
  PREFIX: 4,
  SLEEP: 5,
  STRATEGY: 6,
  MAX_STEPS: 7,
  SITES: 8,
  LAST: 9,
  SUPERVISOR: 10,
  SEED: 11,
  CHANGES: 12,
  STAMP: 13,
  /** A thread has ended (its number + 1), with this exit code. */
  GONE: 14,
  GONE_CODE: 17,
  EXIT: 15,
  SLEEP_AT: 16,
  DEATHS: 18,
  LOW: 19,
  KILL_AT: 20,
  KILL_WHO: 21,
  BYTES: 22,
  /** Rounds that a loop which may count does the same before it is put off. */
  SPINS: 23,
  /** Since the stage began: a spin in which time limits pass was put off as exact; a clock was read. */
  POLLS: 24,
  CLOCK: 25,
} as const;

/** Words of a thread's record, from `threadBase`. */
export const T = {
  GO: 0,
  STATUS: 1,
  KIND: 2,
  BUFFER: 3,
  OFFSET: 4,
  SIZE: 5,
  A: 6,
  /** The kind of element that the operand is of (`ELEMENTS`). */
  ELEMENT: 7,
  TIMED: 8,
  RESULT: 9,
  KILLED: 10,
  WOKEN_BY: 11,
  PRIORITY: 12,
  /** Its operation was put off. */
  SPUN: 13,
  /** Bits of the places (of those that this thread knows) where it was put off though it may count. */
  CUTS: 14,
} as const;
export const THREAD_WORDS = 15;
const HEADER_WORDS = 32;
export const threadBase = (thread: number): number => HEADER_WORDS + thread * THREAD_WORDS;

/** An event of the trace: what was chosen at a step, and what was possible there. */
export const E = {
  THREAD: 0,
  KIND: 1,
  BUFFER: 2,
  OFFSET: 3,
  SIZE: 4,
  A: 5,
  /** What kind of element the values are of (`ELEMENTS`); the upper halves of those wider than a word are below. */
  ELEMENT: 6,
  BEFORE: 7,
  AFTER: 8,
  WROTE: 9,
  ENABLED: 10,
  SLEEP: 11,
  INBOX: 12,
  WOKE: 13,
  WOKEN_BY: 14,
  ALIVE: 15,
  WOKEN: 16,
  READY: 17,
  SPUN: 18,
  A_HIGH: 19,
  BEFORE_HIGH: 20,
  AFTER_HIGH: 21,
} as const;
export const EVENT_WORDS = 22;
/** Elements that atomic operations work on; an event has the place of its own here. */
export const ELEMENTS = [
  "Int32Array",
  "Int8Array",
  "Uint8Array",
  "Int16Array",
  "Uint16Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
] as const;
export const MAX_EVENTS = 20_000;

/** Waiters of all addresses, in one table; a lower stamp waits longer. */
export const W = { USED: 0, THREAD: 1, BUFFER: 2, OFFSET: 3, STAMP: 4, ID: 5, RESOLVED: 6 } as const;
const WAITER_WORDS = 7;
export const MAX_WAITERS = 64;
export const MAX_CHANGES = 16;
/**
 * Messages that were sent and not received; `TO` is the side that gets it. Their bytes lie in an area of their own, one
 * after another.
 */
export const M = { USED: 0, CHANNEL: 1, TO: 2, AT: 3, LENGTH: 4, STAMP: 5 } as const;
const MESSAGE_WORDS = 6;
export const MAX_MESSAGES = 64;
export const MESSAGE_BYTES = 1 << 18;
/** Which thread listens at which end of a channel. */
export const L = { USED: 0, CHANNEL: 1, SIDE: 2, THREAD: 3 } as const;
const LISTENER_WORDS = 4;
export const MAX_LISTENERS = 64;

const WAITERS_AT = threadBase(MAX_THREADS + 1);
const CHANGES_AT = WAITERS_AT + MAX_WAITERS * WAITER_WORDS;
const MESSAGES_AT = CHANGES_AT + MAX_CHANGES;
const LISTENERS_AT = MESSAGES_AT + MAX_MESSAGES * MESSAGE_WORDS;
const BYTES_AT = LISTENERS_AT + MAX_LISTENERS * LISTENER_WORDS;
const PREFIX_AT = BYTES_AT + MESSAGE_BYTES / 4;
const EVENTS_AT = PREFIX_AT + MAX_EVENTS;
export const CONTROL_WORDS = EVENTS_AT + MAX_EVENTS * EVENT_WORDS;

export type Control = Int32Array<SharedArrayBuffer>;

export const waiterBase = (index: number): number => WAITERS_AT + index * WAITER_WORDS;
export const messageBase = (index: number): number => MESSAGES_AT + index * MESSAGE_WORDS;
export const listenerBase = (index: number): number => LISTENERS_AT + index * LISTENER_WORDS;
export const messageBytes = (control: Control): Uint8Array =>
  new Uint8Array(control.buffer, BYTES_AT * 4, MESSAGE_BYTES);
export const changeAt = (index: number): number => CHANGES_AT + index;
export const prefixAt = (step: number): number => PREFIX_AT + step;
export const eventBase = (step: number): number => EVENTS_AT + step * EVENT_WORDS;

export function createControl(): Control {
  return new Int32Array(new SharedArrayBuffer(CONTROL_WORDS * 4));
}

/** A choice: a thread, or its death. */
export const KILL_FLAG = 16;
