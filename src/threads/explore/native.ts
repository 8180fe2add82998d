/**
 * The platform's own operations, kept before the explorer puts its own in their place. The explorer itself uses only
 * these.
 */
export const native = {
  load: Atomics.load,
  store: Atomics.store,
  wait: Atomics.wait,
  notify: Atomics.notify,
  add: Atomics.add,
  sub: Atomics.sub,
  and: Atomics.and,
  or: Atomics.or,
  xor: Atomics.xor,
  exchange: Atomics.exchange,
  compareExchange: Atomics.compareExchange,
  waitAsync: Atomics.waitAsync,
  isLockFree: Atomics.isLockFree,
  pause: (Atomics as unknown as { pause(n?: number): void }).pause,
} as const;
export const nativeNow: () => number = performance.now.bind(performance);
