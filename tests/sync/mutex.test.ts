/** The mutex on free-running threads, in both forms: exclusion, limits, cancelling, deaths, fairness. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, isOwnerDied, Latch, Mutex } from "../../src/threads/sync/index.ts";
import { code } from "./holders.ts";
import { Remote } from "./remote.ts";
import { runAll, shared, start } from "./threads.ts";

const ranks = (count: number): number[] => Array.from({ length: count }, (_, rank) => rank);

test("mutex: no lost update, and never two inside", async () => {
  const mutex = Mutex.create();
  const cells = shared(2);
  const outcomes = await runAll(
    ranks(4).map(() => ({
      kind: "mutex",
      mutex: mutex.handle,
      rounds: 20_000,
      cells,
    })),
  );
  for (const outcome of outcomes) assert.equal(outcome.value, true, JSON.stringify(outcome));
  assert.equal(cells[0], 80_000);
  assert.equal(mutex.owner, null);
});

test("mutex: the lock of a terminated thread is broken, its waiters are told, and it can be repaired", async () => {
  const mutex = Mutex.create();
  const held = Latch.create(1);
  const holder = start({
    kind: "hold",
    mutex: mutex.handle,
    latch: held.handle,
  });
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

test("mutex: re-locking throws, async tasks of a thread exclude each other, limits and signals are kept", async () => {
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
  guard.release(); // its one wake-up must not go to the abandoned wait
  await second;
  assert.deepEqual(order, ["first leaves", "second"]);
  assert.throws(() => guard.release(), code("CONFLICT"));
});

test("mutex: once a waiter has the seat, exactly K newcomers can overtake it", async () => {
  for (const maxBarges of [1, 5, 31]) {
    const mutex = Mutex.create({ maxBarges });
    const guard = mutex.lock();
    const waiter = mutex.lockAsync(); // asleep; it cannot run while this thread does not come back to its event loop
    guard.release();
    let overtakes = 0;
    for (let barger = mutex.tryLock(); barger !== null; barger = mutex.tryLock()) {
      overtakes++;
      assert.ok(overtakes <= maxBarges, `more than ${maxBarges} overtakes`);
      barger.release();
    }
    assert.equal(overtakes, maxBarges);
    assert.throws(() => mutex.lock({ timeoutMs: 1 }), code("TIMEOUT"));
    (await waiter).release();
    mutex.tryLock()!.release();
  }
  for (const maxBarges of [0, 32, 1.5]) assert.throws(() => Mutex.create({ maxBarges }), code("OPTION_INVALID"));
});

test("mutex: the queue is first in, first out", async () => {
  const mutex = Mutex.create();
  const guard = mutex.lock();
  const order: number[] = [];
  const waiters = ranks(6).map(async (rank) => {
    using _inside = await mutex.lockAsync();
    order.push(rank);
  });
  guard.release();
  await Promise.all(waiters);
  assert.deepEqual(order, ranks(6));
});

test("mutex: who has been granted the seat and gives up passes it on", async () => {
  for (const give of ["signal", "limit"] as const) {
    const mutex = Mutex.create();
    const controller = new AbortController();
    const guard = mutex.lock();
    const first = mutex.lockAsync(give === "signal" ? { signal: controller.signal } : { timeoutMs: 20 });
    const second = mutex.lockAsync();
    if (give === "signal") {
      guard.release(); // the grant is on its way to the first, which is cancelled before it can see it
      controller.abort();
      await assert.rejects(first, code("CANCELLED"));
    } else {
      await delay(0);
      guard.release();
      mutex.lock().release();
      const barger = mutex.tryLock()!;
      await assert.rejects(first, code("TIMEOUT")); // it sat and waited for the barger
      barger.release();
    }
    (await second).release();
    mutex.lock().release();
    assert.equal(mutex.owner, null);
  }
});

test("mutex: an abort word ends blocking waits of those who have it, and nobody else's", async () => {
  const mutex = Mutex.create();
  const abort = AbortWord.create().bind(mutex);
  await using abortable = new Remote([mutex], { abort });
  await using patient = new Remote([mutex], { abort });
  const guard = mutex.lock();
  const ends = abortable.tell({ do: "lock", mutex: 0, abortable: true });
  const stays = patient.tell({ do: "lock", mutex: 0 });
  await delay(100);
  abort.abort("CANCELLED");
  assert.equal((await ends).code, "CANCELLED");
  guard.release();
  assert.equal((await stays).code, undefined);
  await patient.tell({ do: "release", mutex: 0 });
  assert.throws(() => mutex.lock({ abort }), code("CANCELLED"));
  await assert.rejects(mutex.lockAsync({ abort }), code("CANCELLED"));
  assert.equal(mutex.owner, null);
});

test("mutex: a broken one is taken for repair, by one only, who is told that it is broken", async () => {
  const mutex = Mutex.create({ name: "ledger" });
  mutex.lock().poison();
  const error = await mutex.lockAsync().catch((thrown: unknown) => thrown);
  assert.ok(isOwnerDied(error));
  assert.match(error.message, /the mutex "ledger" is broken.*lockForRepair/);
  const repairs = await Promise.all(
    ranks(3).map(async () => {
      using guard = await mutex.lockForRepairAsync();
      return guard.broken;
    }),
  );
  assert.deepEqual(repairs, [true, false, false]);
  mutex.lock().poison();
  const repairer = mutex.lockForRepair();
  assert.equal(repairer.broken, true);
  repairer.poison();
  assert.equal(mutex.broken, true);
});

test("mutex: withLock holds while its function runs, lets go either way, refuses entry from inside", async () => {
  const mutex = Mutex.create();
  assert.equal(await mutex.withLock(() => 7), 7);
  await assert.rejects(
    mutex.withLock(async () => {
      await delay(1);
      await mutex.withLock(() => 0);
    }),
    code("DEADLOCK"),
  );
  await assert.rejects(
    mutex.withLock(() => mutex.lockAsync()),
    code("DEADLOCK"),
  );
  assert.equal(mutex.owner, null);
  const order: string[] = [];
  const outer = mutex.withLock(async () => {
    await delay(5);
    order.push("first");
  });
  await mutex.withLock(() => order.push("second")); // a sibling, not inside: it waits
  await outer;
  assert.deepEqual(order, ["first", "second"]);
  await assert.rejects(
    mutex.withLock((guard) => guard.poison()).then(() => mutex.lock()),
    code("OWNER_DIED"),
  );
});

test("mutex: a thread that would wait for its own asynchronous wait is told so", async () => {
  const mutex = Mutex.create();
  await using holder = new Remote([mutex]);
  await holder.tell({ do: "lock", mutex: 0 });
  const controller = new AbortController();
  const pending = mutex.lockAsync({ signal: controller.signal });
  assert.throws(() => mutex.lock(), code("DEADLOCK"));
  assert.throws(() => mutex.lock({ timeoutMs: 1 }), code("TIMEOUT"));
  controller.abort();
  await assert.rejects(pending, code("CANCELLED"));
  await holder.tell({ do: "release", mutex: 0 });
  mutex.lock().release(); // what was abandoned has left the queue: nothing is granted to it
});
