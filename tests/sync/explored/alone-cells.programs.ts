/** The seqlock cell and the epoch cell before one thread, and what others do in the midst of its calls. */
import assert from "node:assert/strict";
import { AbortWord, EpochCell, SeqlockCell } from "../../../src/threads/sync/index.ts";
import { aloneIn, meanwhile, OTHER, rejects, SELF, throws } from "./alone.ts";

const alone = aloneIn(import.meta.url);

const STATE = 0;
const BROKEN = 1;
const PAYLOAD = 6;

/** A write comes between the two looks of the next read. */
function outrun(cell: SeqlockCell, act: () => void = () => {}): void {
  meanwhile("load", cell.handle.words, PAYLOAD, () => {
    cell.write(Int32Array.of(1, 1));
    act();
  });
}

export const outrunning = alone("seqlock cell: readers that writers outrun keep their limits", async () => {
  const own = SeqlockCell.create(2, { spins: 0 });
  outrun(own);
  throws("TIMEOUT", () => own.read(undefined, { timeoutMs: 0 }));
  outrun(own);
  await rejects("TIMEOUT", own.readAsync(undefined, { timeoutMs: 0 }));
  const abort = AbortWord.create();
  outrun(own, () => abort.abort("INTERNAL"));
  throws("INTERNAL", () => own.read(undefined, { abort }));
  outrun(own);
  await rejects("INTERNAL", own.readAsync(undefined, { abort }));
  const controller = new AbortController();
  outrun(own, () => controller.abort());
  await rejects("CANCELLED", own.readAsync(undefined, { signal: controller.signal }));
  const later = AbortWord.create();
  outrun(own);
  setImmediate(() => later.abort("INTERNAL"));
  await rejects("INTERNAL", own.readAsync(undefined, { abort: later }));
  // the event loop goes on
  let turned = false;
  outrun(own);
  setImmediate(() => (turned = true));
  assert.deepEqual([...(await own.readAsync())], [1, 1]);
  assert.equal(turned, true);
});

export const alike = alone("seqlock cell: what a death and a wrong handle do", async () => {
  const own = SeqlockCell.create(2, { spins: 0 });
  const { words } = own.handle;
  assert.equal(own.tryWrite(Int32Array.of(4, 5)), true);
  assert.deepEqual([...own.read()], [4, 5]);
  // it breaks while a task is about to sleep
  Atomics.store(words, STATE, 2 * (OTHER + 1) + 1);
  meanwhile("load", words, STATE, () => own.threadDied(OTHER));
  await rejects("OWNER_DIED", own.readAsync());
  assert.equal(own.broken, true);
  Atomics.store(words, STATE, 2 * (OTHER + 1) + 1);
  const reading = own.readAsync();
  assert.equal(own.threadDied(OTHER), true);
  await rejects("OWNER_DIED", reading);
  assert.equal(Atomics.load(words, STATE), BROKEN);
  const short = (length: number) => ({ kind: "seqlock", words: words.subarray(0, length) }) as const;
  for (const length of [6, 7]) throws("OPTION_INVALID", () => SeqlockCell.attach(short(length)));
  assert.equal(SeqlockCell.attach(short(8)).width, 2);
});

/** Every slot at once; publishes the last one. */
function publishLast(cell: EpochCell, version: number): void {
  const all = Array.from({ length: cell.slots }, () => cell.tryReserve()!);
  assert.deepEqual(
    all.map(({ slot }) => slot),
    all.map((_, slot) => slot),
  );
  all.pop()!.publish(version);
  for (const other of all) other.giveBack();
}

export const tables = alone("epoch cell: slots and rows that fill their lines of memory do not overlap", () => {
  for (const [slots, holders] of [
    [8, 1],
    [15, 2],
    [16, 2],
  ] as const) {
    const own = EpochCell.create(slots, { holders });
    own.wakeAll();
    publishLast(own, 1);
    assert.equal(EpochCell.attach(own.handle).slots, slots);
    const pins = Array.from({ length: holders }, () => EpochCell.attach(own.handle).pin());
    throws("OVERLOADED", () => EpochCell.attach(own.handle).pin());
    assert.deepEqual(
      pins.map(({ slot, version }) => [slot, version]),
      pins.map(() => [slots - 1, 1]),
    );
    assert.equal(own.pins(slots - 1), holders + 1);
    for (let slot = 0; slot < slots - 1; slot++) assert.equal(own.pins(slot), 0);
    assert.equal(own.threadDied(OTHER), false);
    assert.equal(own.pins(slots - 1), holders + 1);
    assert.equal(own.threadDied(SELF), true);
    assert.equal(own.pins(slots - 1), 1);
    assert.throws(() => EpochCell.attach({ kind: "epoch", words: own.handle.words.subarray(0, -1) }), /shorter/);
  }
});

