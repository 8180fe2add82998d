import assert from "node:assert/strict";
import { test } from "node:test";
import { AbortWord, EventCount } from "../../src/threads/sync/index.ts";

test("event count: a change since the look is not slept through; limits, aborts and signals end a wait", async () => {
  const events = EventCount.create();
  const seen = events.count;
  EventCount.attach(events.handle).advance();
  assert.equal(events.wait(seen), true);
  assert.equal(events.wait(events.count, { timeoutMs: 1 }), false);
  const waiting = events.waitAsync(events.count);
  events.advance();
  assert.equal(await waiting, true);
  const abort = AbortWord.create();
  abort.abort();
  assert.throws(() => events.wait(events.count, { abort }), { code: "CANCELLED" });
  const controller = new AbortController();
  const cancelled = events.waitAsync(events.count, { signal: controller.signal });
  controller.abort();
  await assert.rejects(cancelled, { code: "CANCELLED" });
});
