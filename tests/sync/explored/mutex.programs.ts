/**
 * The mutex under exploration. `cells`: 0 how many are inside, 1 counts those who have been, 2 newcomers that have
 * overtaken the one who is next.
 */
import assert from "node:assert/strict";
import {
  AbortWord,
  Mutex,
  type AbortHandle,
  type AsyncWaitOptions,
  type MutexGuard,
  type MutexHandle,
} from "../../../src/threads/sync/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";
import { LockDomain } from "../../../src/threads/sync/lock-domain.ts";

interface State {
  readonly mutex: MutexHandle;
  readonly abort: AbortHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const GRANTED = 1 << 25;
const maxBarges = 1;

const setup = (): State => ({
  mutex: Mutex.create({ maxBarges }).handle,
  abort: AbortWord.create().handle,
  cells: new Int32Array(new SharedArrayBuffer(16)),
});

/** One at a time; and of those who come in while somebody has the seat, at most K before it is taken. */
function inside({ cells, mutex }: State): void {
  assert.equal(Atomics.add(cells, 0, 1), 0, "two are inside");
  cells[1] = cells[1]! + 1; // a plain access: the mutex alone orders it
  cells[2] = (Atomics.load(mutex.words, 0) & GRANTED) === 0 ? 0 : cells[2]! + 1;
  assert.ok(cells[2] <= maxBarges, "too many newcomers have overtaken the one who is next");
  Atomics.sub(cells, 0, 1);
}

const take =
  (times = 1): ThreadBody<State> =>
  (state) => {
    const mutex = Mutex.attach(state.mutex);
    for (let i = 0; i < times; i++) {
      using _guard = mutex.lock();
      inside(state);
    }
  };

/** Nobody has it, nobody is to have it, and it can be had: a seat that is granted to nobody would show. */
function free({ mutex }: State): void {
  const whole = Mutex.attach(mutex);
  assert.equal(whole.owner, null);
  for (let i = 0; i < 3; i++) {
    const guard = whole.broken ? whole.lockForRepair() : whole.tryLock();
    assert.ok(guard !== null, "it is granted to somebody who does not come");
    guard.release();
  }
  assert.equal(mutex.words[0], 0);
}

const excludes = (title: string, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, { title, setup, threads, check: free });

async function tries(state: State, options: AsyncWaitOptions, codes: readonly string[]): Promise<void> {
  try {
    using _guard = await Mutex.attach(state.mutex).lockAsync(options);
    inside(state);
  } catch (thrown) {
    assert.ok(codes.includes((thrown as { code?: string }).code ?? ""), String(thrown));
  }
}

export const exclusion = {
  two: excludes("two threads", [take(), take()]),
  twice: excludes("two threads, twice each", [take(2), take(2)]),
  three: excludes("three threads", [take(), take(), take()]),
  four: excludes("four threads", [take(), take(), take(), take()]),
  overtaking: excludes("two threads that come again, and one that waits", [take(3), take(2), take()]),
  tries: excludes("a try beside two who wait", [
    (state) => {
      using guard = Mutex.attach(state.mutex).tryLock();
      if (guard !== null) inside(state);
    },
    take(),
    take(),
  ]),
  asynchronous: excludes("two async tasks in one thread, another thread", [
    async (state) => {
      const mutex = Mutex.attach(state.mutex);
      await Promise.all([1, 2].map(() => mutex.withLock(() => inside(state))));
    },
    take(),
  ]),
};

export const givesUp = {
  limit: excludes("one runs out of time between two others", [
    take(),
    (state) => {
      try {
        using _guard = Mutex.attach(state.mutex).lock({ timeoutMs: 1 });
        inside(state);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, "TIMEOUT");
      }
    },
    take(),
  ]),
  aborted: excludes("one is aborted between two others", [
    take(),
    (state) => {
      try {
        using _guard = Mutex.attach(state.mutex).lock({ abort: AbortWord.attach(state.abort) });
        inside(state);
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, "CANCELLED");
      }
    },
    (state) => {
      AbortWord.attach(state.abort).bind(Mutex.attach(state.mutex)).abort();
      take()(state, { index: 2, threadId: 3, operation: (_name, _argument, perform) => perform() });
    },
  ]),
  cancelled: excludes("an async taker is cancelled between two others", [
    async (state) => {
      const controller = new AbortController();
      const waiting = tries(state, { signal: controller.signal }, ["CANCELLED"]);
      controller.abort();
      await waiting;
    },
    take(),
    take(),
  ]),
};

