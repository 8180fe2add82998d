/**
 * The semaphore under exploration. `cells`: 0 permits out at this moment, 1 counts those who have taken, 2.. says when
 * each thread took (0: never).
 */
import assert from "node:assert/strict";
import { Semaphore, type SemaphoreHandle } from "../../../src/threads/sync/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";

interface State {
  readonly semaphore: SemaphoreHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const setup = (permits: number) => (): State => ({
  semaphore: Semaphore.create(permits, { capacity: 3 }).handle,
  cells: new Int32Array(new SharedArrayBuffer(32)),
});

/** Inside with these permits: never more out than there are. */
function inside({ cells }: State, thread: number, permits: number, of: number): void {
  assert.ok(Atomics.add(cells, 0, permits) + permits <= of, "more permits are out than there are");
  Atomics.store(cells, 2 + thread, Atomics.add(cells, 1, 1) + 1);
  Atomics.sub(cells, 0, permits);
}

const take =
  (permits: number, times = 1): ThreadBody<State> =>
  (state, { index }) => {
    const semaphore = Semaphore.attach(state.semaphore);
    for (let i = 0; i < times; i++) {
      using _guard = semaphore.acquire(permits);
      inside(state, index, permits, semaphore.permits);
    }
  };

/** All permits are back, and nobody is in the line. */
function free({ semaphore }: State): void {
  const whole = Semaphore.attach(semaphore);
  assert.equal(whole.available, whole.permits);
  const guard = whole.tryAcquire(whole.permits);
  assert.ok(guard !== null, "the turn is still somebody's, or it thinks that somebody waits");
  guard.release();
}

const conserves = (title: string, permits: number, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, { title, setup: setup(permits), threads, check: free });

export const limits = {
  two: conserves("one permit, two threads", 1, [take(1), take(1)]),
  twice: conserves("one permit, two threads, twice each", 1, [take(1, 2), take(1, 2)]),
  three: conserves("one permit, three threads", 1, [take(1), take(1), take(1)]),
  amounts: conserves("two permits, of which one thread wants both", 2, [take(1), take(2), take(1)]),
  tries: conserves("a try beside two who wait", 1, [
    (state, { index }) => {
      using guard = Semaphore.attach(state.semaphore).tryAcquire();
      if (guard !== null) inside(state, index, 1, 1);
    },
    take(1),
    take(1),
  ]),
  asynchronous: conserves("two async tasks in one thread, another thread", 1, [
    async (state, { index }) => {
      const semaphore = Semaphore.attach(state.semaphore);
      await Promise.all([1, 2].map(() => semaphore.withPermits(1, () => inside(state, index, 1, 1))));
    },
    take(1),
  ]),
};

export const givesUp = {
  limit: conserves("the one whose turn it is runs out of time", 2, [
    take(1),
    (state, { index }) => {
      try {
        using _guard = Semaphore.attach(state.semaphore).acquire(2, { timeoutMs: 1 });
        inside(state, index, 2, 2);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, "TIMEOUT");
      }
    },
    take(1),
  ]),
  cancelled: conserves("an async taker is cancelled between two others", 1, [
    async ({ semaphore }) => {
      const controller = new AbortController();
      const waiting = Semaphore.attach(semaphore)
        .acquireAsync(1, { signal: controller.signal })
        .then(
          (guard) => guard.release(),
          () => {},
        );
      controller.abort();
      await waiting;
    },
    take(1),
    take(1),
  ]),
};

/** Does not count what is out: a thread may die between. */
const mortal =
  (permits: number): ThreadBody<State> =>
  ({ semaphore, cells }) => {
    using _guard = Semaphore.attach(semaphore).acquire(permits);
    Atomics.add(cells, 1, 1);
  };

const deaths = (title: string, permits: number, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, {
    title,
    setup: setup(permits),
    threads,
    supervise: ({ semaphore }, { threadId }) => void Semaphore.attach(semaphore).threadDied(threadId),
    check: (state, { died }) => {
      assert.ok(state.cells[1]! >= threads.length - died.length, "somebody did not get a permit");
      free(state);
    },
  });

export const dies = {
  two: deaths("one permit, two threads, one may die", 1, [mortal(1), mortal(1)]),
  three: deaths("one permit, three threads, one may die", 1, [mortal(1), mortal(1), mortal(1)]),
  amounts: deaths("two permits, one thread wants both, one may die", 2, [mortal(1), mortal(2), mortal(1)]),
};

const WAITERS = 1 << 10;
const QUEUED = 1;

/** Thread 2 looks before it calls: if thread 1 sleeps in the line then, thread 1 takes first. */
export const fairness = program<State>(import.meta.url, {
  title: "a taker that sleeps is overtaken by no later one",
  setup: setup(1),
  threads: [
    take(1),
    take(1),
    (state, context) => {
      const { words } = state.semaphore;
      const queued = [1, 2, 3].some((record) => Atomics.load(words, 16 * record) === (3 | (QUEUED << 23)));
      const sleeps = queued && (Atomics.load(words, 0) & WAITERS) !== 0;
      take(1)(state, context);
      return sleeps;
    },
  ],
  check: (state, { results }) => {
    if (results[2] === true) assert.ok(state.cells[3]! < state.cells[4]!, "thread 2 overtook thread 1");
    free(state);
  },
});
