import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, EpochCell, Latch } from "../../src/threads/sync/index.ts";
import { code, kill, start } from "./cells-threads.ts";

const total = (cell: EpochCell): number =>
  Array.from({ length: cell.slots }, (_, slot) => cell.pins(slot)).reduce((sum, pins) => sum + pins, 0);

test("the first publication wakes who waits for it, in both forms; limits, signals, abort words are kept", async () => {
  const cell = EpochCell.create(2);
  assert.equal(cell.tryPin(), null);
  assert.throws(() => cell.pin(), code("NOT_FOUND"));
  assert.throws(() => cell.pinWhenPublished({ timeoutMs: 2 }), code("TIMEOUT"));
  await assert.rejects(cell.pinAsync({ timeoutMs: 2 }), code("TIMEOUT"));
  await assert.rejects(cell.pinAsync({ signal: AbortSignal.timeout(5) }), code("CANCELLED"));
  const abort = AbortWord.create().bind(cell);
  const aborted = start({ kind: "epoch-pin-first", cell: cell.handle, abort: abort.handle });
  const patient = start({ kind: "epoch-pin-first", cell: cell.handle });
  const here = cell.pinAsync();
  await delay(120);
  abort.abort("INTERNAL");
  assert.equal((await aborted.outcome).code, "INTERNAL");
  cell.reserve().publish(41);
  assert.equal((await patient.outcome).value, 41);
  (await here).unpin();
  assert.equal(total(cell), 1, "only the cell's own hold is left");
});

test("the pins of a dead thread are let go, and a writer that waited for them goes on", async () => {
  const cell = EpochCell.create(2);
  cell.reserve().publish(1);
  const held = Latch.create(1);
  const holder = start({ kind: "epoch-hold", cell: cell.handle, held: held.handle, what: "pin" });
  await held.waitAsync();
  assert.equal(cell.pins(0), 3);
  cell.reserve().publish(2);
  assert.equal(cell.tryReserve(), null);
  const waiting = cell.reserveAsync();
  const id = await kill(holder.worker);
  assert.equal(cell.threadDied(id + 1000), false);
  assert.equal(cell.tryReserve(), null);
  assert.equal(cell.threadDied(id), true);
  assert.equal(cell.threadDied(id), false);
  const reservation = await waiting;
  assert.equal(reservation.slot, 0);
  reservation.giveBack();
  assert.equal(total(cell), 1);
});

test("a dead writer's reservation is free again, and nobody has seen it", async () => {
  const cell = EpochCell.create(2);
  cell.reserve().publish(1);
  const held = Latch.create(1);
  const writer = start({ kind: "epoch-hold", cell: cell.handle, held: held.handle, what: "reservation" });
  await held.waitAsync();
  assert.equal(cell.tryReserve(), null);
  assert.equal(cell.threadDied(await kill(writer.worker)), true);
  assert.equal(cell.version, 1);
  cell.reserve().publish(2);
  assert.equal(cell.version, 2);
});

test("threads that pin and publish are terminated at any instant: no slot is lost, none is torn", async () => {
  const slots = 4,
    width = 32;
  for (let round = 0; round < 5; round++) {
    const cell = EpochCell.create(slots, { holders: 3 });
    const payload = new Int32Array(new SharedArrayBuffer(4 * slots * width));
    const churners = [0, 1].map(() => start({ kind: "epoch-churn", cell: cell.handle, payload, width }));
    (await cell.pinAsync()).unpin();
    await delay(10 + 9 * round);
    for (const { worker } of churners) cell.threadDied(await kill(worker));
    assert.equal(total(cell), 1);
    const reservations = Array.from({ length: slots - 1 }, () => cell.tryReserve());
    assert.ok(
      reservations.every((reservation) => reservation !== null),
      "every slot but the current one is free",
    );
    using pin = cell.pin();
    const words = payload.subarray(pin.slot * width, (pin.slot + 1) * width);
    assert.ok(words.every((word) => word === words[0]));
  }
});

test("more holders than the cell was made for are refused; one that detaches makes room", () => {
  const cell = EpochCell.create(2, { holders: 1 });
  cell.reserve().publish(1);
  const pin = cell.pin();
  const other = EpochCell.attach(cell.handle);
  assert.throws(() => other.pin(), code("OVERLOADED"));
  assert.throws(() => cell.detach(), code("CONFLICT"));
  pin.unpin();
  cell.detach();
  other.pin().unpin();
  assert.throws(() => cell.pin(), code("OVERLOADED"));
  assert.throws(() => EpochCell.create(2, { holders: 0 }), code("OPTION_INVALID"));
});
