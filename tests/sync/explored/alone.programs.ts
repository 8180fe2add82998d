/**
 * What the primitives promise to one thread: what a call returns, what it throws, and what is left then. With nobody
 * beside it there is one schedule; whatever would be waited for in vain is a deadlock, and is told. A list of promises,
 * primitive by primitive, and so it is long.
 */
import assert from "node:assert/strict";
import {
  AbortWord,
  Barrier,
  Channel,
  Condition,
  Counter,
  EpochCell,
  EventCount,
  isOwnerDied,
  Latch,
  Mutex,
  NumberChannel,
  Once,
  OwnerDiedError,
  RwLock,
  Semaphore,
  SeqlockCell,
  Supervisor,
  type Supervised,
} from "../../../src/threads/sync/index.ts";
import { LockstepError } from "../../../src/base/index.ts";
import { refusals, unlike } from "../refusals.ts";
import { aloneIn, listeners, OTHER, rejects, SELF, throws } from "./alone.ts";

const alone = aloneIn(import.meta.url);

const INT32 = { capacity: 2, type: "int32", spins: 0 } as const;

export const refused = alone("what cannot be an argument is refused, and says the range", async () => {
  for (const refusal of refusals()) {
    const said = await unlike(refusal);
    if (said !== null) return assert.fail(said);
  }
});

export const mutex = alone("mutex", async () => {
  const own = Mutex.create({ name: "own" });
  const { words } = own.handle;
  assert.deepEqual([own.owner, own.broken, words[3]], [null, false, 31]);
  const guard = own.lock();
  assert.equal(own.owner, SELF);
  assert.equal(guard.broken, false);
  assert.equal(own.tryLock(), null);
  throws("DEADLOCK", () => own.lock());
  throws("TIMEOUT", () => own.lock({ timeoutMs: 5 }));
  guard.release();
  throws("CONFLICT", () => guard.release());
  throws("CONFLICT", () => guard.poison());
  guard[Symbol.dispose]();
  assert.equal(words[0], 0);
  {
    using again = own.tryLock();
    assert.notEqual(again, null);
  }
  const poisoned = own.lock();
  poisoned.poison();
  assert.deepEqual([own.broken, own.owner], [true, null]);
  throws("OWNER_DIED", () => own.lock(), /"own" is broken/);
  throws("OWNER_DIED", () => own.tryLock());
  const repair = own.lockForRepair();
  assert.equal(repair.broken, true);
  repair.release();
  assert.equal(own.lockForRepair().broken, false);
  assert.equal(own.threadDied(OTHER), false);
  assert.equal(own.owner, SELF);
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.broken, true);
  const repaired = await own.lockForRepairAsync();
  assert.equal(repaired.broken, true);
  repaired.release();
  assert.equal(await own.withLock((inside) => [own.owner, inside.broken].join()), `${SELF},false`);
  await rejects(
    "DEADLOCK",
    own.withLock(() => own.lockAsync()),
  );
  const abort = AbortWord.create();
  abort.abort("TIMEOUT");
  throws("TIMEOUT", () => own.lock({ abort }), /given up/);
  const controller = new AbortController();
  controller.abort();
  await rejects("CANCELLED", own.lockAsync({ signal: controller.signal }));
  assert.equal(words[0], 0);
  const held = own.lock();
  const waiting = own.lockAsync();
  throws("DEADLOCK", () => own.lock());
  held.release();
  throws("DEADLOCK", () => own.lock());
  (await waiting).release();
  const later = new AbortController();
  const first = own.lock();
  const given = own.lockAsync({ signal: later.signal });
  later.abort();
  await rejects("CANCELLED", given);
  assert.equal(listeners(words), 0);
  first.release();
  assert.equal(own.tryLock()?.broken, false);
});

