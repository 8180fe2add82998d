/**
 * Every argument of every primitive that can be wrong, and what is wrong: one table, for the test of the errors and for
 * the explorations (which show that nothing is changed, or kept, by a call that is refused).
 */
import {
  AbortWord,
  Barrier,
  Channel,
  Condition,
  Counter,
  EpochCell,
  EventCount,
  joinSupervisor,
  Latch,
  Mutex,
  NumberChannel,
  Once,
  pause,
  RwLock,
  Semaphore,
  SeqlockCell,
  Supervisor,
  type WaitOptions,
} from "../../src/threads/sync/index.ts";

export interface Refusal {
  readonly call: string;
  /** What the message has to say of the range. */
  readonly range: RegExp;
  readonly perform: () => unknown;
}

const WRONG_NUMBERS = [NaN, 1.5, "1", null, {}, -(2 ** 40)];

/** The table. `T` is any; what is given is wrong on purpose. */
export function refusals(): readonly Refusal[] {
  const all: Refusal[] = [];
  const refuse = (
    call: string,
    range: RegExp,
    perform: (value: never) => unknown,
    values: readonly unknown[] = WRONG_NUMBERS,
  ): void => {
    for (const value of values)
      all.push({
        call: `${call}(${typeof value === "object" ? JSON.stringify(value) : String(value)})`,
        range,
        perform: () => perform(value as never),
      });
  };

  // what is made
  const options = [null, 1, "many", { speling: 1 }];
  refuse("Mutex.create", /an object|one of name, maxBarges/, (value) => Mutex.create(value), options);
  refuse("Mutex maxBarges", /1 to 31/, (maxBarges) => Mutex.create({ maxBarges }), [0, 32, NaN, 1.5, "1"]);
  refuse("Mutex checkOrder", /true or false/, (checkOrder) => Mutex.create({ checkOrder }), [1, "yes", null]);
  refuse("Mutex name", /a string/, (name) => Mutex.create({ name }), [1, null, {}]);
  refuse("RwLock.create", /an object|one of name, capacity/, (value) => RwLock.create(value), options);
  refuse("RwLock capacity", /1 to 1023/, (capacity) => RwLock.create({ capacity }), [0, 1024, NaN, 1.5]);
  refuse("Semaphore.create", /1 to 2\^30/, (permits) => Semaphore.create(permits), [0, 2 ** 30 + 1, ...WRONG_NUMBERS]);
  refuse("Semaphore options", /an object|one of capacity/, (value) => Semaphore.create(1, value), options);
  refuse("Semaphore capacity", /1 to 1023/, (capacity) => Semaphore.create(1, { capacity }), [0, 1024, NaN]);
  refuse("Barrier.create", /1 to 2\^31 − 1/, (parties) => Barrier.create(parties), [0, 2 ** 31, ...WRONG_NUMBERS]);
  refuse("Latch.create", /0 to 2\^31 − 1/, (count) => Latch.create(count), [-1, 2 ** 31, ...WRONG_NUMBERS]);
  refuse("Counter.create", /−2\^31 to 2\^31 − 1/, (first) => Counter.create(first), [2 ** 31, ...WRONG_NUMBERS]);
  refuse("SeqlockCell.create", /1 to 2\^20/, (width) => SeqlockCell.create(width), [0, 2 ** 20 + 1, ...WRONG_NUMBERS]);
  refuse("SeqlockCell options", /an object|one of spins/, (value) => SeqlockCell.create(1, value), options);
  refuse("SeqlockCell spins", /0 to 2\^24/, (spins) => SeqlockCell.create(1, { spins }), [-1, 2 ** 24 + 1, NaN]);
  refuse("EpochCell.create", /2 to 2\^16/, (slots) => EpochCell.create(slots), [1, 2 ** 16 + 1, ...WRONG_NUMBERS]);
  refuse("EpochCell options", /an object|one of holders/, (value) => EpochCell.create(2, value), options);
  refuse("EpochCell holders", /1 to 4096/, (holders) => EpochCell.create(2, { holders }), [0, 4097, NaN]);
  refuse("Condition.create", /a Mutex/, (mutex) => Condition.create(mutex), [null, {}, RwLock.create()]);
  const channel = { capacity: 2, bytes: 16 };
  refuse("Channel.create", /an object|one of capacity, bytes/, (value) => Channel.create(value), options);
  refuse("Channel capacity", /1 to 2\^24/, (capacity) => Channel.create({ capacity }), [
    0,
    undefined,
    ...WRONG_NUMBERS,
  ]);
  refuse("Channel bytes", /1 to 2\^28/, (bytes) => Channel.create({ ...channel, bytes }), [0, NaN, 2 ** 28 + 1]);
  refuse("Channel codec", /"json", "structured"/, (codec) => Channel.create({ ...channel, codec }), ["xml", null, 1]);
  refuse("Channel senders", /"one", "many"/, (senders) => Channel.create({ ...channel, senders }), ["two", 1, null]);
  refuse("Channel receivers", /"one", "many"/, (receivers) => Channel.create({ ...channel, receivers }), ["One", 1]);
  refuse("Channel spins", /0 to 2\^24/, (spins) => Channel.create({ ...channel, spins }), [-1, NaN, "5"]);
  const numbers = { capacity: 2, type: "int32" } as const;
  refuse("NumberChannel.create", /an object|one of capacity, type/, (value) => NumberChannel.create(value), options);
  refuse("NumberChannel type", /"int32", "float32"/, (type) => NumberChannel.create({ capacity: 2, type }), [
    "int8",
    1,
  ]);
  refuse("NumberChannel width", /1 to 2\^24/, (width) => NumberChannel.create({ ...numbers, width }), [0, NaN, "2"]);
  refuse("NumberChannel senders", /"one", "many"/, (senders) => NumberChannel.create({ ...numbers, senders }), ["two"]);

  // handles
  const foreign = EventCount.create().handle;
  for (const [name, attach] of Object.entries({
    AbortWord,
    Barrier,
    Channel,
    Counter,
    EpochCell,
    Latch,
    Mutex,
    NumberChannel,
    Once,
    RwLock,
    Semaphore,
    SeqlockCell,
  }) as unknown as [string, { attach: (handle: unknown) => unknown }][])
    refuse(`${name}.attach`, /of kind/, (handle) => attach.attach(handle), [foreign, undefined, null, 1]);
  refuse(
    "EventCount.attach",
    /Int32Array over a SharedArrayBuffer|at least 1 words/,
    (words) => EventCount.attach({ kind: "event-count", words }),
    [new Int32Array(4), new Int32Array(new SharedArrayBuffer(0)), null],
  );

  // waits
  const waits: Readonly<Record<string, (options: WaitOptions) => unknown>> = {
    "Mutex.lock": (given) => Mutex.create().lock(given),
    "Mutex.lockAsync": (given) => Mutex.create().lockAsync(given),
    "Mutex.lockForRepair": (given) => Mutex.create().lockForRepair(given),
    "RwLock.read": (given) => RwLock.create().read(given),
    "RwLock.readAsync": (given) => RwLock.create().readAsync(given),
    "RwLock.write": (given) => RwLock.create().write(given),
    "RwLock.writeAsync": (given) => RwLock.create().writeAsync(given),
    "Semaphore.acquire": (given) => Semaphore.create(1).acquire(1, given),
    "Semaphore.acquireAsync": (given) => Semaphore.create(1).acquireAsync(1, given),
    "Once.run": (given) => Once.create().run(() => {}, given),
    "Once.runAsync": (given) => Once.create().runAsync(() => {}, given),
    "Barrier.wait": (given) => Barrier.create(1).wait(given),
    "Barrier.waitAsync": (given) => Barrier.create(1).waitAsync(given),
    "Latch.wait": (given) => Latch.create(0).wait(given),
    "Latch.waitAsync": (given) => Latch.create(0).waitAsync(given),
    "Counter.waitZero": (given) => Counter.create().waitZero(given),
    "Counter.whenZero": (given) => Counter.create().whenZero(given),
    "EventCount.wait": (given) => EventCount.create().wait(1, given),
    "EventCount.waitAsync": (given) => EventCount.create().waitAsync(1, given),
    "AbortWord.whenAborted": (given) => AbortWord.create().whenAborted(given),
    "SeqlockCell.read": (given) => SeqlockCell.create(1).read(undefined, given),
    "SeqlockCell.readAsync": (given) => SeqlockCell.create(1).readAsync(undefined, given),
    "SeqlockCell.write": (given) => SeqlockCell.create(1).write(new Int32Array(1), given),
    "SeqlockCell.writeAsync": (given) => SeqlockCell.create(1).writeAsync(new Int32Array(1), given),
    "SeqlockCell.update": (given) => SeqlockCell.create(1).update(() => {}, given),
    "EpochCell.reserve": (given) => EpochCell.create(2).reserve(given),
    "EpochCell.reserveAsync": (given) => EpochCell.create(2).reserveAsync(given),
    "Channel.send": (given) => Channel.create(channel).send(1, given),
    "Channel.sendAsync": (given) => Channel.create(channel).sendAsync(1, given),
    "Channel.sendMany": (given) => Channel.create(channel).sendMany([1], given),
    "Channel.receive": (given) => closed(Channel.create(channel)).receive(given),
    "Channel.receiveAsync": (given) => closed(Channel.create(channel)).receiveAsync(given),
    "Channel.receiveMany": (given) => closed(Channel.create(channel)).receiveMany(1, given),
    "NumberChannel.send": (given) => NumberChannel.create(numbers).send(1, given),
    "NumberChannel.sendAsync": (given) => NumberChannel.create(numbers).sendAsync(1, given),
    "NumberChannel.sendMany": (given) => NumberChannel.create(numbers).sendMany(new Int32Array(1), given),
    "NumberChannel.receive": (given) => closed(NumberChannel.create(numbers)).receive(given),
    "NumberChannel.receiveMany": (given) => closed(NumberChannel.create(numbers)).receiveMany(new Int32Array(1), given),
    "Condition.wait": (given) => {
      const condition = Condition.create(Mutex.create());
      using guard = condition.lock();
      condition.wait(guard, given);
    },
  };
  for (const [call, wait] of Object.entries(waits)) {
    refuse(`${call} timeoutMs`, /0 to Infinity/, (timeoutMs) => wait({ timeoutMs }), [NaN, -1, "5", null]);
    refuse(`${call} abort`, /an AbortWord/, (abort) => wait({ abort }), [null, {}, new AbortController().signal]);
    refuse(`${call} options`, /an object such as/, (given) => wait(given), [null, 100]);
    if (call.endsWith("Async"))
      refuse(`${call} signal`, /an AbortSignal/, (signal) => wait({ signal } as never), [
        null,
        {},
        new AbortController(),
      ]);
  }

  // what is done
  refuse("pause", /0 to Infinity/, (ms) => pause(ms), [NaN, -1, "5"]);
  refuse("Semaphore.acquire", /1 to 2,|1 to 2\b/, (permits) => Semaphore.create(2).acquire(permits), [
    0,
    3,
    ...WRONG_NUMBERS,
  ]);
  refuse("Semaphore.tryAcquire", /1 to 2/, (permits) => Semaphore.create(2).tryAcquire(permits), [0, 3, NaN]);
  refuse("Counter.add", /−2\^31 to 2\^31 − 1/, (amount) => Counter.create().add(amount));
  refuse("Counter.add, too much", /−2\^31 to 2\^31 − 1/, (amount) => Counter.create(2 ** 31 - 1).add(amount), [1, 5]);
  refuse("EventCount.wait seen", /−2\^31 to 2\^31 − 1/, (seen) => EventCount.create().wait(seen), [NaN, 2 ** 31, "0"]);
  refuse(
    "EventCount.waitAsync seen",
    /−2\^31 to 2\^31 − 1/,
    (seen) => EventCount.create().waitAsync(seen, { timeoutMs: 0 }),
    [NaN, 2 ** 31, "0"],
  );
  const reasons = /"CANCELLED", "WORKER_DIED"/;
  refuse("AbortWord.abort", reasons, (reason) => AbortWord.create().abort(reason), ["NO", 1, null]);
  refuse("Barrier.abort", reasons, (reason) => Barrier.create(2).abort(reason), ["NO", undefined]);
  refuse(
    "Barrier.abort once more",
    reasons,
    (reason) => {
      const aborted = Barrier.create(2);
      aborted.abort("CANCELLED");
      return aborted.abort(reason);
    },
    ["NO", undefined],
  );
  refuse("Latch.abort", reasons, (reason) => Latch.create(2).abort(reason), ["NO", undefined]);
  refuse("AbortWord.bind", /can be aborted or woken/, (target) => AbortWord.create().bind(target), [null, {}, 1]);
  refuse("AbortWord.follow", /an AbortSignal/, (signal) => AbortWord.create().follow(signal), [null, {}]);
  refuse("Once.run", /a function/, (work) => Once.create().run(work), [null, 1]);
  refuse("Once.runAsync", /a function/, (work) => Once.create().runAsync(work), [null, 1]);
  refuse(
    "Once.runAsync onOwnerDied",
    /"throw", "retry"/,
    (onOwnerDied) => Once.create().runAsync(() => {}, { onOwnerDied }),
    ["go"],
  );
  refuse("Once onOwnerDied", /"throw", "retry"/, (onOwnerDied) => Once.create().run(() => {}, { onOwnerDied }), ["go"]);
  refuse("Mutex.withLock", /a function/, (work) => Mutex.create().withLock(work), [null, 1]);
  refuse("RwLock.withRead", /a function/, (work) => RwLock.create().withRead(work), [null]);
  refuse("RwLock.withWrite", /a function/, (work) => RwLock.create().withWrite(work), [null]);
  refuse("Semaphore.withPermits", /a function/, (work) => Semaphore.create(1).withPermits(1, work), [null]);
  refuse("SeqlockCell.update", /a function/, (change) => SeqlockCell.create(1).update(change), [null]);
  refuse("SeqlockCell.write", /a view of 8 bytes/, (view) => SeqlockCell.create(2).write(view), [
    null,
    [1, 2],
    new Int32Array(3),
  ]);
  refuse("SeqlockCell.read", /a multiple of 4/, (view) => SeqlockCell.create(1).read(view), [
    new Uint8Array(new ArrayBuffer(8), 1, 4),
  ]);
  refuse("EpochCell.pins", /0 to 1/, (slot) => EpochCell.create(2).pins(slot), [-1, 2, NaN]);
  refuse("EpochCell publish", /−2\^31 to 2\^31 − 1/, (version) => EpochCell.create(2).reserve().publish(version), [
    NaN,
    1.5,
    2 ** 31,
  ]);
  const int32 = () => NumberChannel.create(numbers);
  refuse("int32 send", /−2\^31 to 2\^31 − 1/, (value) => int32().send(value), [NaN, 0.5, 2 ** 31, Infinity, "1", null]);
  refuse("int32 sendMany", /Int32Array/, (values) => int32().sendMany(values), [new Float64Array(1), [1], null]);
  refuse("int32 receiveMany", /Int32Array/, (into) => int32().tryReceiveMany(into), [new Float64Array(1), null]);
  const float = (type: "float32" | "float64") => NumberChannel.create({ capacity: 2, type });
  refuse("float32 send", /float32|a number/, (value) => float("float32").send(value), [1e300, -1e39, "1", undefined]);
  refuse("float64 send", /a number/, (value) => float("float64").send(value), ["1", null, 1n]);
  refuse("NumberChannel trySendMany", /0 to 1/, (from) => int32().trySendMany(new Int32Array(1), from), [-1, 2, NaN]);
  refuse("Channel.receiveMany", /1 to/, (limit) => closed(Channel.create(channel)).receiveMany(limit), [0, NaN, 1.5]);
  refuse("Channel.sendMany", /an array/, (messages) => Channel.create(channel).sendMany(messages), [null, "text"]);
  refuse("Supervisor.protect", /knows deaths/, (object) => new Supervisor().protect(object), [null, {}]);
  refuse("Supervisor.onDeath", /a function/, (listener) => new Supervisor().onDeath(listener), [null]);
  refuse("joinSupervisor", /a MessagePort/, (port) => joinSupervisor(port), [null, {}]);
  for (const [name, object] of Object.entries({
    Mutex: () => Mutex.create(),
    RwLock: () => RwLock.create(),
    Semaphore: () => Semaphore.create(1),
    Once: () => Once.create(),
    SeqlockCell: () => SeqlockCell.create(1),
    EpochCell: () => EpochCell.create(2),
    Channel: () => Channel.create(channel),
    NumberChannel: () => int32(),
    Supervisor: () => new Supervisor(),
  }))
    // a Worker that has ended says −1
    refuse(`${name}.threadDied`, /0 to 8388606/, (id) => object().threadDied(id), [-1, NaN, undefined, 2 ** 23]);
  return all;
}

/** Nothing comes any more, so that a call that is not refused returns. */
function closed<C extends { close(): boolean }>(channel: C): C {
  channel.close();
  return channel;
}

/** What such a call was, if it was not refused as it should be; null: it was. */
export async function unlike(refusal: Refusal): Promise<string | null> {
  try {
    const returned = await refusal.perform();
    return `${refusal.call} returned ${String(returned)}`;
  } catch (thrown) {
    const { code, message } = thrown as { code?: string; message?: string };
    return code === "OPTION_INVALID" && refusal.range.test(message ?? "") ? null : `${refusal.call}: ${String(thrown)}`;
  }
}
