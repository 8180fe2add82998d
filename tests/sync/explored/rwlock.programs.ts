/**
 * The read-write lock under exploration. `cells`: 0 and 1 are written together by writers and read together by readers,
 * plainly, so a missing exclusion is a difference or a data race; 2 counts those who have gone in, 4.. says when each
 * thread went in (0: never).
 */
import assert from "node:assert/strict";
import { isOwnerDied, RwLock, type RwLockHandle } from "../../../src/threads/sync/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";

interface State {
  readonly lock: RwLockHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const setup = (): State => ({
  lock: RwLock.create({ capacity: 3 }).handle,
  cells: new Int32Array(new SharedArrayBuffer(32)),
});

function goIn(cells: Int32Array, thread: number): void {
  Atomics.store(cells, 4 + thread, Atomics.add(cells, 2, 1) + 1);
}

function change(cells: Int32Array): void {
  cells[0] = cells[0]! + 1;
  cells[1] = cells[1]! + 1;
}

function look(cells: Int32Array): void {
  assert.equal(cells[0], cells[1]);
}

const write =
  (times = 1): ThreadBody<State> =>
  ({ lock, cells }) => {
    const rw = RwLock.attach(lock);
    for (let i = 0; i < times; i++) {
      using _guard = rw.write();
      change(cells);
    }
  };

const read =
  (times = 1): ThreadBody<State> =>
  ({ lock, cells }) => {
    const rw = RwLock.attach(lock);
    for (let i = 0; i < times; i++) {
      using _guard = rw.read();
      look(cells);
    }
  };

const writeThenRead: ThreadBody<State> = (state, context) => {
  write()(state, context);
  read()(state, context);
};

/** Nobody is in it any more, and it can be taken. */
function free({ lock, cells }: State): void {
  const rw = RwLock.attach(lock);
  const guard = rw.tryWrite();
  assert.ok(guard !== null, "somebody still has the lock, or it thinks that somebody waits");
  look(cells);
  guard.release();
}

const exclusion = (title: string, threads: readonly ThreadBody<State>[], writes: number) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    check: (state) => {
      assert.equal(state.cells[0], writes, "a lost update");
      free(state);
    },
  });

export const excludes = {
  writerReader: exclusion("a writer and a reader", [write(), read()], 1),
  writers: exclusion("two writers", [write(), write()], 2),
  twice: exclusion("two threads, each writes and then reads", [writeThenRead, writeThenRead], 2),
  writersTwice: exclusion("two writers, twice each", [write(2), write(2)], 4),
  writersReader: exclusion("two writers and a reader", [write(), write(), read()], 2),
  writerReaders: exclusion("a writer and two readers", [write(), read(), read()], 1),
  writersThree: exclusion("three writers", [write(), write(), write()], 3),
  downgrade: exclusion(
    "a writer that becomes a reader, a writer, a reader",
    [
      ({ lock, cells }) => {
        const writer = RwLock.attach(lock).write();
        change(cells);
        using _reader = writer.downgrade();
        look(cells);
      },
      write(),
      read(),
    ],
    2,
  ),
  tries: program<State>(import.meta.url, {
    title: "tries beside a writer and a reader",
    setup,
    threads: [
      ({ lock, cells }) => {
        const rw = RwLock.attach(lock);
        const writer = rw.tryWrite();
        if (writer !== null) change(cells);
        writer?.release();
        using reader = rw.tryRead();
        if (reader !== null) look(cells);
        return writer !== null;
      },
      write(),
      read(),
    ],
    check: (state, { results }) => {
      assert.equal(state.cells[0], results[0] === true ? 2 : 1);
      free(state);
    },
  }),
  asynchronous: exclusion(
    "two async tasks in one thread, a writer in another",
    [
      async ({ lock, cells }) => {
        const rw = RwLock.attach(lock);
        await Promise.all([rw.withWrite(() => change(cells)), rw.withRead(() => look(cells))]);
      },
      write(),
    ],
    2,
  ),
};

/** One that may run out of time at any moment, between two that may not. */
const impatient =
  (mode: "read" | "write"): ThreadBody<State> =>
  ({ lock, cells }) => {
    const rw = RwLock.attach(lock);
    try {
      using _guard = mode === "write" ? rw.write({ timeoutMs: 1 }) : rw.read({ timeoutMs: 1 });
      if (mode === "write") change(cells);
      else look(cells);
      return true;
    } catch (thrown) {
      assert.equal((thrown as { code?: string }).code, "TIMEOUT");
      return false;
    }
  };

const limited = (title: string, threads: readonly ThreadBody<State>[], writes: number, index: number) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    check: (state, { results }) => {
      assert.equal(state.cells[0], writes + (index >= 0 && results[index] === true ? 1 : 0));
      free(state);
    },
  });

export const givesUp = {
  writer: limited(
    "a writer runs out of time between a reader and a writer",
    [read(), impatient("write"), write()],
    1,
    1,
  ),
  writerBeforeReader: limited(
    "a writer runs out of time between two readers",
    [read(), impatient("write"), read()],
    0,
    1,
  ),
  reader: limited("a reader runs out of time between two writers", [write(), impatient("read"), write()], 2, -1),
  cancelled: program<State>(import.meta.url, {
    title: "an async writer is cancelled while another thread writes, a reader behind it",
    setup,
    threads: [
      async ({ lock }) => {
        const controller = new AbortController();
        const waiting = RwLock.attach(lock)
          .writeAsync({ signal: controller.signal })
          .then(
            (guard) => guard.release(),
            () => {},
          );
        controller.abort();
        await waiting;
      },
      write(),
      read(),
    ],
    check: free,
  }),
};