export const rwlock = alone("read-write lock", async () => {
  const own = RwLock.create({ capacity: 3, name: "own" });
  assert.deepEqual([own.broken, own.writer], [false, null]);
  const [one, two] = [own.read(), own.tryRead()!];
  assert.equal(own.tryWrite(), null);
  assert.equal(own.writer, null);
  throws("DEADLOCK", () => own.write());
  one.release();
  throws("CONFLICT", () => one.release());
  one[Symbol.dispose]();
  two.release();
  const writer = own.write();
  assert.deepEqual([own.writer, writer.broken], [SELF, false]);
  assert.equal(own.tryRead(), null);
  assert.equal(own.tryWrite(), null);
  throws("DEADLOCK", () => own.read());
  throws("DEADLOCK", () => own.write());
  const reader = writer.downgrade();
  throws("CONFLICT", () => writer.release());
  writer[Symbol.dispose]();
  assert.equal(own.writer, null);
  own.tryRead()!.release();
  reader.release();
  own.write().poison();
  assert.deepEqual([own.broken, own.writer], [true, null]);
  for (const use of [() => own.read(), () => own.write(), () => own.tryRead(), () => own.tryWrite()])
    throws("OWNER_DIED", use, /"own" is broken/);
  await rejects("OWNER_DIED", own.readAsync());
  await rejects("OWNER_DIED", own.writeAsync());
  const repair = own.writeForRepair();
  assert.deepEqual([repair.broken, own.broken, own.writer], [true, false, SELF]);
  repair.poison();
  assert.equal(own.broken, true);
  (await own.writeForRepairAsync()).release();
  assert.equal(own.broken, false);
  assert.equal(own.writeForRepair().broken, false);
  assert.equal(own.threadDied(OTHER), false);
  assert.equal(own.writer, SELF);
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.broken, true);
  own.writeForRepair().release();
  own.read();
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.threadDied(SELF), false);
  assert.deepEqual([own.broken, own.writer], [false, null]);
  const held = [own.read(), own.read(), own.read()];
  throws("OVERLOADED", () => own.read(), /all 3 records/);
  for (const guard of held) guard.release();
  assert.equal(await own.withRead(() => own.writer), null);
  assert.equal(await own.withWrite(() => own.writer), SELF);
  await rejects(
    "DEADLOCK",
    own.withWrite(() => own.readAsync()),
  );
  const write = own.write();
  for (const ask of [
    (signal: AbortSignal) => own.readAsync({ signal }),
    (signal: AbortSignal) => own.writeAsync({ signal }),
  ]) {
    const controller = new AbortController();
    const asked = ask(controller.signal);
    controller.abort();
    await rejects("CANCELLED", asked);
    assert.equal(listeners(own.handle.words), 0);
  }
  const asked = own.writeAsync();
  throws("DEADLOCK", () => own.write());
  write.release();
  throws("DEADLOCK", () => own.read());
  (await asked).release();
  own.tryWrite()!.release();
});

export const semaphore = alone("semaphore", async () => {
  const own = Semaphore.create(3, { capacity: 3 });
  assert.deepEqual([own.permits, own.available], [3, 3]);
  const two = own.acquire(2);
  assert.deepEqual([two.permits, own.available], [2, 1]);
  assert.equal(own.tryAcquire(2), null);
  throws("DEADLOCK", () => own.acquire(2), /this thread holds 2 of 3 itself/);
  const one = own.tryAcquire()!;
  assert.equal(own.available, 0);
  two.release();
  throws("CONFLICT", () => two.release());
  two[Symbol.dispose]();
  assert.equal(own.available, 2);
  one[Symbol.dispose]();
  assert.equal(own.available, 3);
  assert.equal(await own.withPermits(3, () => own.available), 0);
  assert.equal(own.available, 3);
  own.acquire();
  assert.equal(own.threadDied(OTHER), false);
  assert.equal(own.available, 2);
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.threadDied(SELF), false);
  assert.equal(own.available, 3);
  const held = [own.acquire(), own.acquire(), own.acquire()];
  throws("OVERLOADED", () => own.tryAcquire(), /all 3 records/);
  held[0]!.release();
  const controller = new AbortController();
  const asked = own.acquireAsync(3, { signal: controller.signal });
  throws("OVERLOADED", () => own.acquire());
  held[1]!.release();
  throws("DEADLOCK", () => own.acquire(), /an async task of this thread waits in front/);
  controller.abort();
  await rejects("CANCELLED", asked);
  assert.equal(listeners(own.handle.words), 0);
  assert.equal(own.available, 2);
  own.acquire(2).release();
});

