/**
 * Counter, latch and barrier under every interleaving: sums, openings and meetings; no wake-up is lost; reuse of a
 * barrier; aborts and deaths.
 */
import assert from "node:assert/strict";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";
import {
  Barrier,
  Counter,
  Latch,
  type BarrierHandle,
  type CounterHandle,
  type LatchHandle,
} from "../../../src/threads/sync/index.ts";

const codeOf = (perform: () => unknown): unknown => {
  try {
    return perform();
  } catch (thrown) {
    return (thrown as { code?: string }).code ?? String(thrown);
  }
};

interface Counting {
  readonly counter: CounterHandle;
}
const add =
  (...amounts: readonly number[]): ThreadBody<Counting> =>
  ({ counter }) => {
    const mine = Counter.attach(counter);
    for (const amount of amounts) mine.add(amount);
  };
const untilZero: ThreadBody<Counting> = ({ counter }) => Counter.attach(counter).waitZero();
const counting = (start: number) => (): Counting => ({
  counter: Counter.create(start).handle,
});
const sum =
  (value: number) =>
  ({ counter }: Counting): void =>
    assert.equal(Counter.attach(counter).value, value);

export const counter = {
  zero: program<Counting>(import.meta.url, {
    title: "counter, 2 threads × 1: zero wakes who waits",
    setup: counting(1),
    threads: [add(-1), untilZero],
    check: sum(0),
  }),
  steps: program<Counting>(import.meta.url, {
    title: "counter, 2 threads × 2: on the way to zero",
    setup: counting(2),
    threads: [
      add(-1, -1),
      ({ counter: handle }) => {
        const mine = Counter.attach(handle);
        mine.waitZero();
        mine.waitZero();
      },
    ],
    check: sum(0),
  }),
  sums: program<Counting>(import.meta.url, {
    title: "counter, 3 threads × 1: sums, and zero is announced",
    setup: counting(3),
    threads: [add(-1), add(-2), untilZero],
    check: sum(0),
  }),
  async: program<Counting>(import.meta.url, {
    title: "counter, an asynchronous waiter",
    setup: counting(1),
    threads: [add(-1), async ({ counter: handle }) => Counter.attach(handle).whenZero()],
    check: sum(0),
  }),
  limit: program<Counting>(import.meta.url, {
    title: "counter, a waiter with a time limit",
    setup: counting(1),
    threads: [
      add(-1),
      ({ counter: handle }) => codeOf(() => Counter.attach(handle).waitZero({ timeoutMs: 5 }) ?? "zero"),
    ],
    check: (_, { results }) => assert.ok(["zero", "TIMEOUT"].includes(String(results[1]))),
  }),
  death: program<Counting>(import.meta.url, {
    title: "counter, the thread that owed dies: who supervises pays for it, and no waiter is forgotten",
    setup: counting(1),
    threads: [add(-1), untilZero],
    supervise: ({ counter: handle }, { thread }) => {
      const mine = Counter.attach(handle);
      mine.threadDied();
      if (thread === 0 && mine.value === 1) mine.add(-1);
    },
    check: sum(0),
  }),
};

interface Latching {
  readonly latch: LatchHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}
const latching = (count: number) => (): Latching => ({
  latch: Latch.create(count).handle,
  cells: new Int32Array(new SharedArrayBuffer(4 * 3)),
});
const arrive =
  (index: number): ThreadBody<Latching> =>
  ({ latch, cells }) => {
    cells[index] = 1; // a plain write: the latch alone makes it visible
    Latch.attach(latch).countDown();
  };
const pass =
  (count: number): ThreadBody<Latching> =>
  ({ latch, cells }) => {
    Latch.attach(latch).wait();
    for (let i = 0; i < count; i++) assert.equal(cells[i], 1);
  };

export const latch = {
  twoOne: program<Latching>(import.meta.url, {
    title: "latch, 2 threads × 1",
    setup: latching(1),
    threads: [arrive(0), pass(1)],
  }),
  three: program<Latching>(import.meta.url, {
    title: "latch, 2 events and a waiter",
    setup: latching(2),
    threads: [arrive(0), arrive(1), pass(2)],
  }),
  waiters: program<Latching>(import.meta.url, {
    title: "latch, an event and 2 waiters",
    setup: latching(1),
    threads: [arrive(0), pass(1), pass(1)],
  }),
  async: program<Latching>(import.meta.url, {
    title: "latch, an asynchronous waiter",
    setup: latching(1),
    threads: [
      arrive(0),
      async ({ latch: handle, cells }) => {
        await Latch.attach(handle).waitAsync();
        assert.equal(cells[0], 1);
      },
    ],
  }),
  abort: program<Latching>(import.meta.url, {
    title: "latch, an abort against the last event: all waiters get the same answer",
    setup: latching(1),
    threads: [
      arrive(0),
      ({ latch: handle }) => void Latch.attach(handle).abort("INTERNAL"),
      ({ latch: handle }) => codeOf(() => Latch.attach(handle).wait() ?? "open"),
    ],
    check: ({ latch: handle }, { results }) =>
      assert.equal(results[2], Latch.attach(handle).open ? "open" : "INTERNAL"),
  }),
  death: program<Latching>(import.meta.url, {
    title: "latch, a death: waiters are told, or the latch was open",
    setup: latching(1),
    threads: [arrive(0), ({ latch: handle }) => codeOf(() => Latch.attach(handle).wait() ?? "open")],
    supervise: ({ latch: handle }) => void Latch.attach(handle).threadDied(),
    check: (_, { results, died }) =>
      assert.ok(
        died.includes(1) || results[1] === "open" || (results[1] === "WORKER_DIED" && died.length > 0),
        String(results[1]),
      ),
  }),
};

