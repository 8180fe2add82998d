/**
 * The condition variable under exploration. `cells`: 0 is what is waited for, 1 counts; both under the mutex, plainly.
 */
import assert from "node:assert/strict";
import {
  Condition,
  ConditionGuard,
  isOwnerDied,
  Mutex,
  pause,
  type ConditionHandle,
  type MutexHandle,
} from "../../../src/threads/sync/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";

interface State {
  readonly mutex: MutexHandle;
  readonly condition: ConditionHandle;
  /** Of the same mutex. */
  readonly other: ConditionHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const setup = (): State => {
  const mutex = Mutex.create();
  return {
    mutex: mutex.handle,
    condition: Condition.create(mutex).handle,
    other: Condition.create(mutex).handle,
    cells: new Int32Array(new SharedArrayBuffer(16)),
  };
};

function attach({ mutex, condition, other }: State): readonly [Condition, Condition] {
  const attached = Mutex.attach(mutex);
  return [Condition.attach(condition, attached), Condition.attach(other, attached)];
}

/** Waits until there is one to take, and takes it. */
const consume: ThreadBody<State> = (state) => {
  const [condition] = attach(state);
  using guard = condition.lock();
  condition.waitFor(guard, () => state.cells[0]! > 0);
  state.cells[0] = state.cells[0]! - 1;
  state.cells[1] = state.cells[1]! + 1;
};

const produce =
  (count: number, outside = false): ThreadBody<State> =>
  (state) => {
    const [condition] = attach(state);
    for (let i = 0; i < count; i++) {
      using guard = condition.lock();
      state.cells[0] = state.cells[0]! + 1;
      if (outside) guard.release();
      condition.notifyOne();
    }
  };

const produceAll =
  (count: number): ThreadBody<State> =>
  (state) => {
    const [condition] = attach(state);
    using _guard = condition.lock();
    state.cells[0] = state.cells[0]! + count;
    condition.notifyAll();
  };

const consumed = (title: string, threads: readonly ThreadBody<State>[], count: number) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    check: ({ mutex, cells }) => {
      assert.equal(cells[0], 0);
      assert.equal(cells[1], count);
      assert.equal(Mutex.attach(mutex).owner, null);
    },
  });

/** A cell that is full or empty, with a condition for each. */
const exchange =
  (full: boolean): ThreadBody<State> =>
  (state) => {
    const [filled, emptied] = attach(state);
    for (let i = 0; i < 2; i++) {
      using guard = filled.lock();
      (full ? emptied : filled).waitFor(guard, () => (state.cells[0] === 0) === full);
      state.cells[0] = full ? 1 : 0;
      state.cells[1] = state.cells[1]! + (full ? 0 : 1);
      (full ? filled : emptied).notifyOne();
    }
  };

export const wakes = {
  one: consumed("one waits, one notifies", [consume, produce(1)], 1),
  outside: consumed("one waits, one notifies after it has left the mutex", [consume, produce(1, true)], 1),
  two: consumed("two wait, each notification lets one through", [consume, consume, produce(2)], 2),
  all: consumed("two wait, one notification for all", [consume, consume, produceAll(2)], 2),
  exchange: consumed(
    "two conditions of one mutex: a cell is filled and emptied twice",
    [exchange(true), exchange(false)],
    2,
  ),
  asynchronous: consumed(
    "one waits without blocking, one notifies",
    [
      async (state) => {
        const [condition] = attach(state);
        using guard = await condition.lockAsync();
        await condition.waitForAsync(guard, () => state.cells[0]! > 0);
        state.cells[0] = state.cells[0]! - 1;
        state.cells[1] = state.cells[1]! + 1;
      },
      produce(1),
    ],
    1,
  ),
};

export const givesUp = {
  limit: program<State>(import.meta.url, {
    title: "one of two waiters runs out of time; the other gets the one notification",
    setup,
    threads: [
      consume,
      (state) => {
        const [condition] = attach(state);
        using guard = condition.lock();
        try {
          condition.wait(guard, { timeoutMs: 1 });
        } catch (thrown) {
          assert.equal((thrown as { code?: string }).code, "TIMEOUT");
        }
        assert.equal(guard.broken, false); // it is inside, either way
        condition.notifyOne(); // whatever it was told, it had no use for it
      },
      produce(1),
    ],
    check: ({ cells }) => assert.deepEqual([...cells.subarray(0, 2)], [0, 1]),
  }),
  cancelled: program<State>(import.meta.url, {
    title: "an async waiter is cancelled; the notification that it may receive goes to the other",
    setup,
    threads: [
      consume,
      async (state) => {
        const [condition] = attach(state);
        using guard = await condition.lockAsync();
        const controller = new AbortController();
        const waiting = condition.waitForAsync(guard, () => false, { signal: controller.signal }).catch(() => {});
        controller.abort();
        await waiting;
        assert.equal(guard.broken, false);
      },
      produce(1),
    ],
    check: ({ cells }) => assert.deepEqual([...cells.subarray(0, 2)], [0, 1]),
  }),
};