export const once = alone("once", async () => {
  const own = Once.create();
  assert.equal(own.done, false);
  throws("DEADLOCK", () => own.run(() => void own.run(() => {})));
  assert.throws(() => own.run(() => assert.fail("first")), /first/);
  assert.equal(own.done, false);
  await assert.rejects(
    own.runAsync(() => Promise.reject(new Error("second"))),
    /second/,
  );
  assert.equal(own.threadDied(SELF), false);
  const seen: boolean[] = [];
  assert.throws(() =>
    own.run(() => {
      assert.equal(own.threadDied(OTHER), false);
      assert.equal(own.threadDied(SELF), true);
      throw new Error("dead");
    }),
  );
  const died = Once.create();
  try {
    died.run(() => {
      died.threadDied(SELF);
      throw new OwnerDiedError("this", "repair");
    });
  } catch (thrown) {
    assert.equal(isOwnerDied(thrown), true);
  }
  assert.equal(
    died.run((run) => void seen.push(run.ownerDied)),
    true,
  );
  assert.equal(
    died.run(() => seen.push(true)),
    false,
  );
  assert.equal(await died.runAsync(() => void seen.push(true)), false);
  assert.deepEqual(seen, [false]);
  assert.equal(died.done, true);
  const torn = Once.create();
  const fails = (): never => {
    throw new Error("no");
  };
  torn.handle.words[0] = OTHER + 1;
  const told = torn.runAsync(fails);
  assert.equal(torn.threadDied(OTHER), true);
  await rejects("OWNER_DIED", told);
  assert.throws(() => torn.run(fails, { onOwnerDied: "retry" }), /no/);
  throws("OWNER_DIED", () => torn.run(fails));
  await assert.rejects(torn.runAsync(fails, { onOwnerDied: "retry" }), /no/);
  throws("OWNER_DIED", () => torn.run(fails));
  assert.equal(await torn.runAsync((run) => void seen.push(run.ownerDied), { onOwnerDied: "retry" }), true);
  assert.deepEqual(seen, [false, true]);
  assert.deepEqual(
    [new OwnerDiedError("this", "repair"), { code: "OWNER_DIED" }, new LockstepError("TIMEOUT", "late"), null].map(
      isOwnerDied,
    ),
    [true, false, false, false],
  );
  assert.equal(died.threadDied(SELF), false);
  assert.equal(died.done, true);
});

export const counting = alone("barrier, latch, counter, event count", async () => {
  const barrier = Barrier.create(1);
  assert.deepEqual(
    [barrier.parties, barrier.aborted, barrier.wait(), await barrier.waitAsync()],
    [1, null, true, true],
  );
  assert.equal(barrier.abort("WORKER_DIED"), true);
  assert.equal(barrier.abort("CANCELLED"), false);
  assert.equal(barrier.aborted, "WORKER_DIED");
  throws("WORKER_DIED", () => barrier.wait());
  assert.equal(barrier.threadDied(), false);
  assert.equal(Barrier.create(2).threadDied(), true);
  const two = Barrier.create(2);
  throws("TIMEOUT", () => two.wait({ timeoutMs: 5 }));
  await rejects("TIMEOUT", two.waitAsync());
  const abort = AbortWord.create();
  abort.abort("INTERNAL");
  const given = Barrier.create(2);
  throws("INTERNAL", () => given.wait({ abort }));
  assert.equal(given.aborted, "INTERNAL");
  for (const limits of [{ abort }, { timeoutMs: 5 }]) await assert.rejects(Barrier.create(2).waitAsync(limits));
  const worn = Barrier.create(1);
  worn.handle.words[0] = 2 ** 28 - 1;
  assert.deepEqual([worn.wait(), worn.handle.words[0], worn.aborted], [true, 0, null], "generations begin again");
  const crowd = Barrier.create(1);
  crowd.handle.words[1] = 1;
  throws("CONFLICT", () => crowd.wait(), /entered by 2/);

  const latch = Latch.create(2);
  latch.countDown();
  assert.equal(latch.open, false);
  throws("TIMEOUT", () => latch.wait({ timeoutMs: 5 }));
  throws("INTERNAL", () => latch.wait({ abort }));
  await rejects("TIMEOUT", latch.waitAsync({ timeoutMs: 5 }));
  latch.countDown();
  assert.equal(latch.open, true);
  latch.wait();
  await latch.waitAsync();
  throws("CONFLICT", () => latch.countDown());
  assert.equal(latch.abort("CANCELLED"), false);
  const dead = Latch.create(1);
  assert.equal(dead.threadDied(), true);
  assert.equal(dead.threadDied(), false);
  dead.countDown();
  assert.equal(dead.open, false);
  throws("WORKER_DIED", () => dead.wait());
  await rejects("WORKER_DIED", dead.waitAsync());

  const counter = Counter.create(-2);
  assert.deepEqual([counter.add(1), counter.value], [-1, -1]);
  throws("TIMEOUT", () => counter.waitZero({ timeoutMs: 5 }));
  throws("INTERNAL", () => counter.waitZero({ abort }));
  await rejects("TIMEOUT", counter.whenZero({ timeoutMs: 5 }));
  const zero = counter.whenZero({ timeoutMs: 5 });
  assert.equal(counter.add(1), 0);
  await zero;
  counter.waitZero();
  await counter.whenZero();
  assert.equal(counter.threadDied(), false);

  // It happens after the look, and whoever did it dies before anybody is woken: the look when the time is up sees it.
  const unheard = (words: Int32Array<SharedArrayBuffer>) => ({
    timeoutMs: 5,
    abort: { throwIfAborted: () => void Atomics.store(words, 0, 0) },
  });
  for (const make of [() => Counter.create(1), () => Latch.create(1)]) {
    const [one, two] = [make(), make()];
    if (one instanceof Counter) one.waitZero(unheard(one.handle.words));
    else one.wait(unheard(one.handle.words));
    await (two instanceof Counter ? two.whenZero(unheard(two.handle.words)) : two.waitAsync(unheard(two.handle.words)));
  }
  const [looks, opening] = [Counter.create(1), Latch.create(1)];
  const waited = [looks.whenZero(), opening.waitAsync()];
  for (const woken of [looks, opening]) {
    const behind = Atomics.waitAsync(woken.handle.words, 1, 0); // the next in the queue
    woken.wakeAll();
    await behind.value;
  }
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  looks.add(-1);
  opening.countDown();
  await Promise.all(waited);

  const events = EventCount.create();
  const seen = events.count;
  assert.equal(events.wait(seen, { timeoutMs: 5 }), false);
  events.advance();
  assert.notEqual(events.count, seen);
  assert.equal(events.wait(seen), true);
  assert.equal(await events.waitAsync(seen), true);
  throws("INTERNAL", () => events.wait(events.count, { abort }));
});

