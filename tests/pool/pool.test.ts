import assert from "node:assert/strict";
import { test } from "node:test";
import { createPool, type Death, type Pool, type PoolOptions } from "../../src/threads/pool/index.ts";
import type { TestData, TestEvent, TestReply, TestRequest } from "./worker.ts";

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    (error as { code?: string }).code === expected;

function pool(
  options: Omit<Partial<PoolOptions<TestEvent>>, "workerData"> & { workerData?: TestData } = {},
): Pool<TestRequest, TestReply> {
  return createPool<TestRequest, TestReply, TestEvent>({
    entry: new URL("./worker.ts", import.meta.url),
    name: "test",
    size: 1,
    workerData: {},
    ...options,
  });
}

test("typed requests, in order; errors keep their code; buffers move; closing ends the threads", async () => {
  const events: string[] = [];
  const two = pool({
    size: 2,
    workerData: { text: "shared" },
    onEvent: (worker, event) => events.push(`${worker} ${event.what}`),
  });
  await two.ready();
  const reply = await two.request(1, { kind: "echo", text: "hello" });
  assert.deepEqual(reply, { kind: "echo", text: "hello", worker: 1, data: { text: "shared" } });
  assert.deepEqual(
    (await two.broadcast({ kind: "echo", text: "all" })).map(({ worker }) => worker),
    [0, 1],
  );
  await assert.rejects(
    two.request(0, { kind: "fail", how: "typed" }),
    (error: unknown) => code("NON_FINITE")(error) && (error as { details: { row: number } }).details.row === 3,
  );
  await assert.rejects(two.request(0, { kind: "fail", how: "plain" }), /plain/);
  await assert.rejects(two.request(0, { kind: "fail", how: "unclonable" }), code("INTERNAL"));
  await assert.rejects(two.broadcast({ kind: "fail", how: "typed" }), code("NON_FINITE"));
  await assert.rejects(two.request(2, { kind: "echo", text: "" }), code("INTERNAL"));
  const bytes = Uint8Array.of(1, 2, 3);
  const moved = await two.request(0, { kind: "move", bytes }, { transfer: [bytes.buffer] });
  assert.deepEqual([bytes.length, ...moved.bytes], [0, 1, 2, 3]);
  const last = two.request(0, { kind: "slow", ms: 30 });
  assert.equal(two.pending(0), 1);
  const closing = two.close();
  await assert.rejects(two.request(0, { kind: "echo", text: "late" }), code("SHUTTING_DOWN"));
  assert.deepEqual(await last, { kind: "slow", cancelled: false });
  await closing;
  await two.close();
  assert.deepEqual(events.sort(), ["0 closed", "0 started", "1 closed"]);
});

test("a waiting request is cancelled at once, a running one when its handler lets go", async () => {
  await using one = pool();
  const running = new AbortController(),
    waiting = new AbortController();
  const first = one.request(0, { kind: "slow", ms: 60_000 }, { signal: running.signal });
  const second = one.request(0, { kind: "slow", ms: 60_000 }, { signal: waiting.signal });
  const third = one.request(0, { kind: "echo", text: "after" });
  waiting.abort();
  await assert.rejects(second, code("CANCELLED"));
  running.abort();
  assert.deepEqual(await first, { kind: "slow", cancelled: true });
  assert.equal((await third).text, "after");
  await assert.rejects(one.request(0, { kind: "echo", text: "" }, { signal: AbortSignal.abort() }), code("CANCELLED"));
});

test("a death fails all pending requests of that worker, reported first; another replaces it if asked", async () => {
  const log: string[] = [];
  const deaths: Death[] = [];
  await using two = pool({
    size: 2,
    respawn: true,
    onDeath: (death) => {
      deaths.push(death);
      log.push("death");
    },
  });
  await two.ready();
  const id = two.threadId(0);
  const noted = two.request(0, { kind: "die", how: "exit" }).catch((error: unknown) => {
    log.push("request");
    throw error;
  });
  const queued = two.request(0, { kind: "echo", text: "never" });
  const other = two.request(1, { kind: "echo", text: "fine" });
  await assert.rejects(noted, code("WORKER_DIED"));
  await assert.rejects(queued, code("WORKER_DIED"));
  assert.equal((await other).text, "fine");
  assert.deepEqual(log, ["death", "request"]);
  assert.deepEqual(
    deaths.map(({ worker, threadId, respawned }) => ({ worker, threadId, respawned })),
    [{ worker: 0, threadId: id, respawned: true }],
  );
  assert.equal((await two.request(0, { kind: "echo", text: "successor" })).text, "successor");
  await assert.rejects(
    two.request(1, { kind: "die", how: "throw" }),
    (error: unknown) => code("WORKER_DIED")(error) && /uncaught in the worker/.test((error as Error).message),
  );
});

test("without respawn a dead worker refuses, and closing the rest is no error", async () => {
  const one = pool();
  await assert.rejects(one.request(0, { kind: "die", how: "exit" }), code("WORKER_DIED"));
  assert.equal(one.alive(0), false);
  await assert.rejects(one.request(0, { kind: "echo", text: "" }), code("WORKER_DIED"));
  await one.close();
});

test("a failing set-up rejects `ready` with its own error, and is not tried for ever", async () => {
  let deaths = 0;
  const one = pool({ respawn: true, workerData: { failSetUp: true }, onDeath: () => deaths++ });
  const early = one.request(0, { kind: "echo", text: "" });
  await assert.rejects(one.ready(), code("WEIGHTS_INVALID"));
  await assert.rejects(early, code("WEIGHTS_INVALID"));
  assert.equal(deaths, 1);
  await one.close();
  assert.throws(() => pool({ size: 0 }), code("OPTION_INVALID"));
});

test("an entry that cannot be loaded is a typed error", async () => {
  const none = pool({ entry: new URL("./does-not-exist.ts", import.meta.url) });
  await assert.rejects(
    none.ready(),
    (error: unknown) => code("WORKER_DIED")(error) && /does-not-exist/.test((error as Error).message),
  );
  await none.close();
});

test("a worker that fails to close is reported by close; one that holds its loop still ends", async () => {
  await assert.rejects(pool({ workerData: { failClose: true } }).close(), code("DISK_FAILED"));
  await pool({ workerData: { holdLoop: true } }).close();
});

test("drain waits for what is pending and lets the pool go on", async () => {
  await using one = pool();
  let done = false;
  void one.request(0, { kind: "slow", ms: 40 }).then(() => {
    done = true;
  });
  await one.drain();
  assert.equal(done, true);
  assert.equal((await one.request(0, { kind: "echo", text: "on" })).text, "on");
});
