import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, Barrier, Counter, EpochCell, Latch } from "../../src/threads/sync/index.ts";
import { code } from "./holders.ts";
import { runAll, shared, start } from "./threads.ts";

const ranks = (count: number): number[] => Array.from({ length: count }, (_, rank) => rank);

test("barrier: plain writes before are seen after, in every round, and one party is the last", async () => {
  const barrier = Barrier.create(4);
  const cells = shared(4);
  const outcomes = await runAll(
    ranks(4).map((rank) => ({
      kind: "barrier",
      barrier: barrier.handle,
      rounds: 500,
      rank,
      cells,
    })),
  );
  assert.equal(
    outcomes.reduce((sum, outcome) => sum + Number(outcome.value), 0),
    500,
    JSON.stringify(outcomes),
  );
});

test("barrier: an abort wakes every sleeper with its reason, and whoever comes later", async () => {
  const barrier = Barrier.create(4);
  const sleepers = ranks(3).map(() => start({ kind: "barrier-once", barrier: barrier.handle }));
  await delay(120);
  assert.equal(barrier.abort("WORKER_DIED"), true);
  assert.equal(barrier.abort("CANCELLED"), false);
  for (const outcome of await Promise.all(sleepers.map((sleeper) => sleeper.outcome)))
    assert.equal(outcome.code, "WORKER_DIED");
  assert.throws(() => barrier.wait(), code("WORKER_DIED"));
  assert.equal(barrier.aborted, "WORKER_DIED");
});

test("barrier: a time limit ends it for all parties; the main thread takes part without blocking", async () => {
  const barrier = Barrier.create(3);
  const other = start({ kind: "barrier-once", barrier: barrier.handle });
  const mine = barrier.waitAsync({ timeoutMs: 400 });
  await assert.rejects(mine, code("TIMEOUT"));
  assert.equal((await other.outcome).code, "TIMEOUT");

  const pair = Barrier.create(2);
  const peer = start({ kind: "barrier-once", barrier: pair.handle });
  const results = [await pair.waitAsync(), (await peer.outcome).value];
  assert.deepEqual(results.sort(), [false, true]);
});

test("barrier: a signal aborts it for all; too many parties are an error", async () => {
  const barrier = Barrier.create(2);
  const controller = new AbortController();
  const waiting = barrier.waitAsync({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, code("CANCELLED"));
  assert.equal(barrier.aborted, "CANCELLED");
  assert.throws(() => Barrier.create(0), code("OPTION_INVALID"));
  assert.equal(Barrier.create(1).wait(), true);
});

test("latch: opens after its count; waiting after that returns at once", async () => {
  const latch = Latch.create(3);
  const go = Latch.create(1);
  const done = runAll(ranks(3).map(() => ({ kind: "latch", latch: latch.handle, go: go.handle })));
  await assert.rejects(latch.waitAsync({ timeoutMs: 5 }), code("TIMEOUT"));
  go.countDown();
  await latch.waitAsync();
  await done;
  latch.wait();
  assert.equal(latch.open, true);
  assert.throws(() => latch.countDown(), code("CONFLICT"));
  const given = Latch.create(1);
  const waiting = given.waitAsync();
  given.abort("INTERNAL");
  await assert.rejects(waiting, code("INTERNAL"));
  given.countDown();
  assert.equal(given.open, false);
});

test("counter: exact sums from many threads; zero is announced", async () => {
  const counter = Counter.create(-4 * 500);
  const zero = counter.whenZero();
  await runAll(
    ranks(4).map(() => ({
      kind: "counter",
      counter: counter.handle,
      rounds: 1000,
    })),
  );
  assert.equal(counter.value, 0);
  await zero;
  counter.waitZero();
  assert.throws(() => Counter.create(2 ** 31 - 1).add(1), code("OPTION_INVALID"));
  assert.throws(() => Counter.create(1).waitZero({ timeoutMs: 1 }), code("TIMEOUT"));
});

test("epoch cell: readers never see a half-written or older version while slots are reused", async () => {
  const slots = 3,
    width = 64,
    last = 3000;
  const cell = EpochCell.create(slots);
  const payload = shared(slots * width);
  const first = cell.reserve();
  payload.fill(1, first.slot * width, (first.slot + 1) * width);
  first.publish(1);
  const common = { cell: cell.handle, payload, width, last };
  const outcomes = await runAll([
    { kind: "epoch-writer", ...common },
    { kind: "epoch-reader", ...common },
    { kind: "epoch-reader", ...common },
  ]);
  for (const outcome of outcomes) assert.equal(outcome.code, undefined, JSON.stringify(outcome));
  assert.equal(cell.version, last);
  assert.equal(
    ranks(slots).reduce((sum, slot) => sum + cell.pins(slot), 0),
    1,
    "only the cell's own hold is left",
  );
});

test("epoch cell: a pinned slot is not reused, its release frees a waiting writer", async () => {
  const cell = EpochCell.create(2);
  assert.throws(() => cell.pin(), code("NOT_FOUND"));
  assert.equal(cell.version, null);
  cell.reserve().publish(7);
  const pin = cell.pin();
  assert.deepEqual([pin.slot, pin.version], [0, 7]);
  cell.reserve().publish(8);
  assert.equal(cell.tryReserve(), null);
  await assert.rejects(cell.reserveAsync({ timeoutMs: 5 }), code("TIMEOUT"));
  const waiting = cell.reserveAsync();
  pin.unpin();
  const reservation = await waiting;
  assert.equal(reservation.slot, 0);
  reservation.giveBack();
  assert.throws(() => reservation.publish(9), code("CONFLICT"));
  assert.throws(() => pin.unpin(), code("CONFLICT"));
  assert.equal(cell.version, 8);
});

test("abort word: the first reason wins, bound primitives follow, signals are followed", async () => {
  const word = AbortWord.create();
  const barrier = Barrier.create(2);
  word.bind(barrier);
  const seen = word.whenAborted();
  const controller = new AbortController();
  word.follow(controller.signal);
  word.throwIfAborted("nothing");
  controller.abort();
  assert.equal(await seen, "CANCELLED");
  assert.equal(word.abort("INTERNAL"), false);
  assert.equal(barrier.aborted, "CANCELLED");
  assert.throws(() => AbortWord.attach(word.handle).throwIfAborted("a step"), code("CANCELLED"));
  const late = Latch.create(1);
  word.bind(late);
  assert.throws(() => late.wait(), code("CANCELLED"));
  assert.throws(() => Barrier.attach(word.handle as never), code("OPTION_INVALID"));
});
