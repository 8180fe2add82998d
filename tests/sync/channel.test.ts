import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { AbortWord, Channel, NumberChannel } from "../../src/threads/sync/index.ts";
import type { CellScenario, Numbered } from "./cells-thread.ts";
import { code, kill, start } from "./cells-threads.ts";

type Got = readonly (readonly [sender: number, number: number])[];
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Each message of each sender was received once, and each receiver saw each sender's in order. */
function conserved(received: readonly Got[], senders: number, count: number): void {
  for (const got of received) {
    const newest = new Map<number, number>();
    for (const [sender, number] of got) {
      assert.ok(number > (newest.get(sender) ?? -1), `sender ${sender}: ${number} came after ${newest.get(sender)}`);
      newest.set(sender, number);
    }
  }
  const all = received
    .flat()
    .map(([sender, number]) => sender * count + number)
    .sort((a, b) => a - b);
  assert.deepEqual(all, range(senders * count));
}

async function through(
  close: () => void,
  sending: readonly CellScenario[],
  receiving: readonly CellScenario[],
  more: readonly Promise<Got>[] = [],
): Promise<Got[]> {
  const receivers = receiving.map((scenario) => start(scenario).outcome);
  for (const outcome of await Promise.all(sending.map((scenario) => start(scenario).outcome)))
    assert.equal(outcome.code, undefined, outcome.message);
  close();
  const outcomes = await Promise.all(receivers);
  for (const outcome of outcomes) assert.equal(outcome.code, undefined, outcome.message);
  return [...outcomes.map((outcome) => outcome.value as Got), ...(await Promise.all(more))];
}

async function receivedHere(channel: Channel<Numbered>): Promise<Got> {
  const got: [number, number][] = [];
  for await (const { sender, number } of channel) got.push([sender, number]);
  return got;
}

for (const { capacity, spins } of [
  { capacity: 1, spins: 0 },
  { capacity: 3, spins: 0 },
  { capacity: 16, spins: 100 },
]) {
  test(
    `each message once, in order per sender: 3 senders, 2 receivers and the main thread, capacity ${capacity}, ` +
      `${spins} spins`,
    async () => {
      const channel = Channel.create<Numbered>({ capacity, bytes: 128, spins });
      const sending = range(3).map((sender): CellScenario => ({
        kind: "send",
        channel: channel.handle,
        sender,
        count: 2000,
      }));
      const receiving: CellScenario[] = [
        { kind: "receive", channel: channel.handle },
        { kind: "receive-async", channel: channel.handle },
      ];
      conserved(await through(() => channel.close(), sending, receiving, [receivedHere(channel)]), 3, 2000);
    },
  );
}

test("batches are in order too, among others that send one at a time", async () => {
  const channel = Channel.create<Numbered>({ capacity: 7, bytes: 128, spins: 0 });
  const sending = range(3).map((sender): CellScenario => ({
    kind: "send",
    channel: channel.handle,
    sender,
    count: 2000,
    ...(sender === 0 ? {} : { batch: 10 * sender }),
  }));
  const receiving = [undefined, 3, 20].map((batch): CellScenario => ({
    kind: "receive",
    channel: channel.handle,
    ...(batch === undefined ? {} : { batch }),
  }));
  conserved(await through(() => channel.close(), sending, receiving), 3, 2000);
});

test("numbers: many to many, one to one, singly and in batches that do not divide the capacity", async () => {
  for (const sides of ["many", "one"] as const) {
    const channel = NumberChannel.create({ capacity: 50, type: "int32", senders: sides, receivers: sides, spins: 20 });
    const senders = sides === "many" ? 3 : 1;
    const sending = range(senders).map((sender): CellScenario => ({
      kind: "send-numbers",
      channel: channel.handle,
      sender,
      count: 20_000,
      batch: [64, 1, 7][sender]!,
    }));
    const receiving = range(senders).map((i): CellScenario => ({
      kind: "receive-numbers",
      channel: channel.handle,
      batch: [33, 1, 128][i]!,
    }));
    conserved(await through(() => channel.close(), sending, receiving), senders, 20_000);
  }
});

