import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { AbortWord, Mutex, RwLock, type ReadGuard, type WriteGuard } from "../../src/threads/sync/index.ts";
import { arrivals, cellsOf, code, kill, start, value } from "./holders.ts";

test("rwlock: writers exclude everybody, readers see whole writes, no update is lost, in both forms", async () => {
  const lock = RwLock.create();
  const cells = cellsOf();
  const threads = [
    start({ kind: "rw-mixed", lock: lock.handle, cells, rounds: 6000, everyNthWrites: 2 }),
    start({ kind: "rw-mixed", lock: lock.handle, cells, rounds: 6000, everyNthWrites: 7 }),
    start({ kind: "rw-mixed", lock: lock.handle, cells, rounds: 6000, everyNthWrites: 100 }),
    start({ kind: "rw-async-mixed", lock: lock.handle, cells, rounds: 600 }),
  ];
  const written = (await Promise.all(threads.map(value))).reduce((sum: number, count) => sum + Number(count), 0);
  assert.equal(cells[1], written);
  assert.equal(cells[2], written);
  assert.equal(lock.writer, null);
  lock.write({ timeoutMs: 1000 }).release();
});

test("rwlock: many readers or one writer; tries do not wait; a guard is released once", () => {
  const lock = RwLock.create();
  const [first, second] = [lock.read(), lock.tryRead()!];
  assert.equal(lock.tryWrite(), null);
  first.release();
  assert.throws(() => first.release(), code("CONFLICT"));
  first[Symbol.dispose]();
  assert.equal(lock.tryWrite(), null);
  second.release();
  const writer = lock.tryWrite()!;
  assert.ok(writer);
  assert.notEqual(lock.writer, null);
  assert.equal(lock.tryRead(), null);
  assert.equal(lock.tryWrite(), null);
  writer.release();
  assert.throws(() => writer.release(), code("CONFLICT"));
  assert.throws(() => writer.poison(), code("CONFLICT"));
  {
    using _guard = lock.write();
  }
  {
    using _guard = lock.read();
  }
  lock.write().release();
});

/** Enters asynchronously, notes the entry, and keeps the guard for `leave`. */
function queue(lock: RwLock, log: string[]) {
  const inside = new Map<string, ReadGuard | WriteGuard>();
  const enter = async (name: string): Promise<void> => {
    inside.set(name, await (name.startsWith("r") ? lock.readAsync() : lock.writeAsync()));
    log.push(name);
  };
  const leave = async (name: string): Promise<void> => {
    inside.get(name)!.release();
    await delay(30);
  };
  return { enter, leave };
}

test(
  "rwlock: phases alternate: a reader waits for one writer, a writer for one phase of readers, writers are first " +
    "come first served",
  async () => {
    const lock = RwLock.create();
    const log: string[] = [];
    const { enter, leave } = queue(lock, log);
    await enter("r1");
    const entered = ["w1", "w2", "w3"].map(enter); // w1 waits for r1
    await turn();
    entered.push(...["r2", "r3"].map(enter)); // behind w1, before w2
    await turn();
    assert.deepEqual(log, ["r1"]);
    await leave("r1");
    assert.deepEqual(log, ["r1", "w1"]);
    entered.push(enter("r4"));
    await turn();
    await leave("w1");
    assert.deepEqual(log.slice(2).sort(), ["r2", "r3", "r4"]);
    entered.push(enter("r5")); // w2 waits: behind it
    await leave("r3");
    await leave("r2");
    assert.equal(log.length, 5);
    await leave("r4");
    assert.deepEqual(log.slice(5), ["w2"]);
    await leave("w2");
    assert.deepEqual(log.slice(6), ["r5"]);
    await leave("r5");
    assert.deepEqual(log.slice(7), ["w3"]);
    await leave("w3");
    await Promise.all(entered);
    assert.ok(lock.tryWrite());
  },
);

