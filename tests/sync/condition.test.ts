import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { AbortWord, Condition, Mutex, type ConditionGuard } from "../../src/threads/sync/index.ts";
import { arrivals, cellsOf, code, kill, start, value } from "./holders.ts";

test("condition: producers and consumers meet in a cell; nothing is lost and nobody sleeps on", async () => {
  const mutex = Mutex.create();
  const [notEmpty, notFull] = [Condition.create(mutex), Condition.create(mutex)];
  const common = {
    mutex: mutex.handle,
    notEmpty: notEmpty.handle,
    notFull: notFull.handle,
    cells: cellsOf(),
    rounds: 3000,
  };
  const threads = (["produce", "consume", "produce", "consume"] as const).map((kind) => start({ kind, ...common }));
  const sums = await Promise.all(threads.map(value));
  assert.equal(
    sums.reduce((sum: number, one) => sum + Number(one), 0),
    2 * ((3000 * 3001) / 2),
  );
  assert.equal(mutex.owner, null);
});

test("condition: notifyOne lets one through, notifyAll all; the waiter is inside again", async () => {
  const mutex = Mutex.create();
  const condition = Condition.create(mutex);
  const cells = cellsOf();
  const sleepers = [0, 1, 2].map(() =>
    start({ kind: "condition-wait", mutex: mutex.handle, condition: condition.handle, cells }),
  );
  await arrivals(cells, 3);
  let through = 0;
  for (const sleeper of sleepers) void sleeper.outcome.then(() => through++);
  {
    using _guard = await mutex.lockAsync();
    cells[1] = 1;
    condition.notifyOne();
  }
  await Promise.race(sleepers.map((sleeper) => sleeper.outcome));
  await delay(50);
  assert.equal(through, 1);
  {
    using _guard = await mutex.lockAsync();
    cells[1] = 2;
    condition.notifyAll();
  }
  await Promise.all(sleepers.map(value));
  assert.equal(cells[1], 0);
});

test("condition: a time limit and an abort end the sleep, and the guard is held again", async () => {
  const mutex = Mutex.create();
  const condition = Condition.create(mutex);
  {
    using guard = condition.lock();
    assert.throws(() => condition.wait(guard, { timeoutMs: 5 }), code("TIMEOUT"));
    assert.notEqual(mutex.owner, null);
    assert.throws(() => condition.waitFor(guard, () => false, { timeoutMs: 5 }), code("TIMEOUT"));
    condition.waitFor(guard, () => true, { timeoutMs: 0 });
    let asked = 0;
    condition.waitFor(guard, () => asked++ === 1, { timeoutMs: 5 }); // true when it is asked after the limit
  }
  assert.equal(mutex.owner, null);
  const guard = await condition.lockAsync();
  await assert.rejects(
    condition.waitForAsync(guard, () => false, { timeoutMs: 5 }),
    code("TIMEOUT"),
  );
  const controller = new AbortController();
  const waiting = condition.waitAsync(guard, { signal: controller.signal });
  assert.throws(() => guard.release(), code("CONFLICT")); // it is away
  controller.abort();
  await assert.rejects(waiting, code("CANCELLED"));
  guard.release();
  assert.throws(() => guard.release(), code("CONFLICT"));

  const word = AbortWord.create().bind(condition);
  const cells = cellsOf();
  const aborted = start({
    kind: "condition-wait",
    mutex: mutex.handle,
    condition: condition.handle,
    cells,
    abort: word.handle,
  });
  const patient = start({ kind: "condition-wait", mutex: mutex.handle, condition: condition.handle, cells });
  await arrivals(cells, 2);
  word.abort();
  assert.equal((await aborted.outcome).code, "CANCELLED");
  while (mutex.owner !== null) await turn(); // the patient one was woken too, and looks again inside
  cells[1] = 1;
  condition.notifyOne();
  await value(patient);
});

test("condition: a notification that a cancelled waiter receives goes to the next one", async () => {
  for (let round = 0; round < 40; round++) {
    const condition = Condition.create(Mutex.create());
    let open = false;
    const controller = new AbortController();
    const wait = async (signal?: AbortSignal): Promise<void> => {
      using guard = await condition.lockAsync();
      await condition.waitForAsync(guard, () => open, signal === undefined ? {} : { signal });
    };
    const cancelled = wait(controller.signal);
    const next = wait();
    await turn();
    await turn();
    controller.abort(); // abandoned, and still first in the word's queue
    open = true;
    condition.notifyOne();
    await assert.rejects(cancelled, code("CANCELLED"));
    await next;
  }
});

test("condition: a waiter that is terminated takes nothing with it", async () => {
  const mutex = Mutex.create();
  const condition = Condition.create(mutex);
  const cells = cellsOf();
  const first = start({ kind: "condition-wait", mutex: mutex.handle, condition: condition.handle, cells });
  await arrivals(cells, 1);
  const second = start({ kind: "condition-wait", mutex: mutex.handle, condition: condition.handle, cells });
  await arrivals(cells, 2);
  const guard: ConditionGuard = condition.lock();
  cells[1] = 1;
  condition.notifyOne(); // to the first, which now waits for the mutex
  await delay(60);
  const dead = await kill(first);
  guard.release();
  mutex.threadDied(dead);
  assert.equal(condition.threadDied(dead), false);
  assert.equal(await value(second), second.threadId);
});

test(
  "condition: whoever comes back to a broken mutex is told, and is not inside; guards of other mutexes are " +
    "refused",
  async () => {
    const mutex = Mutex.create();
    const condition = Condition.create(mutex);
    const guard = await condition.lockAsync();
    const waiting = condition.waitAsync(guard);
    (await mutex.lockAsync()).poison();
    condition.notifyOne();
    await assert.rejects(waiting, code("OWNER_DIED"));
    guard[Symbol.dispose]();
    assert.throws(() => guard.broken, code("CONFLICT"));
    mutex.lockForRepair().release();
    using other = Condition.create(Mutex.create()).lock();
    assert.throws(() => condition.wait(other), code("OPTION_INVALID"));
    other.poison();
    assert.equal(other.mutex.broken, true);
  },
);