function codeOf(perform: () => unknown): unknown {
  try {
    return perform() === undefined ? "nothing" : "something";
  } catch (thrown) {
    return (thrown as { code?: string }).code;
  }
}

const mortal =
  (work: (state: State, thread: number) => void): ThreadBody<State> =>
  (state, { index }) => {
    try {
      work(state, index);
      return "through";
    } catch (thrown) {
      if (isOwnerDied(thrown)) return "told";
      throw thrown;
    }
  };

/** In cell 4 + thread: 1 while it is inside as a writer. */
const mortalWriter = mortal(({ lock, cells }, thread) => {
  using _guard = RwLock.attach(lock).write();
  Atomics.store(cells, 4 + thread, 1);
  change(cells);
  Atomics.store(cells, 4 + thread, 0);
});

const mortalReader = mortal(({ lock, cells }) => {
  using _guard = RwLock.attach(lock).read();
  look(cells);
});

const deaths = (title: string, threads: readonly ThreadBody<State>[], writers: readonly number[]) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    supervise: ({ lock }, { threadId }) => void RwLock.attach(lock).threadDied(threadId),
    check: ({ lock, cells }, { died, results }) => {
      const rw = RwLock.attach(lock);
      const writerDied = died.some((thread) => writers.includes(thread));
      const diedInside = died.some((thread) => cells[4 + thread] === 1);
      if (diedInside) assert.equal(rw.broken, true, "a writer died inside, and nobody is told");
      if (!writerDied) assert.equal(rw.broken, false, "no writer died, and it is broken");
      if (!rw.broken) assert.ok(!results.includes("told"), "somebody was told of a death that left nothing broken");
      const guard = rw.broken ? rw.writeForRepair({ timeoutMs: 0 }) : rw.tryWrite();
      assert.ok(guard !== null, "the lock is held by nobody, and cannot be taken");
      if (!guard.broken) look(cells);
      guard.release();
    },
  });

export const dies = {
  writerReader: deaths("a writer and a reader, one may die", [mortalWriter, mortalReader], [0]),
  writers: deaths("two writers, one may die", [mortalWriter, mortalWriter], [0, 1]),
  writersReader: deaths("two writers and a reader, one may die", [mortalWriter, mortalWriter, mortalReader], [0, 1]),
  writerReaders: deaths("a writer and two readers, one may die", [mortalWriter, mortalReader, mortalReader], [0]),
};

/** A record of nobody, who is just looking, holds up the repair. */
export const repairGivenUp = program<State>(import.meta.url, {
  title: "a repair runs out of time, and a reader waits for it: it is told that the lock is broken",
  setup: () => {
    const state = setup();
    RwLock.attach(state.lock).write().poison();
    state.lock.words[3] = 3;
    state.lock.words[16 * 3] = (2 << 23) | 99;
    return state;
  },
  threads: [
    ({ lock }) => codeOf(() => RwLock.attach(lock).writeForRepair({ timeoutMs: 1 })),
    ({ lock }) => codeOf(() => RwLock.attach(lock).read()),
  ],
  check: ({ lock }, { results }) => {
    assert.deepEqual(results, ["TIMEOUT", "OWNER_DIED"]);
    assert.equal(RwLock.attach(lock).broken, true);
  },
});

const OWNER = 0x3ff;
const WAITERS = 1 << 10;
const READERS_WAIT = 1 << 11;
const QUEUED = 1;
const WAITING = 3;

/** Looks into the words: the record of a thread, if it has one. */
function recordOf({ words }: RwLockHandle, thread: number): { readonly slot: number; readonly state: number } | null {
  for (let slot = 0; slot < 3; slot++) {
    const record = Atomics.load(words, 16 * (slot + 1));
    if ((record & 0x7f_ffff) === thread + 2) return { slot, state: record >>> 23 };
  }
  return null;
}

const orderedWrite =
  (before?: (state: State) => boolean): ThreadBody<State> =>
  (state, { index }) => {
    const bound = before?.(state) ?? false;
    using _guard = RwLock.attach(state.lock).write();
    goIn(state.cells, index);
    return bound;
  };

const orderedRead =
  (before?: (state: State) => boolean): ThreadBody<State> =>
  (state, { index }) => {
    const bound = before?.(state) ?? false;
    using _guard = RwLock.attach(state.lock).read();
    goIn(state.cells, index);
    return bound;
  };

/** Thread 2 looks before it calls; if thread 1 is in the state of `before` then, thread 1 goes in first. */
const fair = (title: string, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    check: (state, { results }) => {
      if (results[2] === true)
        assert.ok(state.cells[5]! < state.cells[6]!, `thread 2 overtook: ${state.cells[5]}, ${state.cells[6]}`);
      free(state);
    },
  });

export const fairness = {
  writers: fair("a writer that sleeps is overtaken by no later writer", [
    orderedWrite(),
    orderedWrite(),
    orderedWrite(({ lock }) => recordOf(lock, 1)?.state === QUEUED && (Atomics.load(lock.words, 0) & WAITERS) !== 0),
  ]),
  writerBeforeReaders: fair("a writer that has the turn is overtaken by no later reader", [
    orderedRead(),
    orderedWrite(),
    orderedRead(({ lock }) => {
      const record = recordOf(lock, 1);
      return record !== null && (Atomics.load(lock.words, 0) & OWNER) === record.slot + 1;
    }),
  ]),
  readerBeforeWriters: fair("a reader that sleeps waits for one writer, and no later one", [
    orderedWrite(),
    orderedRead(),
    orderedWrite(
      ({ lock }) => recordOf(lock, 1)?.state === WAITING && (Atomics.load(lock.words, 0) & READERS_WAIT) !== 0,
    ),
  ]),
};