test("rwlock: who gives up leaves no trace: others go in as if it had never come", async () => {
  const lock = RwLock.create();
  const reader = lock.read();
  const log: string[] = [];
  const writing = lock.writeAsync({ timeoutMs: 80 });
  await turn();
  const behind = lock.readAsync().then((guard) => (log.push("reader"), guard.release()));
  await assert.rejects(writing, code("TIMEOUT"));
  await behind; // although the first reader is still inside
  assert.deepEqual(log, ["reader"]);

  const controller = new AbortController();
  const cancelled = lock.writeAsync({ signal: controller.signal });
  const next = lock.writeAsync().then((guard) => (log.push("writer"), guard.release()));
  await turn();
  controller.abort();
  await assert.rejects(cancelled, code("CANCELLED"));
  reader.release();
  await next;
  assert.deepEqual(log, ["reader", "writer"]);

  const writer = lock.write();
  await assert.rejects(lock.readAsync({ timeoutMs: 20 }), code("TIMEOUT"));
  const word = AbortWord.create().bind(lock);
  const cells = cellsOf();
  const sleepers = (["read", "write"] as const).map((mode) =>
    start({ kind: "rw-once", lock: lock.handle, cells, mode, abort: word.handle }),
  );
  const patient = start({ kind: "rw-once", lock: lock.handle, cells, mode: "write" });
  await arrivals(cells, 3);
  word.abort("CANCELLED");
  for (const sleeper of sleepers) assert.equal((await sleeper.outcome).code, "CANCELLED");
  writer.release();
  await value(patient);
  lock.tryWrite()!.release();
});

test("rwlock: a signal that fires while the grant is on its way passes it on", async () => {
  for (let round = 0; round < 40; round++) {
    const lock = RwLock.create();
    const guard = lock.write();
    const controller = new AbortController();
    const first =
      round % 2 === 0 ? lock.writeAsync({ signal: controller.signal }) : lock.readAsync({ signal: controller.signal });
    const second = lock.writeAsync();
    await turn();
    guard.release();
    controller.abort();
    await assert.rejects(first, code("CANCELLED"));
    (await second).release();
    lock.tryWrite()!.release();
  }
});

test("rwlock: to block in one's own way is an error, in each combination, and changes nothing", async () => {
  const lock = RwLock.create();
  const writer = lock.write();
  assert.throws(() => lock.read(), code("DEADLOCK"));
  assert.throws(() => lock.write({ timeoutMs: 5 }), code("DEADLOCK"));
  const waiting = lock.writeAsync();
  await turn();
  writer.release();
  (await waiting).release();
  const reader = lock.read();
  lock.read().release(); // nobody writes: readers may be many
  assert.throws(() => lock.write(), code("DEADLOCK"));
  const queued = lock.writeAsync();
  await turn();
  assert.throws(() => lock.read(), code("DEADLOCK")); // behind a writer that waits for this very thread
  reader.release();
  (await queued).release();
  await lock.withWrite(async () => {
    await assert.rejects(lock.readAsync(), code("DEADLOCK"));
    await assert.rejects(lock.writeAsync(), code("DEADLOCK"));
  });
  lock.tryWrite()!.release();
});

test("rwlock: a writer that dies inside leaves it broken; all who wait are told; it can be repaired", async () => {
  const lock = RwLock.create({ name: "table" });
  const cells = cellsOf();
  const holder = start({ kind: "rw-hold", lock: lock.handle, cells, mode: "write" });
  await arrivals(cells, 1);
  const waiters = (["read", "write", "write"] as const).map((mode) =>
    start({ kind: "rw-once", lock: lock.handle, cells, mode }),
  );
  const here = assert.rejects(
    lock.readAsync(),
    (error: Error) => code("OWNER_DIED")(error) && error.message.includes("table"),
  );
  await arrivals(cells, 4);
  const dead = await kill(holder);
  assert.equal(lock.threadDied(dead + 1000), false);
  assert.equal(lock.threadDied(dead), true);
  assert.equal(lock.threadDied(dead), false, "the same death again does no harm");
  for (const waiter of waiters) assert.equal((await waiter.outcome).code, "OWNER_DIED");
  await here;
  assert.equal(lock.broken, true);
  assert.throws(() => lock.read(), code("OWNER_DIED"));
  assert.throws(() => lock.write(), code("OWNER_DIED"));
  assert.throws(() => lock.tryRead(), code("OWNER_DIED"));
  assert.throws(() => lock.tryWrite(), code("OWNER_DIED"));
  const repair = lock.writeForRepair();
  assert.equal(repair.broken, true);
  const next = lock.readAsync(); // waits for the repair instead of failing
  await turn();
  repair.release();
  (await next).release();
  assert.equal(lock.broken, false);
  lock.write().poison();
  assert.equal(lock.broken, true);
  (await lock.writeForRepairAsync()).release();
  const whole = lock.write();
  assert.equal(whole.broken, false);
  whole.release();
});

