/**
 * Time as explored code sees it: it stands still, except that a time limit that passes takes the thread's clock to that
 * moment. Intervals never fire; timeouts fire when the schedule lets them; immediates run before their thread is asked
 * what is next. `Math.random` gives the same numbers in every schedule.
 */
import type { ThreadRuntime } from "./runtime.ts";

/** A moment that is plainly not now: 2000-01-01. */
const EPOCH_MS = 946_684_800_000;

/** Returns how many callbacks of `setImmediate` are still to run: until then the event loop is not idle. */
export function installTime(runtime: ThreadRuntime): () => number {
  const real = {
    now: performance.now.bind(performance),
    date: Date.now,
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    clearImmediate,
  };
  const immediates = new Set<NodeJS.Immediate>();
  Object.defineProperty(performance, "now", {
    configurable: true,
    value: () => (runtime.active ? runtime.now : real.now()),
  });
  Date.now = () => (runtime.active ? EPOCH_MS + runtime.now : real.date());
  let seed = 1;
  const inner = runtime.beginRun.bind(runtime);
  runtime.beginRun = () => {
    seed = runtime.index + 1;
    for (const left of immediates) real.clearImmediate(left);
    immediates.clear();
    inner();
  };
  // eslint-disable-next-line no-restricted-properties -- it is replaced by one that gives the same numbers again
  const random = Math.random;
  // eslint-disable-next-line no-restricted-properties -- likewise
  Math.random = () => {
    if (!runtime.active) return random();
    seed = (Math.imul(seed, 48_271) >>> 0) % 0x7fff_ffff;
    return seed / 0x7fff_ffff;
  };
  globalThis.setTimeout = ((callback: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
    if (!runtime.active) return real.setTimeout(callback, ms, ...args);
    const timer = runtime.setTimer(() => callback(...args), ms);
    return handle(timer);
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = (timer: unknown) => {
    if (isHandle(timer)) runtime.clearTimer(timer.exploredTimer);
    else real.clearTimeout(timer as NodeJS.Timeout);
  };
  globalThis.setInterval = ((callback: () => void, ms?: number) =>
    runtime.active ? handle(0) : real.setInterval(callback, ms)) as unknown as typeof setInterval;
  globalThis.clearInterval = (timer: unknown) => {
    if (!isHandle(timer)) real.clearInterval(timer as NodeJS.Timeout);
  };
  globalThis.setImmediate = ((callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    if (!runtime.active) return real.setImmediate(callback, ...args);
    const made = real.setImmediate(() => {
      immediates.delete(made);
      callback(...args);
    });
    immediates.add(made);
    return made;
  }) as unknown as typeof setImmediate;
  globalThis.clearImmediate = (immediate) => {
    if (immediate !== undefined) immediates.delete(immediate);
    real.clearImmediate(immediate);
  };
  return () => immediates.size;
}

interface Handle {
  readonly exploredTimer: number;
  ref(): Handle;
  unref(): Handle;
  hasRef(): boolean;
}

function handle(exploredTimer: number): Handle {
  const made: Handle = { exploredTimer, ref: () => made, unref: () => made, hasRef: () => true };
  return made;
}

function isHandle(value: unknown): value is Handle {
  return typeof value === "object" && value !== null && "exploredTimer" in value;
}