export const abortWord = alone("abort word", async () => {
  const word = AbortWord.create();
  assert.equal(word.reason, null);
  word.throwIfAborted("this");
  const [latch, barrier, mutexHeld] = [Latch.create(1), Barrier.create(2), Mutex.create()];
  assert.equal(word.bind(latch), word);
  assert.equal(latch.open, false);
  const whenAborted = word.whenAborted();
  assert.equal(word.abort("WORKER_DIED"), true);
  assert.equal(word.abort("CANCELLED"), false);
  assert.equal(word.reason, "WORKER_DIED");
  throws("WORKER_DIED", () => word.throwIfAborted("this"), /this was given up/);
  throws("WORKER_DIED", () => latch.wait());
  word.bind(barrier, mutexHeld);
  assert.equal(barrier.aborted, "WORKER_DIED");
  assert.equal(await whenAborted, "WORKER_DIED");
  assert.equal(await word.whenAborted(), "WORKER_DIED");
  const late = AbortWord.create().bind(Latch.create(1));
  await rejects("TIMEOUT", late.whenAborted({ timeoutMs: 5 }));
  const controller = new AbortController();
  const stopped = late.follow(controller.signal);
  stopped();
  controller.abort();
  assert.equal(late.reason, null);
  late.follow(controller.signal);
  assert.equal(late.reason, "CANCELLED");
  const followed = AbortWord.create();
  const signal = new AbortController();
  followed.follow(signal.signal);
  signal.abort();
  assert.equal(followed.reason, "CANCELLED");
  const both = AbortWord.create().bind(word, followed);
  const waiting = [both.whenAborted(), both.whenAborted()];
  both.abort("TIMEOUT");
  assert.deepEqual(await Promise.all(waiting), ["TIMEOUT", "TIMEOUT"]);
});