test("records of a channel of numbers stay together over the end of the ring", async () => {
  const channel = NumberChannel.create({ capacity: 3, type: "float64", width: 4 });
  const sent = Float64Array.from({ length: 8 }, (_, i) => i + 0.5);
  const into = new Float64Array(12);
  for (let round = 0; round < 10; round++) {
    channel.sendMany(sent);
    assert.equal(channel.size, 2);
    assert.equal(channel.tryReceiveMany(into), 2);
    assert.deepEqual([...into.subarray(0, 8)], [...sent]);
  }
  assert.equal(channel.trySendMany(new Float64Array(16)), 3);
  assert.equal(channel.trySendMany(new Float64Array(16), 3), 0);
  assert.equal(channel.trySendMany(new Float64Array(4), 1), 0);
  assert.throws(() => channel.send(1), code("OPTION_INVALID"));
  assert.throws(() => channel.sendMany(new Float64Array(6)), code("OPTION_INVALID"));
  const waiting = channel.sendManyAsync(new Float64Array(8).fill(1));
  assert.equal(await channel.receiveManyAsync(into), 3);
  await waiting;
  channel.close();
  assert.deepEqual([channel.receiveMany(into), channel.receiveMany(into), channel.tryReceiveMany(into)], [2, 0, 0]);
  assert.throws(() => channel.trySendMany(sent), code("SHUTTING_DOWN"));
});

test("codecs: what is sent is what is received; what does not fit or has no form is refused and takes no place", () => {
  const json = Channel.create<unknown[] | string | number | object>({ capacity: 2, bytes: 20 });
  for (const message of [[1, "ä", null], "☃☃☃☃", 0.1, { a: { b: [] } }, "", 0]) {
    json.send(message);
    assert.deepEqual(json.receive(), message);
  }
  json.send("x".repeat(18));
  assert.throws(() => json.send("x".repeat(19)), code("INPUT_TOO_LARGE"));
  assert.throws(() => json.send("☃".repeat(7)), code("INPUT_TOO_LARGE"));
  assert.throws(() => json.send(null as never), code("INPUT_INVALID"));
  assert.throws(() => json.send(() => 1), code("INPUT_INVALID"));
  assert.equal(json.size, 1);

  const structured = Channel.create<object>({ capacity: 2, codec: "structured" });
  const value = { when: new Date(5), map: new Map([[1, new Float32Array([1.5])]]) };
  structured.send(value);
  assert.deepEqual(structured.receive(), value);

  const bytes = Channel.create({ capacity: 2, bytes: 3, codec: "bytes" });
  bytes.send(Uint8Array.of(1, 2, 3));
  bytes.send(new Uint8Array());
  const first = bytes.receive()!;
  bytes.send(Uint8Array.of(9));
  assert.deepEqual(
    [first, bytes.receive(), bytes.receive()],
    [Uint8Array.of(1, 2, 3), new Uint8Array(), Uint8Array.of(9)],
  );
  assert.throws(() => bytes.send(new Uint8Array(4)), code("INPUT_TOO_LARGE"));
  assert.throws(() => bytes.send("text" as never), code("INPUT_INVALID"));
  assert.throws(() => Channel.create({ capacity: 0 }), code("OPTION_INVALID"));
  assert.throws(() => Channel.create({ capacity: 1, codec: "xml" as never }), code("OPTION_INVALID"));
  assert.throws(() => Channel.create({ capacity: 2 ** 24, bytes: 2 ** 20 }), code("OPTION_INVALID"));
});

test("the try forms never wait; closing lets receivers drain and makes senders throw, also those asleep", async () => {
  const channel = Channel.create<number>({ capacity: 2 });
  assert.equal(channel.tryReceive(), undefined);
  assert.deepEqual([channel.trySend(1), channel.trySend(2), channel.trySend(3)], [true, true, false]);
  const sleeping = channel.sendAsync(3);
  const asleep = start({ kind: "send-one", channel: channel.handle as never });
  await delay(100);
  assert.deepEqual([channel.close(), channel.close(), channel.closed], [true, false, true]);
  await assert.rejects(sleeping, code("SHUTTING_DOWN"));
  assert.equal((await asleep.outcome).code, "SHUTTING_DOWN");
  assert.throws(() => channel.trySend(4), code("SHUTTING_DOWN"));
  assert.deepEqual(
    [channel.receive(), channel.tryReceive(), channel.receive(), channel.tryReceive()],
    [1, 2, null, null],
  );
  assert.deepEqual(channel.receiveMany(3), []);

  const empty = Channel.create<Numbered>({ capacity: 2 });
  const receivers = [
    start({ kind: "receive-one", channel: empty.handle }).outcome,
    start({ kind: "receive-one", channel: empty.handle }).outcome,
  ];
  const here = empty.receiveAsync();
  await delay(100);
  empty.close();
  assert.deepEqual([...(await Promise.all(receivers)).map((outcome) => outcome.value), await here], [null, null, null]);
});

