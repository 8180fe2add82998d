/** Threads that end in whatever way, and what becomes of what they held. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Mutex, Supervisor, type ThreadDeath } from "../../src/threads/sync/index.ts";
import { Remote } from "./remote.ts";

function nextDeath(supervisor: Supervisor): Promise<ThreadDeath> {
  return new Promise((resolve) => supervisor.onDeath(resolve));
}

test("a terminated holder's mutex is broken; its waiters in both forms are told, and it can be repaired", async () => {
  const mutex = Mutex.create();
  using supervisor = new Supervisor().protect(mutex);
  const death = nextDeath(supervisor);
  const holder = new Remote([mutex], { supervisor });
  await using waiter = new Remote([mutex], { supervisor });
  await holder.tell({ do: "lock", mutex: 0 });
  const id = holder.worker.threadId;
  const blocked = waiter.tell({ do: "lock", mutex: 0 });
  const pending = assert.rejects(mutex.lockAsync(), { code: "OWNER_DIED" });
  await delay(50);
  await holder.worker.terminate();
  await pending;
  assert.equal((await blocked).code, "OWNER_DIED");
  assert.deepEqual(await death, { threadId: id, held: [mutex] });
  assert.equal((await waiter.tell({ do: "lockForRepair", mutex: 0 })).value, true);
  await waiter.tell({ do: "release", mutex: 0 });
  mutex.lock().release();
});

test("a thread that ends by itself while holding something is dead; one holding nothing breaks nothing", async () => {
  const mutex = Mutex.create();
  using supervisor = new Supervisor().protect(mutex);
  const honest = new Remote([mutex], { supervisor });
  const first = nextDeath(supervisor);
  await honest.tell({ do: "lock", mutex: 0 });
  await honest.tell({ do: "release", mutex: 0 });
  await honest.end();
  assert.deepEqual((await first).held, []);
  mutex.lock().release();

  const forgetful = new Remote([mutex], { supervisor });
  const second = nextDeath(supervisor);
  await forgetful.tell({ do: "lock", mutex: 0 });
  await forgetful.end();
  assert.deepEqual((await second).held, [mutex]);
  assert.equal(mutex.broken, true);
});

test("a waiter that dies just as it is granted the mutex does not take the grant with it", async () => {
  const mutex = Mutex.create();
  using supervisor = new Supervisor().protect(mutex);
  await using survivor = new Remote([mutex], { supervisor });
  for (let round = 0; round < 10; round++) {
    const victim = new Remote([mutex], { supervisor });
    await victim.tell({ do: "tryLock", mutex: 0 });
    await victim.tell({ do: "release", mutex: 0 });
    const guard = mutex.lock();
    void victim.tell({ do: "lock", mutex: 0 });
    await delay(20);
    const next = survivor.tell({ do: "lockForRepair", mutex: 0 }); // the victim may get as far as holding it
    await delay(20);
    guard.release();
    await victim.worker.terminate();
    assert.equal((await next).code, undefined);
    await survivor.tell({ do: "release", mutex: 0 });
  }
});

test("each death is told once, whoever sees it; the unprotected is not told; what is protected late is", async () => {
  const [early, late, left] = [Mutex.create(), Mutex.create(), Mutex.create()] as const;
  using supervisor = new Supervisor().protect(early, left).unprotect(left);
  const deaths: number[] = [];
  supervisor.onDeath(({ threadId }) => deaths.push(threadId));
  const thread = new Remote([early, late, left], { supervisor });
  supervisor.watch(thread.worker);
  const id = thread.worker.threadId;
  for (const mutex of [0, 1, 2]) await thread.tell({ do: "lock", mutex });
  await thread.worker.terminate();
  while (deaths.length === 0) await delay(1);
  await delay(20);
  assert.deepEqual(deaths, [id]);
  assert.deepEqual([early.broken, late.broken, left.broken], [true, false, false]);
  supervisor.protect(late);
  assert.equal(late.broken, true);
  assert.equal(left.owner, id);
  assert.throws(() => supervisor.watch(thread.worker), { code: "OPTION_INVALID" });
});

test("a watched worker needs no port; a disposed supervisor sees nothing and keeps no process alive", async () => {
  const mutex = Mutex.create();
  const supervisor = new Supervisor().protect(mutex);
  const watched = new Remote([mutex]);
  supervisor.watch(watched.worker);
  await watched.tell({ do: "lock", mutex: 0 });
  await watched.worker.terminate();
  assert.equal(mutex.broken, true);
  mutex.lockForRepair().release();

  const port = supervisor.port();
  const unseen = new Remote([mutex], { supervisor });
  await unseen.tell({ do: "lock", mutex: 0 });
  const closed = once(port, "close");
  supervisor[Symbol.dispose]();
  await closed;
  await unseen.worker.terminate();
  await delay(20);
  assert.equal(mutex.broken, false);
  assert.throws(() => supervisor.port(), { code: "SHUTTING_DOWN" });
  supervisor.protect(mutex);
  assert.equal(mutex.broken, false, "it has closed its ports itself: that is no death");
});

test("an async wait that is over does not keep its thread alive", async () => {
  const mutex = Mutex.create();
  const thread = new Remote([mutex]);
  const guard = mutex.lock();
  const waits = thread.tell({ do: "lockAsync", mutex: 0 });
  await delay(100); // asleep by then
  guard.release();
  await waits;
  await thread.tell({ do: "release", mutex: 0 });
  await thread.end();
});

test("a supervisor that waits does not keep its thread alive", async () => {
  const thread = new Remote([]);
  await thread.tell({ do: "supervise" });
  await thread.end();
});