/** Says whether it came back, or was told on its way in or back in that the mutex is broken. */
const waitsOnce: ThreadBody<State> = (state) => {
  const [condition] = attach(state);
  try {
    using guard = condition.lock();
    state.cells[0] = state.cells[0]! + 1;
    condition.wait(guard);
    return "inside";
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
};

export const broken = program<State>(import.meta.url, {
  title: "two wait, the mutex is poisoned, one is notified: it cannot come back, and passes it on",
  setup,
  threads: [
    waitsOnce,
    waitsOnce,
    (state) => {
      const [condition] = attach(state);
      condition.lock().poison();
      condition.notifyOne();
    },
  ],
  check: (_state, { results }) => assert.deepEqual(results.slice(0, 2), ["OWNER_DIED", "OWNER_DIED"]),
});

export const rules = program<object>(import.meta.url, {
  title: "what is refused, who is woken, and how long it takes, one thread",
  setup: () => ({}),
  threads: [
    async (_state, { threadId }) => {
      const mutex = Mutex.create();
      const condition = Condition.create(mutex);
      const refused = { code: "OPTION_INVALID" };
      assert.throws(() => Condition.attach(condition.handle, {} as never), refused);
      assert.throws(() => new ConditionGuard({} as never, mutex.tryLock()!), refused);
      mutex.threadDied(threadId);
      mutex.lockForRepair().release();

      // taken away: the guard holds nothing any more, and says so once
      for (const letGo of ["release", "poison"] as const) {
        const guard = condition.lock();
        mutex.threadDied(threadId);
        assert.throws(() => guard[letGo](), { code: "CONFLICT", message: /taken away/ });
        assert.throws(() => guard.broken, { code: "CONFLICT", message: /not held/ });
        guard[Symbol.dispose]();
        mutex.lockForRepair().release();
      }

      {
        using guard = condition.lock();
        assert.throws(() => condition.waitFor(guard, 5 as never), refused);
        await assert.rejects(condition.waitForAsync(guard, 5 as never), refused);
        // the limit is for the whole: what the predicate takes is part of it
        const before = performance.now();
        const slow = (): boolean => {
          pause(4);
          return false;
        };
        assert.throws(() => condition.waitFor(guard, slow, { timeoutMs: 10 }), { code: "TIMEOUT" });
        assert.equal(performance.now() - before, 14);
        let asked = 0;
        await condition.waitForAsync(guard, () => ++asked > 1, { timeoutMs: 5 }); // asked once more at the end
        // what an abort check of one's own throws is no limit of this wait
        const own = Object.assign(new Error("own"), { code: "TIMEOUT" });
        const abort = {
          throwIfAborted: (): never => {
            throw own;
          },
        };
        assert.throws(
          () => condition.waitFor(guard, () => false, { abort }),
          (thrown: unknown) => thrown === own,
        );
      }

      // one of two is woken
      const waits = async (): Promise<void> => {
        using guard = await condition.lockAsync();
        await condition.waitAsync(guard);
      };
      const both = [waits(), waits()];
      await Promise.resolve(); // both sleep
      await condition.lockAsync().then((guard) => guard.release());
      condition.notifyOne();
      assert.equal(Atomics.notify(condition.handle.words, 0), 1);
      await Promise.all(both);

      // and passes it on where it cannot come back
      const told = [waits(), waits()].map((wait) => assert.rejects(wait, { code: "OWNER_DIED" }));
      (await condition.lockAsync()).poison();
      condition.notifyOne();
      await Promise.all(told);
    },
  ],
});

/** Whoever is told that somebody died inside repairs, and goes on. */
const mortal =
  (work: ThreadBody<State>): ThreadBody<State> =>
  (state, context) => {
    for (;;) {
      try {
        return work(state, context);
      } catch (thrown) {
        if (!isOwnerDied(thrown)) throw thrown;
        using _guard = Mutex.attach(state.mutex).lockForRepair();
      }
    }
  };

export const dies = program<State>(import.meta.url, {
  title: "two wait, one notifies, one may die: the living get through",
  setup,
  threads: [mortal(consume), mortal(consume), mortal(produceAll(2))],
  supervise: (state, { thread, threadId }) => {
    const [condition] = attach(state);
    condition.mutex.threadDied(threadId);
    condition.threadDied(threadId);
    if (thread !== 2) return;
    using _guard = condition.mutex.lockForRepair(); // somebody else produces in its place
    state.cells[0] = 2;
    condition.notifyAll();
  },
  check: ({ mutex, cells }, { died }) => {
    assert.ok(cells[1]! >= 2 - died.length);
    assert.equal(Mutex.attach(mutex).owner, null);
  },
});
