import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, Latch, SeqlockCell } from "../../src/threads/sync/index.ts";
import { code, kill, start } from "./cells-threads.ts";

test("readers see whole versions that never go back, while writers take turns", async () => {
  const cell = SeqlockCell.create(24);
  const last = 20_000;
  const readers = [0, 1].map(() => start({ kind: "seqlock-read", cell: cell.handle, until: last }).outcome);
  const writer = start({ kind: "seqlock-write", cell: cell.handle, rounds: last }).outcome;
  while (cell.version < last) {
    const words = await cell.readAsync();
    assert.ok(words.every((word) => word === words[0]));
    await delay(1);
  }
  for (const outcome of await Promise.all([writer, ...readers])) assert.equal(outcome.code, undefined, outcome.message);
  assert.equal(cell.version, last);
});

test("updates by several writers are never lost", async () => {
  const cell = SeqlockCell.create(3);
  const writers = [0, 1, 2].map(() => start({ kind: "seqlock-update", cell: cell.handle, rounds: 5000 }).outcome);
  for (const outcome of await Promise.all(writers)) assert.equal(outcome.code, undefined, outcome.message);
  assert.deepEqual([...cell.read()], [15_000, 15_000, 15_000]);
});

test("floats travel as their bits", () => {
  const cell = SeqlockCell.create(4);
  const values = Float64Array.of(0.1, -0);
  cell.write(values);
  assert.deepEqual(cell.read(new Float64Array(2)), values);
  const nan = new Float32Array(new Int32Array([0x7fc0_1234, 1, 2, 3]).buffer);
  assert.equal(cell.tryWrite(nan), true);
  assert.deepEqual([...cell.read()], [0x7fc0_1234, 1, 2, 3]);
  assert.throws(() => cell.read(new Float64Array(3)), code("OPTION_INVALID"));
  assert.throws(() => cell.write(new Int32Array(5)), code("OPTION_INVALID"));
  assert.throws(() => SeqlockCell.create(0), code("OPTION_INVALID"));
});

test("an update that throws writes nothing; one inside another is an error", () => {
  const cell = SeqlockCell.create(1);
  cell.write(Int32Array.of(4));
  assert.throws(
    () =>
      cell.update((words) => {
        words[0] = 5;
        throw new RangeError("no");
      }),
    RangeError,
  );
  assert.deepEqual([...cell.tryRead()!, cell.version], [4, 1]);
  assert.throws(() => cell.update(() => cell.write(Int32Array.of(6))), code("DEADLOCK"));
  assert.equal(
    cell.update((words) => {
      words[0] = words[0]! + 1;
    }),
    undefined,
  );
  assert.deepEqual([...cell.read()], [5]);
});

test("a writer that dies inside leaves the cell broken until it is written anew; its sleepers are told", async () => {
  const cell = SeqlockCell.create(2);
  const inside = Latch.create(1);
  const writer = start({ kind: "seqlock-stay", cell: cell.handle, inside: inside.handle });
  await inside.waitAsync();
  assert.equal(cell.tryRead(), null);
  assert.equal(cell.tryWrite(new Int32Array(2)), false);
  assert.throws(() => cell.read(undefined, { timeoutMs: 2 }), code("TIMEOUT"));
  await assert.rejects(cell.writeAsync(new Int32Array(2), { timeoutMs: 2 }), code("TIMEOUT"));
  await assert.rejects(cell.readAsync(undefined, { signal: AbortSignal.timeout(5) }), code("CANCELLED"));
  const abort = AbortWord.create().bind(cell);
  const aborted = start({ kind: "seqlock-write-one", cell: cell.handle, abort: abort.handle });
  const sleeper = start({ kind: "seqlock-read", cell: cell.handle, until: 1 });
  const here = assert.rejects(cell.readAsync(), code("OWNER_DIED"));
  await delay(120);
  abort.abort("CANCELLED");
  assert.equal((await aborted.outcome).code, "CANCELLED");
  const id = await kill(writer.worker);
  assert.equal(cell.threadDied(id + 1000), false);
  assert.equal(cell.threadDied(id), true);
  assert.equal((await sleeper.outcome).code, "OWNER_DIED");
  await here;
  assert.equal(cell.broken, true);
  for (const use of [
    () => cell.read(),
    () => cell.tryRead(),
    () => cell.write(new Int32Array(2)),
    () => cell.update(() => {}),
  ])
    assert.throws(use, code("OWNER_DIED"));
  const before = cell.version;
  cell.writeForRepair(Int32Array.of(8, 9));
  assert.deepEqual([...cell.read(), cell.broken], [8, 9, false]);
  assert.ok(cell.version > before);
});

test("a sleeping reader and a sleeping writer go on when the write is over", async () => {
  const cell = SeqlockCell.create(1);
  let reading: Promise<Int32Array> | undefined;
  const writing: Promise<unknown>[] = [];
  cell.update((words) => {
    words[0] = 3;
    reading = cell.readAsync();
    writing.push(start({ kind: "seqlock-write-one", cell: cell.handle }).outcome);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150);
  });
  assert.ok([3, 77].includes((await reading!)[0]!));
  await Promise.all(writing);
  assert.deepEqual([...cell.read()], [77]);
});
