/**
 * Lock orders that could deadlock are refused before they do; circles of waits are reported by one of those who wait.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Mutex } from "../../src/threads/sync/index.ts";
import type { Answer } from "./lock-thread.ts";
import { Remote } from "./remote.ts";

const named = (...names: string[]): Mutex[] => names.map((name) => Mutex.create({ name }));

function thrownBy(action: () => unknown): { code?: string; message: string; details: Record<string, unknown> } {
  try {
    action();
  } catch (thrown) {
    return thrown as never;
  }
  return assert.fail("nothing was thrown");
}

test("an inverted order is refused the first time, before anything is waited for, with both places", () => {
  const [accounts, log] = named("accounts", "log") as [Mutex, Mutex];
  for (let i = 0; i < 3; i++) {
    using _outer = accounts.lock();
    using _inner = log.lock();
  }
  const guard = log.lock();
  const error = thrownBy(() => accounts.lock());
  assert.equal(error.code, "LOCK_ORDER");
  const [now, before] = error.message.split(", but the other way round before: ");
  assert.match(
    now ?? "",
    /lock "accounts" is to be acquired while "log" is held, at .*lock-order\.test\.ts:\d+:\d+\)?$/,
  );
  assert.match(before ?? "", /^"log" was acquired while "accounts" was held, at .*lock-order\.test\.ts:\d+:\d+/);
  assert.notEqual(error.details["site"], (error.details["before"] as string[])[0]);
  assert.equal(accounts.owner, null);
  assert.equal(thrownBy(() => accounts.lock({ timeoutMs: 10 })).code, "LOCK_ORDER");
  using tried = accounts.tryLock();
  assert.ok(tried !== null, "tryLock does not wait, so it may");
  guard.release();
  using _known = log.lock(); // the refused edge was not recorded: the first order is still the right one
});

test("an order over three locks, and one that was tried only, are orders too", () => {
  const [a, b, c] = named("a", "b", "c") as [Mutex, Mutex, Mutex];
  {
    using _a = a.lock();
    using _b = b.lock();
  }
  {
    using _b = b.tryLock();
    using _c = c.lock();
  }
  using _c = c.lock();
  const error = thrownBy(() => a.lock());
  assert.equal(error.code, "LOCK_ORDER");
  assert.match(error.message, /"b" was acquired while "a" was held, at .*; "c" was acquired while "b" was held/);
});

test("an order is recorded once, however many objects keep it, so that there is room for others", () => {
  const [a, b, c, d] = named("a", "b", "c", "d") as [Mutex, Mutex, Mutex, Mutex];
  for (let i = 0; i < 1100; i++) {
    using _a = Mutex.attach(a.handle).lock();
    using _b = Mutex.attach(b.handle).lock();
  }
  {
    using _c = c.lock();
    using _d = d.lock();
  }
  using _d = d.lock();
  assert.equal(thrownBy(() => c.lock()).code, "LOCK_ORDER");
});

test("locks released out of order are not held any more; unchecked locks are not checked", () => {
  const [a, b, c] = named("a", "b", "c") as [Mutex, Mutex, Mutex];
  const first = a.lock();
  const second = b.tryLock()!;
  first.release();
  c.lock().release(); // b before c, and not a before c
  second.release();
  {
    using _c = c.lock();
    using _a = a.lock();
    assert.equal(thrownBy(() => b.lock()).code, "LOCK_ORDER");
  }
  const [x, y] = [Mutex.create({ checkOrder: false }), Mutex.create({ checkOrder: false })];
  for (const [outer, inner] of [
    [x, y],
    [y, x],
  ] as const) {
    using _outer = outer.lock();
    using _inner = inner.lock();
  }
});

test("threads know each other's orders, also of locks that they make themselves", async () => {
  const [a] = named("a") as [Mutex];
  await using remote = new Remote([a]);
  const made = Mutex.attach((await remote.tell({ do: "create", name: "made there" })).value as typeof a.handle);
  await remote.tell({ do: "lock", mutex: 0 });
  await remote.tell({ do: "lock", mutex: 1 });
  await remote.tell({ do: "release", mutex: 0 });
  await remote.tell({ do: "release", mutex: 1 });
  using _made = made.lock();
  const error = thrownBy(() => a.lock());
  assert.equal(error.code, "LOCK_ORDER");
  assert.match(error.message, /"made there" was acquired while "a" was held, at .*lock-thread\.ts:\d+/);
});

test("async orders follow the async context of withLock, and a bare guard has none", async () => {
  const [a, b] = named("a", "b") as [Mutex, Mutex];
  await a.withLock(() => b.withLock(() => delay(1)));
  await assert.rejects(
    b.withLock(() => a.withLock(() => 0)),
    { code: "LOCK_ORDER" },
  );
  const hold = b.withLock(() => delay(20)); // in a sibling
  await a.withLock(() => 0);
  await hold;
  const guard = await b.lockAsync();
  (await a.lockAsync()).release();
  guard.release();
  assert.deepEqual([a.owner, b.owner], [null, null]);
});

test("a circle of waits is reported with threads, locks, places, and whoever gets the report can let go", async () => {
  for (const size of [2, 3]) {
    const locks = Array.from({ length: size }, (_, i) => Mutex.create({ name: `lock ${i}`, checkOrder: false }));
    const threads = locks.map(() => new Remote(locks));
    for (const [i, thread] of threads.entries())
      assert.equal((await thread.tell({ do: "lock", mutex: i })).code, undefined);
    const answers: Answer[] = await Promise.all(
      threads.map(async (thread, i) => {
        const answer = await thread.tell({ do: "lock", mutex: (i + 1) % size });
        await thread.tell({ do: "release", mutex: i }); // who is told gives way, and so does everybody once inside
        if (answer.code === undefined) await thread.tell({ do: "release", mutex: (i + 1) % size });
        return answer;
      }),
    );
    const told = answers.filter((answer) => answer.code !== undefined);
    assert.ok(told.length >= 1, "nobody was told, and yet it ended");
    for (const answer of told) {
      assert.equal(answer.code, "DEADLOCK");
      for (const [i, thread] of threads.entries()) {
        assert.match(
          answer.message!,
          new RegExp(
            `thread ${thread.worker.threadId} holds "lock ${i}" and waits for "lock ${(i + 1) % size}", at ` +
              ".*lock-thread\\.ts:\\d+",
          ),
        );
      }
    }
    for (const lock of locks) assert.equal(lock.owner, null);
    for (const thread of threads) await thread.end();
  }
});

test("no circle is reported where waits are limited, or where threads only queue up", async () => {
  const locks = [Mutex.create({ checkOrder: false }), Mutex.create({ checkOrder: false })];
  await using one = new Remote(locks);
  await using two = new Remote(locks);
  await one.tell({ do: "lock", mutex: 0 });
  await two.tell({ do: "lock", mutex: 1 });
  const waits = one.tell({ do: "lock", mutex: 1 });
  assert.equal((await two.tell({ do: "lock", mutex: 0, timeoutMs: 100 })).code, "TIMEOUT");
  await two.tell({ do: "release", mutex: 1 });
  assert.equal((await waits).code, undefined);
});