/** An owner who is nobody here, and what lets him go. */
const OTHER = 77;
function freed(mutex: MutexHandle): void {
  Atomics.store(mutex.words, 0, 0);
  Mutex.attach(mutex).wakeAll();
}

/** Waits of one thread in both forms do not get in each other's way. */
export const bothForms = {
  abortedItself: excludes("a thread that is inside waits again, and is aborted", [
    (state) => {
      const mutex = Mutex.attach(state.mutex);
      using _guard = mutex.lock();
      assert.throws(() => mutex.lock({ abort: AbortWord.attach(state.abort) }), { code: "CANCELLED" });
    },
    (state) => void AbortWord.attach(state.abort).bind(Mutex.attach(state.mutex)).abort(),
  ]),
  blockedAfterwards: excludes("a thread blocks after two asynchronous waits were granted, and one was given up", [
    async ({ mutex, cells }) => {
      const own = Mutex.attach(mutex);
      const { words } = mutex;
      for (let i = 0; i < 2; i++) {
        words[0] = OTHER + 1;
        const granted = own.lockAsync();
        freed(mutex);
        (await granted).release();
      }
      words[0] = OTHER + 1;
      const controller = new AbortController();
      const givenUp = own.lockAsync({ signal: controller.signal });
      controller.abort();
      await assert.rejects(givenUp, { code: "CANCELLED" });
      Atomics.store(cells, 3, 1);
      Atomics.notify(cells, 3);
      own.lock().release(); // not a wait for an asynchronous wait of its own: none is left
    },
    ({ mutex, cells }) => {
      Atomics.wait(cells, 3, 0);
      freed(mutex);
    },
  ]),
};

export const repairs = {
  blocking: excludes("one waits to repair while the owner poisons", [
    ({ mutex }) => Mutex.attach(mutex).lockForRepair().release(),
    ({ mutex }) => Mutex.attach(mutex).lock().poison(),
  ]),
  asynchronous: excludes("one waits to repair, without blocking, while the owner poisons", [
    async ({ mutex }) => (await Mutex.attach(mutex).lockForRepairAsync()).release(),
    ({ mutex }) => Mutex.attach(mutex).lock().poison(),
  ]),
};

/** What one thread alone can tell. */
export const rules = program<State>(import.meta.url, {
  title: "what is refused, and what is left of it, one thread",
  setup,
  threads: [
    async (_state, { threadId }) => {
      const made = (count: number): Mutex[] => Array.from({ length: count }, () => Mutex.create());
      // taken away: the thread holds it no more, so no order comes of it
      for (const letGo of ["release", "poison"] as const) {
        const [a, b] = made(2) as [Mutex, Mutex];
        const guard = a.lock();
        assert.equal(a.threadDied(threadId), true);
        assert.throws(() => guard[letGo](), { code: "CONFLICT" });
        b.lock().release();
        a.lockForRepair().release();
        using _b = b.lock();
        a.lock().release();
      }
      // what was given up before it began is no order either
      {
        const [a, b] = made(2) as [Mutex, Mutex];
        const abort = AbortWord.create();
        abort.abort("CANCELLED");
        const signal = AbortSignal.abort();
        {
          using _a = a.lock();
          assert.throws(() => b.lock({ abort }), { code: "CANCELLED" });
        }
        await assert.rejects(
          a.withLock(() => b.lockAsync({ signal })),
          { code: "CANCELLED" },
        );
        {
          using _b = b.lock();
          a.lock().release();
        }
      }
      // a wrong argument is refused though the lock could be had
      {
        const [a] = made(1) as [Mutex];
        a.lock().poison();
        assert.throws(() => a.lockForRepair({ timeoutMs: NaN }), { code: "OPTION_INVALID" });
        await assert.rejects(a.lockForRepairAsync({ timeoutMs: NaN }), { code: "OPTION_INVALID" });
        assert.equal(a.broken, true);
      }
      // its death is told to the domain, and everybody is woken
      {
        const [a] = made(1) as [Mutex];
        const domain = new LockDomain(a.handle.lock.domain);
        domain.publish(1, [], "here");
        a.threadDied(threadId);
        assert.deepEqual(domain.waiting(), []);
        const { words } = a.handle;
        const before = [...words];
        a.wakeAll();
        assert.ok(words[1] !== before[1] && words[2] !== before[2]);
      }
      // waits that this thread would never see the end of
      {
        const { handle } = Mutex.create();
        const a = Mutex.attach({ ...handle, lock: { ...handle.lock, id: 0 } }); // found no number: in no circle
        const guard = a.lock();
        assert.throws(() => a.lock(), { code: "DEADLOCK", message: /this thread is inside already/ });
        guard.release();
        handle.words[0] = OTHER + 1;
        const controller = new AbortController();
        const waiting = a.lockAsync({ signal: controller.signal });
        assert.throws(() => a.lock(), { code: "DEADLOCK", message: /an asynchronous wait of this thread comes first/ });
        assert.throws(() => a.lock({ timeoutMs: 5 }), { code: "TIMEOUT" });
        controller.abort();
        await assert.rejects(waiting, { code: "CANCELLED" });
      }
    },
  ],
});

