/** Channels before one thread: positions, limits, refusals, and what a death leaves. */
import assert from "node:assert/strict";
import { AbortWord, Channel, NumberChannel } from "../../../src/threads/sync/index.ts";
import { aloneIn, meanwhile, OTHER, rejects, throws } from "./alone.ts";

const alone = aloneIn(import.meta.url);

const SENDER = 16;
const TAIL = 32;
const RECEIVER = 64;
const HEADER = 128;
const INT32 = { capacity: 2, type: "int32", spins: 0 } as const;

export const sides = alone("channel: sides that are kept, closed, left or another's", async () => {
  const one = NumberChannel.create({ ...INT32, senders: "one", receivers: "one" });
  for (const number of [1, 2, 3]) {
    assert.equal(one.trySend(number), true);
    assert.equal(one.closed, false);
    assert.equal(one.tryReceive(), number, "it is there, and is found at the first look");
  }
  meanwhile("load", one.handle.words, TAIL, () => one.close());
  throws("SHUTTING_DOWN", () => one.sendMany(Int32Array.of(1, 2, 3)));
  throws("SHUTTING_DOWN", () => one.trySend(1));
  assert.equal(one.tryReceive(), null);
  for (const side of ["senders", "receivers"] as const) {
    const own = NumberChannel.create({ ...INT32, [side]: "one" });
    const other = NumberChannel.attach(own.handle);
    own.send(1);
    if (side === "receivers") other.send(2);
    assert.equal(own.tryReceive(), 1);
    if (side === "senders") assert.equal(other.tryReceive(), undefined);
  }
  const dead = NumberChannel.create(INT32);
  const { words } = dead.handle;
  for (const side of [SENDER, RECEIVER]) {
    words[side] = OTHER + 1;
    assert.equal(dead.threadDied(OTHER), true);
    assert.equal(words[side], 0);
  }
  words[SENDER] = OTHER + 1;
  const waiting = dead.sendAsync(5);
  dead.threadDied(OTHER);
  await waiting;
  assert.equal(dead.receive(), 5);
  const abort = AbortWord.create().bind(dead);
  const asleep = dead.receiveAsync({ abort });
  abort.abort("INTERNAL");
  await rejects("INTERNAL", asleep);
  const short = words.subarray(0, HEADER + 1);
  throws("OPTION_INVALID", () => NumberChannel.attach({ ...dead.handle, words: short }), /1 to 1/);
});

export const numbers = alone("channel of numbers: waits without blocking, and what is refused", async () => {
  const own = NumberChannel.create({ ...INT32, capacity: 1 });
  await own.sendAsync(1);
  assert.equal(own.size, 1);
  let sent = false;
  const second = own.sendAsync(2).then(() => (sent = true));
  assert.equal(own.tryReceive(), 1);
  assert.equal(sent, false);
  await second;
  assert.equal(own.tryReceive(), 2);
  assert.equal(own.tryReceive(), undefined);
  const many = own.sendManyAsync(Int32Array.of(3, 4));
  const into = new Int32Array(1);
  for (const number of [3, 4]) assert.deepEqual([await own.receiveManyAsync(into), into[0]], [1, number]);
  await many;
  own.send(5);
  await rejects("TIMEOUT", own.sendManyAsync(into, { timeoutMs: 5 }));
  const bad = { timeoutMs: -1 };
  await rejects("OPTION_INVALID", own.receiveManyAsync(into, bad));
  for (const wrong of [new Int32Array(0), new Float64Array(1)] as never[]) {
    throws("OPTION_INVALID", () => own.receiveMany(wrong));
    await rejects("OPTION_INVALID", own.receiveManyAsync(wrong));
  }
  assert.equal(own.receiveMany(into), 1);
  await rejects("OPTION_INVALID", own.sendManyAsync(into, bad));
  assert.equal(own.size, 0);
  own.close();
  assert.equal(own.trySendMany(into, 1), 0);

  const [single, double] = (["float32", "float64"] as const).map((type) => NumberChannel.create({ capacity: 1, type }));
  for (const number of [0.5, Infinity, -Infinity, NaN]) {
    single!.send(number);
    assert.equal(single!.receive(), number);
  }
  throws("OPTION_INVALID", () => single!.send(1e300), /float32/);
  assert.equal(single!.tryReceive(), undefined);
  for (const number of [1e300, Infinity]) {
    double!.send(number);
    assert.equal(double!.receive(), number);
  }
});

export const values = alone("channel of values: many at a time, wherever they lie in the ring", () => {
  const own = Channel.create<string>({ capacity: 3, bytes: 16, spins: 0 });
  for (let round = 0; round < 4; round++) {
    own.sendMany(["one", "two, longer"]);
    assert.deepEqual(own.receiveMany(3), ["one", "two, longer"]);
  }
});
