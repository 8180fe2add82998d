/** What is refused, of every primitive; and what else a caller may do wrong without harm to anybody. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import {
  AbortWord,
  Channel,
  Mutex,
  NumberChannel,
  RwLock,
  Semaphore,
  SeqlockCell,
} from "../../src/threads/sync/index.ts";
import { code } from "./holders.ts";
import { refusals, unlike } from "./refusals.ts";

test("an argument that cannot be is OPTION_INVALID and says the range", async () => {
  const wrong: string[] = [];
  for (const refusal of refusals()) {
    const said = await unlike(refusal);
    if (said !== null) wrong.push(said);
  }
  assert.deepEqual(wrong, []);
});

test("a refusal says what was given", () => {
  const given: readonly (readonly [unknown, string])[] = [
    [0.5, "0.5"],
    [-0, "-0"],
    [0, "0"],
    [7n, "7n"],
    [null, "null"],
    [true, "true"],
    ["many", '"many"'],
    [new Float64Array(1), "Float64Array"],
    [{}, "object"],
    [() => 1, "function"],
  ];
  for (const [capacity, shown] of given) {
    const message = `the capacity of a channel is a whole number from 1 to 2^24, not ${shown}`;
    assert.throws(() => Channel.create({ capacity: capacity as never }), { code: "OPTION_INVALID", message });
  }
  const handle = { kind: "mutex", words: undefined } as never;
  assert.throws(() => Mutex.attach(handle), { message: /, not undefined$/ });
});

/** How many waits lie in the queues of these words. */
const listeners = (words: Int32Array<SharedArrayBuffer>): number =>
  words.reduce((total, _, index) => total + Atomics.notify(words, index), 0);

test("an async wait that is cancelled leaves nothing behind in the words' queues", async () => {
  const mutex = Mutex.create();
  const lock = RwLock.create();
  const semaphore = Semaphore.create(1);
  const channel = Channel.create({ capacity: 1 });
  const cell = SeqlockCell.create(1);
  const held = [mutex.lock(), lock.write(), semaphore.acquire()];
  const asks: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
    mutex: (signal) => mutex.lockAsync({ signal }),
    read: (signal) => lock.readAsync({ signal }),
    write: (signal) => lock.writeAsync({ signal }),
    semaphore: (signal) => semaphore.acquireAsync(1, { signal }),
    channel: (signal) => channel.receiveAsync({ signal }),
    word: (signal) => AbortWord.attach(AbortWord.create().handle).whenAborted({ signal }),
  };
  for (const [name, ask] of Object.entries(asks)) {
    const controller = new AbortController();
    const asked = ask(controller.signal);
    await turn();
    controller.abort();
    await assert.rejects(asked, code("CANCELLED"), name);
  }
  for (const { handle } of [mutex, lock, semaphore, channel, cell])
    assert.equal(listeners(handle.words), 0, handle.kind);
  for (const guard of held) guard.release();
});

test("reading a seqlock cell inside of its own update is an error, not a hang", () => {
  const cell = SeqlockCell.create(1);
  assert.throws(() => cell.update(() => cell.read()), code("DEADLOCK"));
  assert.throws(() => cell.update(() => cell.read(undefined, { timeoutMs: 60_000 })), code("DEADLOCK"));
  assert.equal(cell.tryRead()![0], 0);
});

test("messages that a receiver would take for the end, or for none, are refused by either codec", () => {
  for (const codec of ["json", "structured"] as const) {
    const channel = Channel.create<never>({ capacity: 2, codec });
    const messages: unknown[] = [null, undefined, () => 1, Symbol("s"), { deep: () => 1 }];
    if (codec === "json") messages.splice(4, 1, NaN, { toJSON: () => null }, 1n, -Infinity);
    for (const message of messages) {
      assert.throws(() => channel.send(message as never), code("INPUT_INVALID"), `${codec} ${String(message)}`);
      assert.throws(() => channel.sendMany([message as never]), code("INPUT_INVALID"));
    }
    assert.equal(channel.tryReceive(), undefined);
  }
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  assert.throws(() => Channel.create({ capacity: 1 }).send(circle), code("INPUT_INVALID"));
});

test("numbers at the edges of a channel's type arrive as they are", () => {
  for (const [type, values] of [
    ["int32", [2 ** 31 - 1, -(2 ** 31), 0]],
    ["float32", [Infinity, -Infinity, NaN, 3.4028234663852886e38, 0.5]],
    ["float64", [NaN, 1e300, -0]],
  ] as const) {
    const channel = NumberChannel.create({ capacity: 8, type });
    for (const value of values) {
      channel.send(value);
      assert.ok(Object.is(channel.receive(), value), `${type} ${value}`);
    }
  }
});
