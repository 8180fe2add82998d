/** Programs for deaths, time limits, asynchronous waits, spins, histories and what is not deterministic. */
import assert from "node:assert/strict";
import { program } from "../../src/threads/explore/index.ts";

type Words = Int32Array<SharedArrayBuffer>;
const words = (count: number): Words => new Int32Array(new SharedArrayBuffer(4 * count));

/** A time limit passes or not: both must be seen. */
export const timeLimit = program<{ w: Words; seen: Words }>(import.meta.url, {
  title: "a wait with a time limit, and a notification",
  setup: () => ({ w: words(1), seen: words(1) }),
  threads: [
    ({ w }) => Atomics.wait(w, 0, 0, 50),
    ({ w }) => {
      Atomics.store(w, 0, 1);
      return Atomics.notify(w, 0);
    },
  ],
  check: (_, { results: [waited, woken] }) => {
    assert.ok(["ok", "not-equal", "timed-out"].includes(waited as string));
    assert.equal(woken, waited === "ok" ? 1 : 0);
  },
});

/** The clock of a thread stands still but for limits that pass. */
export const clock = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [
    ({ w }) => {
      const start = performance.now();
      const outcome = Atomics.wait(w, 0, 0, 70);
      return { outcome, passed: performance.now() - start };
    },
  ],
  check: (_, { results: [result] }) => assert.deepEqual(result, { outcome: "timed-out", passed: 70 }),
});

/** One thread dies while it holds a lock; the supervisor frees it. */
export const deaths = program<{ w: Words }>(import.meta.url, {
  title: "the owner of a lock may die",
  setup: () => ({ w: words(3) }),
  threads: [1, 2].map((self) => ({ w }: { w: Words }) => {
    while (Atomics.compareExchange(w, 0, 0, self) !== 0) Atomics.wait(w, 0, self === 1 ? 2 : 1);
    Atomics.add(w, 1, 1);
    Atomics.store(w, 0, 0);
    Atomics.notify(w, 0);
  }),
  supervise: ({ w }, { threadId }) => {
    Atomics.compareExchange(w, 0, threadId, 0);
    Atomics.notify(w, 0);
  },
  check: ({ w }, { died }) => {
    assert.equal(w[0], 0);
    assert.ok(w[1]! >= 2 - died.length && w[1]! <= 2);
  },
});

/** The same without anybody who frees it. */
export const deathsUnseen = program<{ w: Words }>(import.meta.url, {
  title: "nobody frees the lock of the dead",
  setup: () => ({ w: words(3) }),
  threads: deaths.threads,
  supervise: () => {},
});

/** Asynchronous waits of two tasks in one thread, woken by another. */
export const asynchronous = program<{ w: Words }>(import.meta.url, {
  title: "two asynchronous waits in one thread",
  setup: () => ({ w: words(2) }),
  threads: [
    async ({ w }) => {
      const order: number[] = [];
      await Promise.all(
        [0, 1].map(async (index) => {
          while (Atomics.load(w, index) === 0) {
            const wait = Atomics.waitAsync(w, index, 0);
            if (wait.async) await wait.value;
          }
          order.push(index);
        }),
      );
      return order;
    },
    ({ w }) => {
      Atomics.store(w, 1, 1);
      Atomics.notify(w, 1);
    },
    ({ w }) => {
      Atomics.store(w, 0, 1);
      Atomics.notify(w, 0);
    },
  ],
});

export const asynchronousLimit = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [
    async ({ w }) => {
      const wait = Atomics.waitAsync(w, 0, 0, 20);
      return wait.async ? await wait.value : wait.value;
    },
    ({ w }) => Atomics.notify(w, 0),
  ],
  check: (_, { results: [outcome, woken] }) => assert.equal(woken, outcome === "ok" ? 1 : 0),
});

/** A spin that ends because somebody writes; and one that does not. */
export const spins = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [
    ({ w }) => {
      while (Atomics.load(w, 0) === 0);
    },
    ({ w }) => {
      Atomics.store(w, 0, 1);
    },
  ],
});
export const spinsForEver = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [
    ({ w }) => {
      while (Atomics.load(w, 0) < 2);
    },
    ({ w }) => {
      Atomics.store(w, 0, 1);
    },
  ],
});

