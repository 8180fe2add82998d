/** Counter, latch and barrier: abort words, waking without a change, deaths. What they count is in sync.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, Barrier, Counter, Latch } from "../../src/threads/sync/index.ts";
import { code, start } from "./cells-threads.ts";

test("an abort word ends a wait for a counter or a latch for the one who has it", async () => {
  const counter = Counter.create(1);
  const latch = Latch.create(1);
  const abort = AbortWord.create();
  const mine = [counter.whenZero({ abort }), latch.waitAsync({ abort })];
  const others = [counter.whenZero(), latch.waitAsync()];
  abort.abort("CANCELLED");
  counter.wakeAll();
  latch.wakeAll();
  for (const wait of mine) await assert.rejects(wait, code("CANCELLED"));
  assert.throws(() => counter.waitZero({ abort }), code("CANCELLED"));
  assert.throws(() => latch.wait({ abort }), code("CANCELLED"));
  assert.equal(counter.threadDied(), false);
  counter.add(-1);
  latch.countDown();
  await Promise.all(others);
});

test("an abort word of one party aborts the barrier for all, with its reason", async () => {
  const barrier = Barrier.create(3);
  const abort = AbortWord.create().bind(barrier);
  const blocked = start({ kind: "barrier-abort", barrier: barrier.handle, abort: abort.handle });
  const waiting = barrier.waitAsync();
  await delay(120);
  abort.abort("INTERNAL");
  await assert.rejects(waiting, code("INTERNAL"));
  assert.equal((await blocked.outcome).code, "INTERNAL");
  const unbound = AbortWord.create();
  unbound.abort("WORKER_DIED");
  const late = Barrier.create(2);
  assert.throws(() => late.wait({ abort: unbound }), code("WORKER_DIED"));
  assert.equal(late.aborted, "WORKER_DIED");
});

test("a death aborts a barrier and a latch that is not open, and wakes who waits", async () => {
  const barrier = Barrier.create(2);
  const waiting = barrier.waitAsync();
  barrier.wakeAll(); // looks again, and sleeps on
  assert.equal(barrier.threadDied(), true);
  assert.equal(barrier.threadDied(), false);
  await assert.rejects(waiting, code("WORKER_DIED"));
  const latch = Latch.create(2);
  const opened = latch.waitAsync();
  assert.equal(latch.threadDied(), true);
  await assert.rejects(opened, code("WORKER_DIED"));
  const open = Latch.create(0);
  assert.equal(open.threadDied(), false);
  open.wait();
});