export const seqlock = alone("seqlock cell", async () => {
  const own = SeqlockCell.create(2, { spins: 1 });
  assert.deepEqual([own.width, own.version, own.broken, ...own.read()], [2, 0, false, 0, 0]);
  own.write(Int32Array.of(1, 2));
  assert.deepEqual([own.version, ...(await own.readAsync())], [1, 1, 2]);
  assert.equal(own.tryWrite(Float32Array.of(0.5, -0.5)), true);
  assert.deepEqual([...own.tryRead(new Float32Array(2))!], [0.5, -0.5]);
  await own.writeAsync(Int32Array.of(3, 4));
  own.update((words) => {
    assert.equal(own.tryRead(), null);
    throws("DEADLOCK", () => own.tryWrite(words));
    throws("DEADLOCK", () => own.read());
    throws("DEADLOCK", () => own.write(words));
    words[1] = 9;
  });
  assert.deepEqual([own.version, ...own.read()], [4, 3, 9]);
  assert.throws(
    () =>
      own.update(() => {
        throw new Error("no");
      }),
    /no/,
  );
  assert.deepEqual([own.version, ...own.read()], [4, 3, 9]);
  assert.equal(own.threadDied(SELF), false);
  own.update(() => {
    assert.equal(own.threadDied(OTHER), false);
    assert.equal(own.threadDied(SELF), true);
    assert.equal(own.broken, true);
    throws("OWNER_DIED", () => own.read());
    throws("OWNER_DIED", () => own.write(new Int32Array(2)));
    own.writeForRepair(Int32Array.of(7, 7));
  });
  const { words } = own.handle;
  assert.equal(SeqlockCell.create(1).tryWrite(Int32Array.of(1)), true);
  const worn = SeqlockCell.create(1);
  worn.handle.words[0] = 2 * 0x3fff_ffff;
  worn.handle.words[1] = 0x3fff_ffff;
  worn.write(Int32Array.of(5));
  assert.deepEqual([worn.version, ...worn.read()], [0, 5], "versions begin again");
  const broken = SeqlockCell.create(1);
  broken.write(Int32Array.of(5));
  broken.handle.words[0] = 1;
  broken.writeForRepair(Int32Array.of(6));
  assert.deepEqual([broken.version, ...broken.read()], [2, 6]);
  broken.handle.words[0] = 2 * (OTHER + 1) + 1;
  assert.equal(broken.tryRead(), null);
  assert.equal(broken.tryWrite(Int32Array.of(1)), false);
  throws("TIMEOUT", () => broken.read(undefined, { timeoutMs: 5 }));
  throws("TIMEOUT", () => broken.write(Int32Array.of(1), { timeoutMs: 5 }));
  await rejects("TIMEOUT", broken.readAsync(undefined, { timeoutMs: 5 }));
  await rejects("TIMEOUT", broken.writeAsync(Int32Array.of(1), { timeoutMs: 5 }));
  const abort = AbortWord.create();
  abort.abort("INTERNAL");
  throws("INTERNAL", () => broken.read(undefined, { abort }));
  throws("INTERNAL", () => broken.write(Int32Array.of(1), { abort }));
  assert.equal(words.length, 8);
});

export const epoch = alone("epoch cell", async () => {
  const own = EpochCell.create(2, { holders: 1 });
  assert.deepEqual([own.slots, own.version, own.tryPin()], [2, null, null]);
  throws("NOT_FOUND", () => own.pin());
  throws("TIMEOUT", () => own.pinWhenPublished({ timeoutMs: 5 }));
  await rejects("TIMEOUT", own.pinAsync({ timeoutMs: 5 }));
  const first = own.reserve();
  assert.equal(first.slot, 0);
  first.publish(5);
  throws("CONFLICT", () => first.publish(6));
  throws("CONFLICT", () => first.giveBack());
  assert.deepEqual([own.version, own.pins(0), own.pins(1)], [5, 1, 0]);
  const pin = own.pin();
  assert.deepEqual([pin.slot, pin.version, own.pins(0)], [0, 5, 2]);
  throws("CONFLICT", () => own.detach(), /holds a pin/);
  throws("OVERLOADED", () => EpochCell.attach(own.handle).tryPin(), /1 holders/);
  const second = own.tryReserve()!;
  assert.equal(second.slot, 1);
  assert.equal(own.tryReserve(), null);
  throws("TIMEOUT", () => own.reserve({ timeoutMs: 5 }));
  await rejects("TIMEOUT", own.reserveAsync({ timeoutMs: 5 }));
  second.publish(6);
  assert.equal(own.tryReserve(), null);
  const again = own.pin();
  assert.deepEqual([again.slot, own.pins(0), own.pins(1)], [1, 1, 2]);
  pin.unpin();
  throws("CONFLICT", () => pin.unpin());
  pin[Symbol.dispose]();
  assert.deepEqual([own.pins(0), own.pins(1)], [0, 2]);
  own.tryReserve()!.giveBack();
  const third = await own.reserveAsync();
  assert.equal(third.slot, 0);
  assert.equal(own.threadDied(OTHER), false);
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.threadDied(SELF), false);
  assert.deepEqual([own.pins(0), own.pins(1)], [0, 1]);
  const fresh = EpochCell.attach(own.handle);
  using held = fresh.pin();
  assert.equal(held.slot, 1);
  held[Symbol.dispose]();
  fresh.detach();
  fresh.detach();
  using other = EpochCell.attach(own.handle).pinWhenPublished();
  assert.equal(other.version, 6);
});