/** A thread may die inside, so nothing is counted there; who finds the mutex broken repairs it. */
const mortal: ThreadBody<State> = ({ mutex, cells }) => {
  const own = Mutex.attach(mutex);
  let guard: MutexGuard;
  try {
    guard = own.lock();
  } catch (thrown) {
    assert.equal((thrown as { code?: string }).code, "OWNER_DIED");
    guard = own.lockForRepair();
  }
  const first = cells[2]!;
  if (guard.broken) cells[3] = first;
  assert.equal(cells[3], first, "torn, and not told so");
  cells[2] = first + 1;
  cells[3] = first + 1;
  guard.release();
};

const deaths = (title: string, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    supervise: ({ mutex }, { threadId }) => void Mutex.attach(mutex).threadDied(threadId),
    check: (state, { died }) => {
      assert.ok(state.cells[2]! >= threads.length - died.length, "somebody did not get in");
      free(state);
    },
  });

export const dies = {
  two: deaths("two threads, one may die", [mortal, mortal]),
  three: deaths("three threads, one may die", [mortal, mortal, mortal]),
  asynchronous: deaths("an async taker and two others, one may die", [
    async ({ mutex, cells }) => {
      const guard = await Mutex.attach(mutex).lockForRepairAsync();
      if (guard.broken) cells[3] = cells[2]!;
      cells[2] = cells[2]! + 1;
      cells[3] = cells[2];
      guard.release();
    },
    mortal,
    mortal,
  ]),
};

interface Circle {
  readonly mutexes: readonly MutexHandle[];
  readonly abort: AbortHandle;
}

/** Takes one, then another; who is told of a circle lets go. */
const crosswise =
  (first: number, second: number): ThreadBody<Circle> =>
  ({ mutexes }) => {
    const [one, other] = [Mutex.attach(mutexes[first]!), Mutex.attach(mutexes[second]!)];
    using _one = one.lock();
    try {
      using _other = other.lock();
      return "inside";
    } catch (thrown) {
      const { code, message } = thrown as { code?: string; message?: string };
      assert.match(message ?? "", /holds "\d".* and waits for "\d", at .*mutex\.programs\.ts/);
      return code;
    }
  };
const circle = (title: string, size: number, checkOrder: boolean, code: string) =>
  program<Circle>(import.meta.url, {
    title,
    setup: () => ({
      mutexes: Array.from({ length: size }, (_, name) => Mutex.create({ name: String(name), checkOrder }).handle),
      abort: AbortWord.create().handle,
    }),
    threads: Array.from({ length: size }, (_, thread) => crosswise(thread, (thread + 1) % size)),
    check: ({ mutexes }, { results }) => {
      for (const result of results) assert.ok(result === "inside" || result === code, String(result));
      for (const handle of mutexes) assert.equal(handle.words[0], 0);
    },
  });

export const circles = {
  two: circle("two mutexes, taken crosswise: one is told, nobody hangs", 2, false, "DEADLOCK"),
  three: circle("three mutexes, taken in a circle: one is told, nobody hangs", 3, false, "DEADLOCK"),
};
