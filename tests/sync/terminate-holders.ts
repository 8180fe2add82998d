/**
 * What threads do under a read-write lock and a semaphore while one after the other is terminated
 * (terminate.long.test.ts).
 */
import assert from "node:assert/strict";
import { threadId } from "node:worker_threads";
import {
  isOwnerDied,
  RwLock,
  Semaphore,
  type RwLockHandle,
  type SemaphoreGuard,
  type SemaphoreHandle,
  type Supervised,
  type WriteGuard,
} from "../../src/threads/sync/index.ts";
import type { Life, Scenario } from "./terminate-scenarios.ts";

const [OUTSIDE, ASKING, INSIDE] = [0, 1, 2] as const;

interface Pair {
  readonly lock: RwLockHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}
interface Seats {
  readonly semaphore: SemaphoreHandle;
  readonly seats: Int32Array<SharedArrayBuffer>;
}

function linger(life: Life): void {
  if (life.random(4) === 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
}

function expected(thrown: unknown): boolean {
  return ["TIMEOUT", "CANCELLED"].includes((thrown as { code?: string }).code ?? "");
}

/** No turn, no sleepers, no record: as if nobody had ever been there. */
function assertClean(words: Int32Array): void {
  assert.equal(words[0]! & 0x1fff, 0, "a turn, a waiter or a break is left over");
  for (let record = 16; record < words.length; record += 16) assert.equal(words[record], 0, "a record is left over");
}

function signalSoon(life: Life): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), life.random(3));
  return controller.signal;
}

function useLock({ lock: handle, cells }: Pair, life: Life): () => Promise<void> {
  const lock = RwLock.attach(handle);
  const inside = (work: () => void): void => {
    life.enter(INSIDE);
    work();
    linger(life);
    life.enter(ASKING);
  };
  const look = (): void => assert.equal(cells[1], cells[0], "torn, and the lock did not say so");
  const change = (guard: WriteGuard): void =>
    inside(() => {
      if (guard.broken) cells[1] = cells[0]!;
      look();
      cells[0] = cells[0]! + 1;
      linger(life);
      cells[1] = cells[1]! + 1;
    });
  const read = (guard: Disposable | null): void => {
    using held = guard;
    if (held !== null) inside(look);
  };
  const write = (guard: WriteGuard | null): void => {
    using held = guard;
    if (held !== null) change(held);
  };
  const blocking = [
    () => read(lock.read()),
    () => read(lock.read({ timeoutMs: life.random(3) })),
    () => read(lock.tryRead()),
    () => write(lock.write()),
    () => write(lock.write({ timeoutMs: life.random(3) })),
    () => write(lock.tryWrite()),
    () => {
      const guard = lock.write();
      change(guard);
      read(guard.downgrade());
    },
  ];
  const asynchronous = [
    async () => read(await lock.readAsync()),
    async () => read(await lock.readAsync({ signal: signalSoon(life) })),
    async () => write(await lock.writeAsync()),
    async () => write(await lock.writeAsync({ signal: signalSoon(life) })),
    () => lock.withWrite(change),
    async () => write(await lock.writeAsync({ timeoutMs: life.random(3) })),
  ];
  const forms = formsOf(life, blocking, asynchronous);
  return async () => {
    life.enter(ASKING);
    try {
      await forms[life.random(forms.length)]!();
    } catch (thrown) {
      if (isOwnerDied(thrown)) write(await lock.writeForRepairAsync());
      else if (!expected(thrown)) throw thrown;
    }
    life.enter(OUTSIDE);
    linger(life);
  };
}

type Form = () => void | Promise<void>;

/** A third of the lives block only, a third never, a third do both. */
function formsOf(life: Life, blocking: readonly Form[], asynchronous: readonly Form[]): readonly Form[] {
  return [blocking, asynchronous, [...blocking, ...asynchronous]][life.index % 3]!;
}

/**
 * Each permit is a seat: who has permits must find that many free ones. Seats of the dead are cleared before their
 * permits come back.
 */
function useSemaphore({ semaphore: handle, seats }: Seats, life: Life): () => Promise<void> {
  const semaphore = Semaphore.attach(handle);
  const sit = (guard: SemaphoreGuard | null): void => {
    using held = guard;
    if (held === null) return;
    life.enter(INSIDE);
    for (let needed = held.permits; needed > 0; needed--)
      assert.notEqual(
        seats.findIndex((_, seat) => Atomics.compareExchange(seats, seat, 0, threadId + 1) === 0),
        -1,
        "more permits are out than there are",
      );
    linger(life);
    for (const [seat, sitter] of seats.entries()) if (sitter === threadId + 1) Atomics.store(seats, seat, 0);
    life.enter(ASKING);
  };
  const amount = (): number => 1 + life.random(seats.length);
  const blocking = [
    () => sit(semaphore.acquire(amount())),
    () => sit(semaphore.acquire(amount(), { timeoutMs: life.random(3) })),
    () => sit(semaphore.tryAcquire(amount())),
  ];
  const asynchronous = [
    async () => sit(await semaphore.acquireAsync(amount())),
    async () => sit(await semaphore.acquireAsync(amount(), { signal: signalSoon(life) })),
  ];
  const forms = formsOf(life, blocking, asynchronous);
  return async () => {
    life.enter(ASKING);
    try {
      await forms[life.random(forms.length)]!();
    } catch (thrown) {
      if (!expected(thrown)) throw thrown;
    }
    life.enter(OUTSIDE);
    linger(life);
  };
}

const rwlock: Scenario<Pair> = {
  make: () => {
    const lock = RwLock.create({ name: "pair" });
    return {
      shared: {
        lock: lock.handle,
        cells: new Int32Array(new SharedArrayBuffer(8)),
      },
      objects: [lock],
    };
  },
  operation: useLock,
  judge: (place, objects, held) => {
    if (place === INSIDE) assert.deepEqual(held, objects, "it died inside, and the lock does not know");
    if (place === OUTSIDE) assert.deepEqual(held, [], "it died outside, and yet the lock says that it held it");
  },
  settle: ({ lock, cells }) => {
    const guard = RwLock.attach(lock).writeForRepair({ timeoutMs: 1000 });
    if (!guard.broken) assert.equal(cells[0], cells[1]);
    guard.release();
    assertClean(lock.words);
  },
};

const semaphore: Scenario<Seats> = {
  make: () => {
    const made = Semaphore.create(3);
    const seats = new Int32Array(new SharedArrayBuffer(12));
    const cleared: Supervised = {
      threadDied: (dead) => {
        for (const seat of seats.keys()) Atomics.compareExchange(seats, seat, dead + 1, 0);
        return false;
      },
    };
    return {
      shared: { semaphore: made.handle, seats },
      objects: [cleared, made],
    };
  },
  operation: useSemaphore,
  judge: (place, objects, held) => {
    if (place === INSIDE)
      assert.deepEqual(held, objects.slice(1), "it died with permits, and the semaphore does not know");
    if (place === OUTSIDE)
      assert.deepEqual(held, [], "it died without permits, and yet the semaphore says that it had some");
  },
  settle: ({ semaphore: handle }) => {
    assert.equal(Semaphore.attach(handle).available, 3);
    assertClean(handle.words);
  },
};

export const holderScenarios = {
  "read-write lock": rwlock,
  semaphore,
} as const;
