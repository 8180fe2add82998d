/** The mutex on free-running threads, in both forms: exclusion, limits, cancelling, deaths, fairness. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Latch, Mutex } from "../../src/threads/sync/index.ts";
import { runAll, shared, start } from "./threads.ts";

const code = (expected: string) => (error: unknown): boolean => (error as { code?: string }).code === expected;
const ranks = (count: number): number[] => Array.from({ length: count }, (_, rank) => rank);

test("mutex: no lost update, and never two inside", async () => {
  const mutex = Mutex.create();
  const cells = shared(2);
  const outcomes = await runAll(ranks(4).map(() => ({ kind: "mutex", mutex: mutex.handle, rounds: 20_000, cells })));
  for (const outcome of outcomes) assert.equal(outcome.value, true, JSON.stringify(outcome));
  assert.equal(cells[0], 80_000);
  assert.equal(mutex.owner, null);
});

test("mutex: the lock of a terminated thread becomes broken, its waiters are told, and it can be repaired", async () => {
  const mutex = Mutex.create();
  const held = Latch.create(1);
  const holder = start({ kind: "hold", mutex: mutex.handle, latch: held.handle });
  await held.waitAsync();
  const id = holder.worker.threadId;
  assert.equal(mutex.owner, id);
  const waiter = start({ kind: "lock-once", mutex: mutex.handle });
  await delay(120);
  await holder.worker.terminate();
  assert.equal(mutex.threadDied(id + 1000), false);
  assert.equal(mutex.threadDied(id), true);
  assert.equal((await waiter.outcome).code, "OWNER_DIED");
  assert.throws(() => mutex.lock(), code("OWNER_DIED"));
  assert.throws(() => mutex.tryLock(), code("OWNER_DIED"));
  mutex.lockForRepair().release();
  assert.equal(mutex.broken, false);
  mutex.lock().poison();
  assert.equal(mutex.broken, true);
  await assert.rejects(mutex.lockAsync(), code("OWNER_DIED"));
});

test("mutex: re-locking throws, async tasks of one thread exclude each other, limits and signals are kept", async () => {
  const mutex = Mutex.create();
  const guard = mutex.lock();
  assert.throws(() => mutex.lock(), code("DEADLOCK"));
  assert.equal(mutex.tryLock(), null);
  await assert.rejects(mutex.lockAsync({ timeoutMs: 5 }), code("TIMEOUT"));
  const controller = new AbortController();
  const cancelledWait = mutex.lockAsync({ signal: controller.signal });
  const order: string[] = [];
  const second = mutex.lockAsync().then((inner) => {
    order.push("second");
    inner.release();
  });
  controller.abort();
  await assert.rejects(cancelledWait, code("CANCELLED"));
  order.push("first leaves");
  guard.release(); // its one wake-up goes to the abandoned wait, which passes it on
  await second;
  assert.deepEqual(order, ["first leaves", "second"]);
  assert.throws(() => guard.release(), code("INTERNAL"));
});