interface Meeting {
  readonly barrier: BarrierHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}
const meeting = (parties: number) => (): Meeting => ({
  barrier: Barrier.create(parties).handle,
  cells: new Int32Array(new SharedArrayBuffer(4 * parties)),
});
const meet =
  (rounds: number): ThreadBody<Meeting> =>
  ({ barrier: handle, cells }, { index }) => {
    const mine = Barrier.attach(handle);
    let serial = 0;
    for (let round = 1; round <= rounds; round++) {
      cells[index] = round; // plain writes: the barrier alone makes them visible, and keeps the next round's away
      if (mine.wait()) serial++;
      for (const cell of cells) assert.equal(cell, round);
      if (round < rounds) mine.wait();
    }
    return serial;
  };
const lastOnes =
  (rounds: number) =>
  (_: Meeting, { results }: { readonly results: readonly unknown[] }): void =>
    assert.equal(
      results.reduce<number>((total, serial) => total + Number(serial), 0),
      rounds,
    );

const meetAsync: ThreadBody<Meeting> = async ({ barrier: handle, cells }, { index }) => {
  cells[index] = 1;
  const serial = await Barrier.attach(handle).waitAsync();
  for (const cell of cells) assert.equal(cell, 1);
  return Number(serial);
};

/** Comes to the meeting; `passed`, or the code of what ended it. */
const comes =
  (timeoutMs = Infinity): ThreadBody<Meeting> =>
  ({ barrier: handle }) =>
    codeOf(() => {
      Barrier.attach(handle).wait({ timeoutMs });
      return "passed";
    });

const comesAsync =
  (timeoutMs = Infinity): ThreadBody<Meeting> =>
  async ({ barrier: handle }) => {
    try {
      await Barrier.attach(handle).waitAsync({ timeoutMs });
      return "passed";
    } catch (thrown) {
      return (thrown as { code?: string }).code;
    }
  };

export const barrier = {
  twoOne: program<Meeting>(import.meta.url, {
    title: "barrier, 2 threads × 1",
    setup: meeting(2),
    threads: [meet(1), meet(1)],
    check: lastOnes(1),
  }),
  reuse: program<Meeting>(import.meta.url, {
    title: "barrier, 2 threads × 3: rounds do not mix",
    setup: meeting(2),
    threads: [meet(2), meet(2)],
    check: lastOnes(2),
  }),
  three: program<Meeting>(import.meta.url, {
    title: "barrier, 3 threads × 1",
    setup: meeting(3),
    threads: [meet(1), meet(1), meet(1)],
    check: lastOnes(1),
  }),
  abort: program<Meeting>(import.meta.url, {
    title: "barrier, an abort against the last arrival: passed by all or by none",
    setup: meeting(2),
    threads: [comes(), comes(), ({ barrier: handle }) => Barrier.attach(handle).abort("INTERNAL")],
    check: ({ barrier: handle }, { results }) => {
      assert.ok(["passed,passed", "INTERNAL,INTERNAL"].includes(results.slice(0, 2).join()), results.join());
      assert.deepEqual([results[2], Barrier.attach(handle).aborted], [true, "INTERNAL"]);
    },
  }),
  abortDeath: program<Meeting>(import.meta.url, {
    title: "barrier, whoever aborts it dies at any instruction: no waiter is forgotten",
    setup: meeting(2),
    threads: [comes(), ({ barrier: handle }) => void Barrier.attach(handle).abort("INTERNAL")],
    supervise: ({ barrier: handle }) => void Barrier.attach(handle).threadDied(),
  }),
  async: program<Meeting>(import.meta.url, {
    title: "barrier, a party that does not block",
    setup: meeting(2),
    threads: [meet(1), meetAsync],
    check: lastOnes(1),
  }),
  asyncAbort: program<Meeting>(import.meta.url, {
    title: "barrier, an abort against a party that does not block",
    setup: meeting(2),
    threads: [comesAsync(), ({ barrier: handle }) => void Barrier.attach(handle).abort("INTERNAL")],
    check: (_, { results }) => assert.equal(results[0], "INTERNAL"),
  }),
  asyncLimit: program<Meeting>(import.meta.url, {
    title: "barrier, a party with a time limit that does not block: passed by both or by none",
    setup: meeting(2),
    threads: [comesAsync(5), comes()],
    check: (_, { results }) => assert.ok(["passed,passed", "TIMEOUT,TIMEOUT"].includes(results.join()), results.join()),
  }),
  limit: program<Meeting>(import.meta.url, {
    title: "barrier, a party with a time limit: passed by both or by none",
    setup: meeting(2),
    threads: [comes(5), comes()],
    check: (_, { results }) => assert.ok(["passed,passed", "TIMEOUT,TIMEOUT"].includes(results.join()), results.join()),
  }),
  death: program<Meeting>(import.meta.url, {
    title: "barrier, a party dies at any instruction: the other passes or is told",
    setup: meeting(2),
    threads: [comes(), comes()],
    supervise: ({ barrier: handle }) => void Barrier.attach(handle).threadDied(),
    check: (_, { results, died }) => {
      for (const [thread, result] of results.entries())
        assert.ok(
          died.includes(thread) || result === "passed" || (result === "WORKER_DIED" && died.length > 0),
          String(result),
        );
    },
  }),
};
