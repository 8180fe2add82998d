/**
 * Time as explored code sees it: it stands still, except that a time limit that passes takes the thread's clock to that
 * moment. Intervals never fire; timeouts fire when the schedule lets them; immediates run before their thread is asked
 * what is next. `Math.random` gives the same numbers in every schedule.
 */
import { createRequire, syncBuiltinESMExports } from "node:module";
import type TimersPromises from "node:timers/promises";
import { promisify } from "node:util";
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
  installModules(runtime);
  return () => immediates.size;
}

/** The same for who imports them: `node:timers`, `node:timers/promises`, `promisify`, `AbortSignal.timeout`, dates. */
function installModules(runtime: ThreadRuntime): void {
  const require = createRequire(import.meta.url);
  const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = globalThis;
  Object.assign(require("node:timers") as object, {
    setTimeout,
    clearTimeout,
    setInterval,
    clearInterval,
    setImmediate,
    clearImmediate,
  });
  const promises = require("node:timers/promises") as typeof TimersPromises;
  const real = { ...promises, wait: promises.scheduler.wait.bind(promises.scheduler) };
  const wait = <T>(ms: number | undefined, value?: T, { signal }: { signal?: AbortSignal } = {}): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const stop = (): void => {
        clearTimeout(timer);
        reject(new DOMException("The operation was aborted", "AbortError"));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve(value as T);
      }, ms);
      if (signal?.aborted === true) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  const turn = <T>(value?: T, { signal }: { signal?: AbortSignal } = {}): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const stop = (): void => {
        clearImmediate(immediate);
        reject(new DOMException("The operation was aborted", "AbortError"));
      };
      const immediate = setImmediate(() => {
        signal?.removeEventListener("abort", stop);
        resolve(value as T);
      });
      if (signal?.aborted === true) stop();
      else signal?.addEventListener("abort", stop, { once: true });
    });
  Object.assign(promises, {
    setTimeout: <T>(ms?: number, value?: T, options?: { signal?: AbortSignal }) =>
      runtime.active ? wait(ms, value, options) : real.setTimeout(ms, value, options),
    setImmediate: <T>(value?: T, options?: { signal?: AbortSignal }) =>
      runtime.active ? turn(value, options) : real.setImmediate(value, options),
    setInterval: <T>(ms?: number, value?: T, options?: { signal?: AbortSignal }) =>
      runtime.active
        ? runtime.refuse("setInterval of node:timers/promises cannot be explored, since it never ends: use setTimeout")
        : real.setInterval(ms, value, options),
  });
  const { scheduler } = promises;
  Object.defineProperty(scheduler, "wait", {
    value: (ms: number, options?: { signal?: AbortSignal }) =>
      runtime.active ? wait(ms, undefined, options) : real.wait(ms, options),
  });
  Object.defineProperty(scheduler, "yield", { value: () => turn() });
  Object.defineProperty(setTimeout, promisify.custom, { value: promises.setTimeout });
  Object.defineProperty(setImmediate, promisify.custom, { value: promises.setImmediate });
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (ms) => {
    if (!runtime.active) return timeout(ms);
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
    }, ms);
    return controller.signal;
  };
  installClocks(runtime);
  syncBuiltinESMExports();
}

/** Clocks other than `Date.now` and `performance.now`. */
function installClocks(runtime: ThreadRuntime): void {
  const RealDate = Date;
  const ExploredDate: DateConstructor = new Proxy(RealDate, {
    construct: (target, args: unknown[], newTarget: new (...given: never[]) => object) =>
      Reflect.construct<unknown[], object>(
        target,
        runtime.active && args.length === 0 ? [Date.now()] : args,
        newTarget === ExploredDate ? target : newTarget,
      ),
    apply: () => new ExploredDate().toString(),
  });
  Object.defineProperty(RealDate.prototype, "constructor", {
    value: ExploredDate,
    writable: true,
    configurable: true,
  });
  globalThis.Date = ExploredDate;
  const { hrtime, uptime } = process;
  const nanoseconds = (): bigint => (runtime.active ? BigInt(Math.round(performance.now() * 1e6)) : hrtime.bigint());
  const since = ([seconds, rest]: readonly [number, number] = [0, 0]): [number, number] => {
    const passed = nanoseconds() - (BigInt(seconds) * 1_000_000_000n + BigInt(rest));
    return [Number(passed / 1_000_000_000n), Number(passed % 1_000_000_000n)];
  };
  process.hrtime = Object.assign(since, { bigint: nanoseconds });
  process.uptime = () => (runtime.active ? performance.now() / 1000 : uptime());
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