export const numberChannel = alone("channel of numbers", async () => {
  for (const sides of ["one", "many"] as const) {
    const own = NumberChannel.create({
      ...INT32,
      senders: sides,
      receivers: sides,
    });
    assert.deepEqual([own.capacity, own.width, own.size, own.closed, own.tryReceive()], [2, 1, 0, false, undefined]);
    for (let round = 0; round < 5; round++) {
      assert.equal(own.trySend(2 * round), true);
      own.send(2 * round + 1);
      assert.equal(own.size, 2);
      assert.equal(own.trySend(9), false);
      throws("TIMEOUT", () => own.send(9, { timeoutMs: 5 }));
      assert.equal(own.receive(), 2 * round);
      assert.equal(own.tryReceive(), 2 * round + 1);
      own.send(7);
      assert.equal(await own.receiveAsync(), 7);
    }
    throws("TIMEOUT", () => own.receive({ timeoutMs: 5 }));
    await rejects("TIMEOUT", own.receiveAsync({ timeoutMs: 5 }));
    assert.equal(own.tryReceiveMany(new Int32Array(2)), 0);
    assert.equal(own.trySendMany(Int32Array.of(1, 2, 3)), 2);
    assert.equal(own.trySendMany(Int32Array.of(1, 2, 3), 2), 0);
    assert.equal(own.trySendMany(Int32Array.of(1), 1), 0);
    const into = new Int32Array(3);
    assert.deepEqual([own.receiveMany(into), ...into], [2, 1, 2, 0]);
    await own.sendManyAsync(Int32Array.of(4, 5));
    assert.deepEqual([await own.receiveManyAsync(into), ...into], [2, 4, 5, 0]);
    own.sendMany(Int32Array.of(6));
    const other = NumberChannel.attach(own.handle);
    if (sides === "one") throws("CONFLICT", () => other.trySend(1), /one sender, and thread 1/);
    if (sides === "one") throws("CONFLICT", () => other.tryReceive(), /one receiver, and thread 1/);
    own.leave();
    assert.equal(other.tryReceive(), 6);
    other.send(8);
    assert.equal(own.threadDied(OTHER), false);
    assert.equal(own.threadDied(SELF), sides === "one");
    assert.equal(own.close(), true);
    assert.equal(own.close(), false);
    assert.equal(own.closed, true);
    throws("SHUTTING_DOWN", () => own.send(1));
    throws("SHUTTING_DOWN", () => own.sendMany(Int32Array.of(1)));
    await rejects("SHUTTING_DOWN", own.sendAsync(1));
    assert.deepEqual([own.receive(), own.receive(), own.tryReceive()], [8, null, null]);
    assert.equal(own.receiveMany(into), 0);
    assert.equal(await own.receiveAsync(), null);
    throws("SHUTTING_DOWN", () => own.trySend(1));
  }
  for (const side of ["senders", "receivers"] as const) {
    const own = NumberChannel.create({ ...INT32, [side]: "one" });
    own.send(1);
    assert.equal(own.tryReceive(), 1);
    assert.equal(own.threadDied(SELF), true);
    assert.equal(own.threadDied(SELF), false);
  }
  const wide = NumberChannel.create({
    capacity: 3,
    type: "float64",
    width: 2,
    spins: 0,
  });
  throws("OPTION_INVALID", () => wide.send(1), /sendMany/);
  throws("OPTION_INVALID", () => wide.tryReceive(), /receiveMany/);
  throws("OPTION_INVALID", () => wide.sendMany(new Float64Array(3)), /multiple/);
  throws("OPTION_INVALID", () => wide.sendMany(new Float64Array(0)), /multiple/);
  const four = new Float64Array(4);
  for (let round = 0; round < 4; round++) {
    wide.sendMany(Float64Array.of(round, 1, 2, 3));
    assert.equal(wide.size, 2);
    assert.deepEqual([wide.receiveMany(four), ...four], [2, round, 1, 2, 3]);
  }
  const long = NumberChannel.create({
    capacity: 60,
    type: "float32",
    spins: 0,
  });
  const numbers = Float32Array.from({ length: 50 }, (_, at) => at);
  const all = new Float32Array(50);
  for (let round = 0; round < 3; round++) {
    long.sendMany(numbers);
    assert.equal(long.receiveMany(all), 50);
    assert.deepEqual(all, numbers);
    all.fill(-1);
  }
});

