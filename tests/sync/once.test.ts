import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, Once } from "../../src/threads/sync/index.ts";
import { arrivals, cellsOf, code, kill, start, value } from "./holders.ts";

test("once: of many threads one does it, and all return after it", async () => {
  for (let round = 0; round < 5; round++) {
    const once = Once.create();
    const cells = cellsOf();
    const threads = Array.from({ length: 4 }, () => start({ kind: "once-run", once: once.handle, cells }));
    const here = await once.runAsync(async () => {
      await delay(round * 5);
      cells[1] = cells[1]! + 1;
    });
    assert.equal(cells[1], 1);
    const ran = await Promise.all(threads.map(value));
    assert.equal([here, ...ran].filter(Boolean).length, 1);
    assert.equal(cells[1], 1);
    assert.equal(once.done, true);
  }
});

test("once: what throws leaves it new, and a waiter tries itself", async () => {
  const once = Once.create();
  assert.throws(
    () =>
      once.run(() => {
        throw new Error("no");
      }),
    /no/,
  );
  assert.equal(once.done, false);
  const failing = once.runAsync(async () => {
    await delay(40);
    throw new Error("again no");
  });
  const cells = cellsOf();
  const waiter = start({ kind: "once-run", once: once.handle, cells });
  await assert.rejects(failing, /again no/);
  assert.equal(await value(waiter), true);
  assert.equal(
    once.run(() => assert.fail("it is done")),
    false,
  );
});

test("once: a runner that dies is reported; a retry is told and may clean up", async () => {
  const once = Once.create();
  const cells = cellsOf();
  const runner = start({ kind: "once-hang", once: once.handle, cells });
  await arrivals(cells, 1);
  const told = start({ kind: "once-run", once: once.handle, cells });
  const here = assert.rejects(
    once.runAsync(() => {}),
    code("OWNER_DIED"),
  );
  await delay(60);
  const dead = await kill(runner);
  assert.equal(once.threadDied(dead + 1000), false);
  assert.equal(once.threadDied(dead), true);
  assert.equal(once.threadDied(dead), false);
  assert.equal((await told.outcome).code, "OWNER_DIED");
  await here;
  assert.throws(() => once.run(() => {}), code("OWNER_DIED"));
  assert.throws(
    () =>
      once.run(
        (run) => {
          throw new Error(`died: ${run.ownerDied}`);
        },
        { onOwnerDied: "retry" },
      ),
    /died: true/,
  );
  assert.throws(() => once.run(() => {}), code("OWNER_DIED"), "a repair that throws has repaired nothing");
  assert.equal(await value(start({ kind: "once-run", once: once.handle, cells, onOwnerDied: "retry" })), true);
  assert.equal(cells[2], 1);
  assert.equal(
    once.run(() => {}),
    false,
  );
});

test("once: waiting has limits and can be given up; the run goes on", async () => {
  const once = Once.create();
  const cells = cellsOf();
  const word = AbortWord.create().bind(once);
  let finish = (): void => {};
  const running = once.runAsync(() => new Promise<void>((resolve) => (finish = resolve)));
  assert.throws(() => once.run(() => {}), code("DEADLOCK"));
  await assert.rejects(
    once.runAsync(() => {}, { timeoutMs: 5 }),
    code("TIMEOUT"),
  );
  const controller = new AbortController();
  const cancelled = once.runAsync(() => {}, { signal: controller.signal });
  controller.abort();
  await assert.rejects(cancelled, code("CANCELLED"));
  const aborted = start({ kind: "once-run", once: once.handle, cells, abort: word.handle });
  const limited = start({ kind: "once-run", once: once.handle, cells, timeoutMs: 60 });
  assert.equal((await limited.outcome).code, "TIMEOUT");
  await delay(60);
  word.abort("WORKER_DIED");
  assert.equal((await aborted.outcome).code, "WORKER_DIED");
  finish();
  assert.equal(await running, true);
  assert.equal(cells[1], 0);
});

test("once: from inside itself it is an error, not a hang", () => {
  const once = Once.create();
  assert.throws(() => once.run(() => void once.run(() => {})), code("DEADLOCK"));
  assert.equal(
    once.run(() => {}),
    true,
  );
});
