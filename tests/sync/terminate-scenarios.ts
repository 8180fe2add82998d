/**
 * What threads do while one after the other is terminated (terminate.long.test.ts), and what must be true after each
 * death. To try another primitive, add a scenario here. A thread says where it is in `place`, before it gets there;
 * what the last words of a dead thread say is exact.
 */
import assert from "node:assert/strict";
import { bits, PURPOSE, seedFrom } from "../../src/base/index.ts";
import {
  isOwnerDied,
  Mutex,
  type MutexGuard,
  type MutexHandle,
  type Supervised,
} from "../../src/threads/sync/index.ts";
import { holderScenarios } from "./terminate-holders.ts";

export const OUTSIDE = 0;
/** Somewhere between asking and having, or between letting go and having let go. */
export const ASKING = 1;
export const INSIDE = 2;
export type Place = typeof OUTSIDE | typeof ASKING | typeof INSIDE;

export interface Life {
  /** Different in every thread that is ever started. */
  readonly index: number;
  enter(place: Place): void;
  /** The next whole number below `limit`; the same sequence for the same index. */
  random(limit: number): number;
}

export interface Scenario<Shared> {
  /** What all threads share (it is posted to them), and what is supervised; in the main thread. */
  readonly make: () => { readonly shared: Shared; readonly objects: readonly Supervised[] };
  /** In a thread: one operation, to be repeated. It throws if it sees something wrong. */
  readonly operation: (shared: Shared, life: Life) => () => void | Promise<void>;
  /**
   * In the main thread, after each death, before anything else; throws if the object knows less or more of it than
   * happened.
   */
  readonly judge: (place: Place, objects: readonly Supervised[], held: readonly Supervised[]) => void;
  /** In the main thread, once all threads have ended. */
  readonly settle: (shared: Shared, objects: readonly Supervised[]) => void;
}

/** Two cells that are equal whenever the lock says that all is well. */
interface Pair {
  readonly mutex: MutexHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

/** Where the dead thread was says whether it held the lock; only on the threshold both are right. */
function judgeOwner(place: Place, objects: readonly Supervised[], held: readonly Supervised[]): void {
  if (place === INSIDE) assert.deepEqual(held, objects, "it died inside, and the lock does not know");
  if (place === OUTSIDE) assert.deepEqual(held, [], "it died outside, and yet the lock says that it held it");
}

/** Now and then for long, so that deaths of every kind happen. */
function linger(life: Life): void {
  if (life.random(4) === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

/** Inside: the pair is whole, or the guard says that it may not be. */
function change(cells: Int32Array, broken: boolean, life: Life): void {
  if (broken) cells[1] = cells[0]!;
  assert.equal(cells[1], cells[0], "torn, and the lock did not say so");
  cells[0] = cells[0]! + 1;
  linger(life);
  cells[1] = cells[1]! + 1;
}

function useMutex({ mutex: handle, cells }: Pair, life: Life): () => void | Promise<void> {
  const mutex = Mutex.attach(handle);
  const use = (guard: MutexGuard): void => {
    life.enter(INSIDE);
    change(cells, guard.broken, life);
    life.enter(ASKING);
    guard.release();
    life.enter(OUTSIDE);
  };
  const ways: Record<string, () => void | Promise<void>> = {
    blocking: () => use(mutex.lock()),
    limited: () => use(mutex.lock({ timeoutMs: life.random(3) })),
    trying: () => {
      const guard = mutex.tryLock();
      if (guard !== null) use(guard);
    },
    async: async () => use(await mutex.lockAsync()),
    within: () => mutex.withLock(use),
    asyncLimited: async () => use(await mutex.lockAsync({ timeoutMs: life.random(3) })),
    cancelled: async () => {
      const controller = new AbortController();
      setTimeout(() => controller.abort(), life.random(3));
      use(await mutex.lockAsync({ signal: controller.signal }));
    },
  };
  // An abandoned async wait needs its thread's event loop, so who cancels does not block.
  const kinds = [
    ["blocking", "limited", "trying"],
    ["async", "within", "asyncLimited", "cancelled"],
    ["blocking", "async", "within", "trying"],
  ] as const;
  const kind = kinds[life.index % kinds.length]!;
  const forms = kind.map((way) => ways[way]!);
  return async () => {
    life.enter(ASKING);
    try {
      await forms[life.random(forms.length)]!();
    } catch (thrown) {
      if (isOwnerDied(thrown)) use(kind === kinds[1] ? await mutex.lockForRepairAsync() : mutex.lockForRepair());
      else if (!["TIMEOUT", "CANCELLED"].includes((thrown as { code?: string }).code ?? "")) throw thrown;
    }
    life.enter(OUTSIDE);
    linger(life);
  };
}

function mutexScenario(maxBarges: number): Scenario<Pair> {
  return {
    make: () => {
      const mutex = Mutex.create({ name: "pair", maxBarges });
      return { shared: { mutex: mutex.handle, cells: new Int32Array(new SharedArrayBuffer(8)) }, objects: [mutex] };
    },
    operation: useMutex,
    judge: judgeOwner,
    settle: ({ mutex, cells }) => {
      const whole = Mutex.attach(mutex);
      assert.equal(whole.owner, null, "it is held by nobody who is alive");
      const guard = whole.lockForRepair({ timeoutMs: 1000 });
      if (!guard.broken) assert.equal(cells[0], cells[1]);
      guard.release();
      assert.equal(mutex.words[0], 0, "a wait or a grant is left over");
    },
  };
}

export const scenarios = {
  "mutex, one newcomer may overtake": mutexScenario(1),
  "mutex, thirty-one newcomers may overtake": mutexScenario(31),
  ...holderScenarios,
} as const;

export type ScenarioName = keyof typeof scenarios;

export function randomOf(index: number): (limit: number) => number {
  const seed = seedFrom(1);
  let drawn = 0;
  return (limit) => (bits(seed, PURPOSE.test, index, 0, drawn++) >>> 0) % limit;
}