export const channel = alone("channel of values", async () => {
  for (const codec of ["json", "structured"] as const) {
    const own = Channel.create<unknown[]>({
      capacity: 2,
      bytes: 64,
      codec,
      spins: 0,
    });
    own.send(["é", 1]);
    assert.equal(own.trySend([2]), true);
    assert.equal(own.trySend([3]), false);
    assert.equal(own.size, 2);
    assert.deepEqual(own.receive(), ["é", 1]);
    assert.deepEqual(own.receiveMany(5), [[2]]);
    await own.sendAsync([4]);
    assert.deepEqual(await own.receiveAsync(), [4]);
    own.sendMany([[5], [6]]);
    throws("TIMEOUT", () => own.sendMany([[7]], { timeoutMs: 5 }));
    await rejects("TIMEOUT", own.sendAsync([7], { timeoutMs: 5 }));
    assert.deepEqual(own.receiveMany(1), [[5]]);
    throws("INPUT_TOO_LARGE", () => own.send(["x".repeat(80)]), /64/);
    throws("INPUT_INVALID", () => own.send(null as never), /null/);
    throws("INPUT_INVALID", () => own.send(undefined as never), /undefined/);
    throws("INPUT_INVALID", () => own.send((() => 1) as never));
    own.close();
    throws("SHUTTING_DOWN", () => own.send([1]));
    throws("SHUTTING_DOWN", () => own.sendMany([[1]]));
    assert.deepEqual([...own], [[6]]);
    assert.deepEqual(own.receiveMany(2), []);
    const rest: unknown[] = [];
    for await (const message of own) rest.push(message);
    assert.deepEqual(rest, []);
  }
  const json = Channel.create<string | number>({ capacity: 2, bytes: 9, spins: 0 });
  json.send("1234567");
  throws("INPUT_TOO_LARGE", () => json.send("12345678"));
  throws("INPUT_INVALID", () => json.send(NaN), /null/);
  assert.equal(json.receive(), "1234567");
  const bytes = Channel.create({
    capacity: 1,
    bytes: 3,
    codec: "bytes",
    spins: 0,
  });
  bytes.send(Uint8Array.of(1, 2, 3));
  assert.deepEqual([...bytes.receive()!], [1, 2, 3]);
  throws("INPUT_INVALID", () => bytes.send("text" as never));
  throws("INPUT_TOO_LARGE", () => bytes.send(new Uint8Array(4)));
  const sent = bytes.sendAsync(Uint8Array.of(1));
  const waits = bytes.sendAsync(Uint8Array.of(2));
  assert.deepEqual([...bytes.receive()!], [1]);
  await Promise.all([sent, waits]);
  assert.deepEqual([...bytes.receive()!], [2]);
  assert.equal(bytes.threadDied(SELF), false);
});

export const condition = alone("condition", async () => {
  const own = Condition.create(Mutex.create());
  const guard = own.lock();
  throws("TIMEOUT", () => own.wait(guard, { timeoutMs: 5 }));
  assert.equal(own.mutex.owner, SELF);
  await rejects("TIMEOUT", own.waitAsync(guard, { timeoutMs: 5 }));
  let asked = 0;
  throws("TIMEOUT", () => own.waitFor(guard, () => ++asked > 2, { timeoutMs: 5 }));
  assert.equal(asked, 2);
  own.waitFor(guard, () => ++asked > 2, { timeoutMs: 5 });
  await rejects(
    "TIMEOUT",
    own.waitForAsync(guard, () => ++asked > 5, { timeoutMs: 5 }),
  );
  await own.waitForAsync(guard, () => true);
  assert.equal(guard.broken, false);
  throws("OPTION_INVALID", () => own.wait({ mutex: own.mutex } as never), /guard/);
  const other = Condition.create(Mutex.create());
  throws("OPTION_INVALID", () => other.wait(guard), /another mutex/);
  const abort = AbortWord.create();
  abort.abort("INTERNAL");
  throws("INTERNAL", () => own.wait(guard, { abort }));
  throws("INTERNAL", () => own.waitFor(guard, () => false, { abort }));
  await rejects(
    "INTERNAL",
    own.waitForAsync(guard, () => false, { abort }),
  );
  const waiting = own.waitAsync(guard);
  throws("CONFLICT", () => guard.release(), /not held/);
  own.notifyOne();
  await waiting;
  const second = own.waitAsync(guard);
  own.notifyAll();
  await second;
  const third = own.waitAsync(guard);
  assert.equal(own.threadDied(OTHER), false);
  await third;
  const fourth = own.waitAsync(guard);
  own.wakeAll();
  await fourth;
  const controller = new AbortController();
  const cancelled = own.waitAsync(guard, { signal: controller.signal });
  controller.abort();
  await rejects("CANCELLED", cancelled);
  assert.equal(listeners(own.handle.words), 0);
  const fifth = own.waitAsync(guard);
  own.mutex.lock().poison();
  own.notifyAll();
  await rejects("OWNER_DIED", fifth);
  throws("CONFLICT", () => guard.broken);
  guard[Symbol.dispose]();
  const repaired = await own.mutex.lockForRepairAsync();
  repaired.release();
  const last = await own.lockAsync();
  last.poison();
  assert.equal(own.mutex.broken, true);
  last[Symbol.dispose]();
});

