import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { AbortWord, Semaphore } from "../../src/threads/sync/index.ts";
import { arrivals, cellsOf, code, kill, start, value } from "./holders.ts";

test("semaphore: never more permits out than there are, from many threads, in amounts; all come back", async () => {
  const semaphore = Semaphore.create(3);
  const cells = cellsOf();
  const most = [1, 2, 3].map((amount) =>
    start({ kind: "semaphore-mixed", semaphore: semaphore.handle, cells, rounds: 4000, most: amount }),
  );
  for (const thread of most) assert.ok(Number(await value(thread)) <= 3);
  assert.equal(semaphore.available, 3);
  assert.equal(cells[1], 0);
});

test("semaphore: tries do not wait; permits are given back once; amounts are checked", () => {
  const semaphore = Semaphore.create(3);
  const two = semaphore.acquire(2);
  assert.equal(semaphore.tryAcquire(2), null);
  const one = semaphore.tryAcquire()!;
  assert.equal(semaphore.available, 0);
  two.release();
  assert.throws(() => two.release(), code("CONFLICT"));
  two[Symbol.dispose]();
  assert.equal(semaphore.available, 2);
  one.release();
  {
    using guard = semaphore.acquire(3);
    assert.equal(guard.permits, 3);
    assert.equal(semaphore.available, 0);
  }
  assert.equal(semaphore.available, 3);
  for (const permits of [0, -1, 1.5, 4]) assert.throws(() => semaphore.acquire(permits), code("OPTION_INVALID"));
  assert.throws(() => Semaphore.create(0), code("OPTION_INVALID"));
  assert.throws(() => Semaphore.create(1, { capacity: 5000 }), code("OPTION_INVALID"));
  const small = Semaphore.create(3, { capacity: 1 });
  small.acquire();
  assert.throws(() => small.acquire(), code("OVERLOADED"));
});

test("semaphore: first come first served, whatever the amounts", async () => {
  const semaphore = Semaphore.create(3);
  const held = [semaphore.acquire(), semaphore.acquire()];
  const log: string[] = [];
  const take = async (name: string, permits: number): Promise<void> => {
    using _guard = await semaphore.acquireAsync(permits);
    log.push(name);
  };
  const taken = [take("three", 3), take("one", 1), take("two", 2)];
  await turn();
  assert.equal(semaphore.tryAcquire(), null, "one is free, but the three wait for it");
  held[0]!.release();
  await turn();
  assert.deepEqual(log, []);
  held[1]!.release();
  await Promise.all(taken);
  assert.equal(log[0], "three");
  assert.equal(semaphore.available, 3);
});

test("semaphore: who gives up lets the next one through", async () => {
  const semaphore = Semaphore.create(2);
  const held = semaphore.acquire();
  const large = semaphore.acquireAsync(2, { timeoutMs: 60 });
  const small = semaphore.acquireAsync(1);
  await assert.rejects(large, code("TIMEOUT"));
  (await small).release();

  for (let round = 0; round < 30; round++) {
    const controller = new AbortController();
    const only = semaphore.acquire();
    const cancelled = semaphore.acquireAsync(1, { signal: controller.signal });
    const next = semaphore.acquireAsync(1);
    await turn();
    only.release();
    controller.abort();
    await assert.rejects(cancelled, code("CANCELLED"));
    (await next).release();
  }

  const word = AbortWord.create().bind(semaphore);
  const cells = cellsOf();
  const impatient = start({
    kind: "semaphore-once",
    semaphore: semaphore.handle,
    cells,
    permits: 2,
    abort: word.handle,
  });
  await arrivals(cells, 1);
  const patient = start({ kind: "semaphore-once", semaphore: semaphore.handle, cells, permits: 1 });
  const limited = start({ kind: "semaphore-once", semaphore: semaphore.handle, cells, permits: 2, timeoutMs: 100 });
  await arrivals(cells, 3);
  word.abort();
  assert.equal((await impatient.outcome).code, "CANCELLED");
  assert.equal(await value(patient), 1);
  assert.equal((await limited.outcome).code, "TIMEOUT");
  held.release();
  assert.equal(semaphore.available, 2);
});

test("semaphore: permits of a dead thread come back, and dead waiters leave the line", async () => {
  const semaphore = Semaphore.create(3);
  const cells = cellsOf();
  const holder = start({ kind: "semaphore-hold", semaphore: semaphore.handle, cells, permits: 2 });
  await arrivals(cells, 1);
  const first = start({ kind: "semaphore-once", semaphore: semaphore.handle, cells, permits: 3 });
  await arrivals(cells, 2);
  const second = start({ kind: "semaphore-once", semaphore: semaphore.handle, cells, permits: 2 });
  await arrivals(cells, 3);
  const third = start({ kind: "semaphore-once", semaphore: semaphore.handle, cells, permits: 1 });
  await arrivals(cells, 4);
  assert.equal(semaphore.threadDied(await kill(second)), false);
  assert.equal(semaphore.threadDied(await kill(first)), false); // the one whose turn it was
  assert.equal(await value(third), 1);
  assert.equal(semaphore.available, 1);
  const dead = await kill(holder);
  assert.equal(semaphore.threadDied(dead), true);
  assert.equal(semaphore.threadDied(dead), false);
  assert.equal(semaphore.available, 3);
  semaphore.acquire(3, { timeoutMs: 1000 }).release();
});

test("semaphore: to block for what only this thread could give back is an error", async () => {
  const semaphore = Semaphore.create(2);
  const held = semaphore.acquire(1);
  assert.throws(() => semaphore.acquire(2), code("DEADLOCK"));
  semaphore.acquire(1).release();
  const queued = semaphore.acquireAsync(2);
  await turn();
  assert.throws(() => semaphore.acquire(1), code("DEADLOCK"));
  held.release();
  (await queued).release();
  assert.equal(await semaphore.withPermits(2, () => semaphore.available), 0);
  assert.equal(semaphore.available, 2);
});