let kept = 0;
export const keepsState = program<{ w: Words }>(import.meta.url, {
  title: "module state that survives a schedule",
  setup: () => ({ w: words(2) }),
  threads: [0, 1].map(() => ({ w }: { w: Words }) => {
    Atomics.add(w, kept++ % 2, 1);
    Atomics.load(w, 0);
  }),
});

let calls = 0;
/** The same, where only a thread that is not run shows it. */
export const keepsStateHidden = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(2) }),
  threads: [
    ({ w }) => {
      if (calls++ % 2 === 0) Atomics.store(w, 0, 1);
      else Atomics.load(w, 1);
    },
    ({ w }) => {
      Atomics.load(w, 0);
    },
  ],
});

/** Plain data: each thread has a copy of its own. */
export const copies = program<{ n: number }>(import.meta.url, {
  setup: () => ({ n: 0 }),
  threads: [(state) => state.n++, (state) => state.n++],
});

let turns = 0;
/** Differs by itself, in a value; and in what it returns only. */
export const differs = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [
    ({ w }) => {
      Atomics.load(w, 0);
      Atomics.store(w, 0, ++turns);
    },
  ],
});
export const returnsDiffer = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [({ w }) => Atomics.load(w, 0) + turns++],
});

/** Fails once the second thread stored between the two loads; its steps before and after do not matter. */
export const longWay = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(4) }),
  threads: [
    ({ w }) => {
      for (let i = 0; i < 4; i++) Atomics.add(w, 1, 1);
      const first = Atomics.load(w, 0);
      Atomics.add(w, 1, 1);
      if (Atomics.load(w, 0) !== first) throw new Error("changed between two loads");
    },
    ({ w }) => {
      for (let i = 0; i < 4; i++) Atomics.add(w, 2, 1);
      Atomics.store(w, 0, 1);
      Atomics.add(w, 2, 1);
    },
  ],
});

/** Polling with a time limit ends because somebody writes. */
export const polls = program<{ w: Words }>(import.meta.url, {
  title: "polling with a time limit",
  setup: () => ({ w: words(1) }),
  threads: [
    ({ w }) => {
      while (Atomics.load(w, 0) === 0) Atomics.wait(w, 0, 0, 10);
    },
    ({ w }) => {
      Atomics.store(w, 0, 1);
      Atomics.notify(w, 0);
    },
  ],
});

export const history = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [0, 1].map(
    () =>
      ({ w }: { w: Words }, { operation }: { operation<T>(name: string, argument: unknown, perform: () => T): T }) => {
        operation("add", 1, () => Atomics.add(w, 0, 1));
      },
  ),
  check: (_, { history: operations }) => {
    assert.deepEqual(
      operations.map(({ name, argument }) => [name, argument]),
      [
        ["add", 1],
        ["add", 1],
      ],
    );
    const [first, second] = operations;
    assert.ok(first!.called < second!.called && first!.returned !== null && second!.returned !== null);
    if (first!.returned < second!.called) assert.deepEqual([first!.result, second!.result], [0, 1]);
  },
});

/** Eight bits beside sixteen. */
export const sizes = program<{ bytes: Uint8Array; halves: Uint16Array }>(import.meta.url, {
  setup: () => {
    const buffer = new SharedArrayBuffer(4);
    return { bytes: new Uint8Array(buffer), halves: new Uint16Array(buffer) };
  },
  threads: [
    ({ bytes }) => {
      Atomics.store(bytes, 1, 1);
    },
    ({ halves }) => {
      Atomics.load(halves, 0);
    },
  ],
});

export const passing: Readonly<Record<string, unknown>> = {
  timeLimit,
  clock,
  deaths,
  asynchronous,
  asynchronousLimit,
  spins,
  polls,
  history,
};

/**
 * Goes wrong only where the notification comes first, then the wait, then the store; the loads make no difference, and
 * hide that order from a search that takes a wait which does not sleep to have nothing to do with notifications.
 */
export const notifiedTooEarly = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(3) }),
  threads: [
    ({ w }) => Atomics.wait(w, 0, 0),
    ({ w }) => {
      Atomics.load(w, 1);
      Atomics.store(w, 0, 1);
    },
    ({ w }) => {
      Atomics.load(w, 2);
      return Atomics.notify(w, 0);
    },
  ],
});