export const supervisor = alone("supervisor", () => {
  const told: string[] = [];
  const object = (name: string, held: boolean): Supervised => ({
    threadDied: (id) => {
      told.push(`${name} ${id}`);
      return held;
    },
  });
  const [one, two, three] = [object("one", true), object("two", false), object("three", true)];
  const supervisor = new Supervisor();
  assert.equal(supervisor.protect(one, two, three).unprotect(three), supervisor);
  const deaths: unknown[] = [];
  supervisor.onDeath(({ threadId, held }) => deaths.push([threadId, held.length, held[0] === one]));
  throws("OPTION_INVALID", () => supervisor.onDeath(null as never), /a function/);
  supervisor.threadDied(5);
  supervisor.threadDied(5);
  assert.deepEqual([told, deaths], [["one 5", "two 5"], [[5, 1, true]]]);
  supervisor.protect(three);
  assert.deepEqual(told, ["one 5", "two 5", "three 5"]);
  supervisor[Symbol.dispose]();
  supervisor.threadDied(6);
  assert.deepEqual([told.length, deaths.length], [3, 1]);
  throws("SHUTTING_DOWN", () => supervisor.port());
});

export const order = alone("the order of locks", async () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => Mutex.create({ name })) as [Mutex, Mutex, Mutex];
  {
    using _a = a.lock();
    using _b = b.lock();
  }
  {
    using _b = b.tryLock();
    using _c = c.lock();
  }
  {
    using _b = b.lock();
    throws("LOCK_ORDER", () => a.lock(), /lock "a" is to be acquired while "b" is held.*"b" was acquired while "a"/);
    throws("LOCK_ORDER", () => a.lock({ timeoutMs: 5 }));
    assert.equal(a.owner, null);
    a.tryLock()!.release();
  }
  {
    using _c = c.lock();
    throws(
      "LOCK_ORDER",
      () => a.lock(),
      /"b" was acquired while "a" was held, .*; "c" was acquired while "b" was held/,
    );
  }
  const [start, way, end] = ["start", "way", "end"].map((name) => Mutex.create({ name })) as [Mutex, Mutex, Mutex];
  for (const [outer, inner] of [
    [start, way],
    [start, end],
    [way, end],
  ] as const) {
    using _outer = outer.lock();
    using _inner = inner.lock();
  }
  {
    using _end = end.lock();
    throws(
      "LOCK_ORDER",
      () => start.lock(),
      /other way round before: "end" was acquired while "start" was held, [^;]*$/,
    );
  }
  const first = a.lock();
  const second = b.lock();
  first.release();
  second.release();
  const rw = RwLock.create({ name: "rw" });
  {
    using _rw = rw.read();
    using _a = a.lock();
  }
  {
    using _a = a.lock();
    throws("LOCK_ORDER", () => rw.write(), /"rw"/);
    throws("LOCK_ORDER", () => rw.read(), /"rw"/);
  }
  const [x, y] = [Mutex.create({ checkOrder: false }), Mutex.create()];
  for (const [outer, inner] of [
    [x, y],
    [y, x],
  ] as const) {
    using _outer = outer.lock();
    using _inner = inner.lock();
  }
  await rejects(
    "LOCK_ORDER",
    b.withLock(() => a.withLock(() => 0)),
  );
  await rejects(
    "LOCK_ORDER",
    a.withLock(() => rw.withRead(() => 0)),
  );
  await rejects(
    "LOCK_ORDER",
    a.withLock(() => rw.withWrite(() => 0)),
  );
  await rejects(
    "DEADLOCK",
    a.withLock(() => c.withLock(() => c.withLock(() => 0))),
  );
  await a.withLock(() => b.withLock(() => c.withLock(() => 0)));
  const [plain, other] = [Mutex.create(), Mutex.create()];
  {
    using _plain = plain.lock();
    using _other = other.lock();
  }
  using _other = other.lock();
  throws("LOCK_ORDER", () => plain.lock(), /lock #\d+ is to be acquired while #\d+ is held/);
});