/** The index of a row's HOLDER. */
const holderOf = (cell: EpochCell, row: number): number =>
  16 * (Math.ceil((16 + 2 * cell.slots) / 16) + row * Math.ceil((1 + cell.slots) / 16));

export const epochDeaths = alone("epoch cell: what a thread leaves that dies", async () => {
  const own = EpochCell.create(2, { holders: 2 });
  const { words } = own.handle;
  const [first, second] = [holderOf(own, 0), holderOf(own, 1)];
  const held = (row: number, count: number): void => {
    words[row] = OTHER + 1;
    words[row + 1] = count;
    words[5] = 2;
  };
  own.reserve().publish(1);
  held(first, 0);
  assert.equal(own.threadDied(OTHER), false, "it had no pin");
  held(second, 2);
  assert.equal(own.threadDied(OTHER), true);
  assert.equal(own.threadDied(OTHER), false);
  const reserved = own.reserve();
  assert.equal(own.threadDied(SELF), true);
  assert.equal(own.threadDied(SELF), false);
  assert.equal(reserved.slot, 1);
  // who waits for what it held goes on
  held(first, 1);
  own.reserve().publish(2);
  const waiting = own.reserveAsync();
  assert.equal(own.threadDied(OTHER), true);
  const again = await waiting;
  assert.equal(again.slot, 0);
  again.giveBack();
  // of two who hear of it one clears the row, and nothing of the thread that has it next
  held(first, 0);
  held(second, 1);
  const fresh = EpochCell.attach(own.handle);
  let pin = null;
  meanwhile("exchange", words, first + 1, () => {
    EpochCell.attach(own.handle).threadDied(OTHER);
    pin = fresh.pin();
  });
  own.threadDied(OTHER);
  assert.equal((pin as { slot: number } | null)?.slot, 1);
  assert.equal(own.pins(1), 2);
  assert.equal(words[first], 0);
  fresh.pin().unpin();
  // the one that cleared it died at that: the next goes on
  words[first] = -(OTHER + 1);
  words[first + 1] = 3;
  own.threadDied(SELF + 1);
  assert.equal(words[first], -(OTHER + 1));
  own.threadDied(OTHER);
  assert.deepEqual([...words.subarray(first, first + 3)], [0, 0, 0]);
});

export const letGo = alone("epoch cell: what is let go is another's", () => {
  const own = EpochCell.create(2, { holders: 1 });
  const other = EpochCell.attach(own.handle);
  const first = own.tryReserve()!;
  throws("OPTION_INVALID", () => first.publish(1.5));
  let seen;
  meanwhile("store", own.handle.words, 0, () => (seen = EpochCell.attach(own.handle).version));
  first.publish(1);
  assert.equal(seen, 1, "a version that is shown is whole");
  own.pin().unpin();
  own.detach();
  other.pin().unpin();
  throws("OVERLOADED", () => own.pin());
  const given = own.tryReserve()!;
  given.giveBack();
  const next = own.tryReserve()!;
  assert.equal(next.slot, given.slot);
  throws("CONFLICT", () => given.giveBack());
  throws("CONFLICT", () => given.publish(5));
  assert.equal(own.tryReserve(), null);
  next.giveBack();
  // another publishes the slot between the first look and the compare-and-set
  const racing = EpochCell.create(2);
  meanwhile("load", racing.handle.words, 5, () => EpochCell.attach(racing.handle).tryReserve()!.publish(1));
  const taken = racing.tryReserve()!;
  assert.equal(taken.slot, 1);
  taken.publish(2);
  assert.equal(racing.tryReserve()?.slot, 0);
});