test("rwlock: a dead reader, and dead waiters of either kind, are forgotten exactly", async () => {
  const lock = RwLock.create();
  const cells = cellsOf();
  const reader = start({ kind: "rw-hold", lock: lock.handle, cells, mode: "read" });
  await arrivals(cells, 1);
  const draining = start({ kind: "rw-once", lock: lock.handle, cells, mode: "write" });
  await arrivals(cells, 2);
  const [queued, behind] = (["write", "read"] as const).map((mode) =>
    start({ kind: "rw-once", lock: lock.handle, cells, mode }),
  );
  await arrivals(cells, 4);
  const late = start({ kind: "rw-once", lock: lock.handle, cells, mode: "read" });
  await arrivals(cells, 5);
  // it had the turn, but was not inside: the readers behind it come in
  assert.equal(lock.threadDied(await kill(draining)), false);
  await value(behind!);
  await value(late);
  const last = start({ kind: "rw-once", lock: lock.handle, cells, mode: "write" });
  await arrivals(cells, 6);
  lock.threadDied(await kill(queued!));
  assert.equal(lock.threadDied(await kill(reader)), true);
  await value(last);
  assert.equal(lock.broken, false);
  lock.tryWrite()!.release();
});

test("rwlock: takes part in the order of locks, for reading and for writing, in both forms", async () => {
  const [lock, mutex] = [RwLock.create({ name: "table" }), Mutex.create({ name: "index" })];
  {
    using _outer = lock.read();
    using _inner = mutex.lock();
  }
  {
    using _outer = mutex.lock();
    assert.throws(
      () => lock.write(),
      (error: Error) => code("LOCK_ORDER")(error) && /table/.test(error.message) && /index/.test(error.message),
    );
    assert.throws(() => lock.read(), code("LOCK_ORDER"));
    lock.tryRead()!.release(); // does not wait
  }
  await mutex.withLock(async () => {
    await assert.rejects(lock.writeAsync(), code("LOCK_ORDER"));
  });
  await lock.withWrite(async () => (await mutex.lockAsync()).release());
  lock.tryWrite()!.release();
});

test("rwlock: a writer becomes a reader with no writer in between; readers that wait come in", async () => {
  const lock = RwLock.create();
  const log: string[] = [];
  const writer = lock.write();
  const reading = lock.readAsync().then((guard) => (log.push("reader"), guard.release()));
  const writing = lock.writeAsync().then((guard) => (log.push("writer"), guard.release()));
  await turn();
  const reader = writer.downgrade();
  assert.throws(() => writer.release(), code("CONFLICT"));
  await reading;
  assert.equal(lock.tryWrite(), null);
  log.push("downgraded leaves");
  reader.release();
  await writing;
  assert.deepEqual(log, ["reader", "downgraded leaves", "writer"]);
});

test("rwlock: holders and waiters beyond its capacity are refused; options are checked", () => {
  const lock = RwLock.create({ capacity: 2 });
  const guards = [lock.read(), lock.read()];
  assert.throws(() => lock.read(), code("OVERLOADED"));
  assert.throws(() => lock.tryWrite(), code("OVERLOADED"));
  for (const guard of guards) guard.release();
  lock.write().release();
  for (const capacity of [0, 1.5, 1024]) assert.throws(() => RwLock.create({ capacity }), code("OPTION_INVALID"));
});