test("time limits, signals and abort words end a wait; a wake-up of a cancelled waiter goes to the next", async () => {
  const channel = Channel.create<Numbered>({ capacity: 1, bytes: 64 });
  const message = { sender: 0, number: 0, text: "" };
  assert.throws(() => channel.receive({ timeoutMs: 2 }), code("TIMEOUT"));
  await assert.rejects(channel.receiveAsync({ timeoutMs: 2 }), code("TIMEOUT"));
  const controller = new AbortController();
  const first = channel.receiveAsync({ signal: controller.signal });
  const second = channel.receiveAsync();
  controller.abort();
  await assert.rejects(first, code("CANCELLED"));
  channel.send(message); // its one wake-up goes to the abandoned wait
  assert.deepEqual(await second, message);

  const abort = AbortWord.create().bind(channel);
  const aborted = start({ kind: "receive-one", channel: channel.handle, abort: abort.handle });
  const patient = start({ kind: "receive-one", channel: channel.handle });
  await delay(150);
  abort.abort("CANCELLED");
  assert.equal((await aborted.outcome).code, "CANCELLED");
  channel.send(message);
  assert.deepEqual((await patient.outcome).value, message);

  channel.send(message);
  assert.throws(() => channel.send(message, { timeoutMs: 2 }), code("TIMEOUT"));
  const late = channel.sendAsync({ ...message, number: 1 }); // kept apart from what is sent meanwhile
  assert.equal(channel.trySend({ ...message, number: 2 }), false);
  channel.receive();
  await late;
  assert.equal(channel.receive()?.number, 1);
});

test("one sender: a second is refused, until the first leaves or has died", async () => {
  const channel = Channel.create<Numbered>({ capacity: 1, bytes: 64, senders: "one", receivers: "one" });
  const flood = start({ kind: "flood", channel: channel.handle, sender: 1 });
  assert.equal((await channel.receiveAsync())?.number, 0);
  assert.throws(() => channel.trySend({ sender: 0, number: 0, text: "" }), code("CONFLICT"));
  assert.equal((await start({ kind: "receive-one", channel: channel.handle }).outcome).code, "CONFLICT");
  const id = await kill(flood.worker);
  assert.equal(channel.threadDied(id), true);
  while (channel.tryReceive() !== undefined);
  assert.equal(channel.trySend({ sender: 0, number: 5, text: "" }), true);
  channel.leave();
  assert.equal(((await start({ kind: "receive-one", channel: channel.handle }).outcome).value as Numbered).number, 5);
});

test("deaths at random instants: the queue goes on, whole and in order", async () => {
  for (let round = 0; round < 6; round++) {
    const channel = Channel.create<Numbered>({ capacity: 3, bytes: 64, spins: round % 2 === 0 ? 0 : 50 });
    const senders = [0, 1].map((sender) => start({ kind: "flood", channel: channel.handle, sender }));
    const drain = start({ kind: "drain", channel: channel.handle });
    await channel.receiveAsync();
    await delay(20 + 7 * round);
    for (const victim of [senders[0]!, drain]) channel.threadDied(await kill(victim.worker));
    const newest: (number | undefined)[] = [undefined, undefined];
    for (let i = 0; i < 500; i++) {
      const { sender, number } = (await channel.receiveAsync({ timeoutMs: 20_000 }))!;
      const before = newest[sender];
      assert.ok(before === undefined || number === before + 1, `sender ${sender}: ${number} came after ${before}`);
      newest[sender] = number;
    }
    channel.close();
    assert.equal((await senders[1]!.outcome).code, "SHUTTING_DOWN");
  }
});

test("a handle of another kind is refused", () => {
  const numbers = NumberChannel.create({ capacity: 2, type: "float32" });
  assert.throws(() => Channel.attach(numbers.handle as never), code("OPTION_INVALID"));
  NumberChannel.attach(numbers.handle).send(0.5);
  assert.equal(numbers.receive(), 0.5);
});
