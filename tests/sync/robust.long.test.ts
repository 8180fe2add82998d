/** Threads terminated at arbitrary instants (waiting, acquiring, holding): no lock is held by nobody, no sleeper is forgotten. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Mutex } from "../../src/threads/sync/index.ts";
import { shared, start } from "./threads.ts";

test("a mutex survives the death of any thread that uses it", async () => {
  let broken = 0;
  for (let round = 0; round < 30; round++) {
    const mutex = Mutex.create();
    const cells = shared(2);
    const threads = [0, 1, 2].map(() => start({ kind: "mutex", mutex: mutex.handle, rounds: 300_000, cells }));
    while (cells[0] === 0) await delay(1);
    await delay((round * 7) % 20);
    const victim = threads[round % 3]!;
    const id = victim.worker.threadId;
    await victim.worker.terminate();
    if (mutex.threadDied(id)) broken++;
    const survivors = threads.filter((thread) => thread !== victim);
    for (const outcome of await Promise.all(survivors.map((thread) => thread.outcome))) {
      assert.ok(outcome.value === true || (mutex.broken && outcome.code === "OWNER_DIED"), JSON.stringify(outcome));
    }
    assert.equal(mutex.owner, null);
    mutex.lockForRepair({ timeoutMs: 1000 }).release();
    assert.equal(mutex.broken, false);
  }
  console.log(`${broken} of 30 victims held the mutex`);
});
