/**
 * Once under exploration. `cells`: 0 counts finished runs, 1 is what a run makes, plainly, 2 counts runs that were told
 * of a death.
 */
import assert from "node:assert/strict";
import { isOwnerDied, Once, type OnceHandle } from "../../../src/threads/sync/index.ts";
import { program, type ThreadBody } from "../../../src/threads/explore/index.ts";

interface State {
  readonly once: OnceHandle;
  readonly cells: Int32Array<SharedArrayBuffer>;
}

const setup = (): State => ({ once: Once.create().handle, cells: new Int32Array(new SharedArrayBuffer(16)) });

function make(cells: Int32Array): void {
  cells[1] = 7;
  cells[0] = cells[0]! + 1;
}

const run: ThreadBody<State> = ({ once, cells }) => {
  const ran = Once.attach(once).run(() => make(cells));
  assert.equal(cells[1], 7, "returned before it was made");
  return ran;
};

const runAsync: ThreadBody<State> = async ({ once, cells }) => {
  const attached = Once.attach(once);
  const ran = await Promise.all([1, 2].map(() => attached.runAsync(async () => make(cells))));
  assert.equal(cells[1], 7);
  return ran.some(Boolean);
};

const exactlyOne = (title: string, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    check: ({ once, cells }, { results }) => {
      assert.equal(cells[0], 1);
      assert.equal(results.filter((ran) => ran === true).length, 1);
      assert.equal(Once.attach(once).done, true);
    },
  });

/** The first try of this thread throws, if it is this thread that runs it. */
const failFirst: ThreadBody<State> = ({ once, cells }) => {
  try {
    return Once.attach(once).run(() => {
      throw new Error("the first try fails");
    });
  } catch (thrown) {
    assert.equal((thrown as Error).message, "the first try fails");
    return Once.attach(once).run(() => make(cells));
  }
};

export const does = {
  two: exactlyOne("two threads", [run, run]),
  three: exactlyOne("three threads", [run, run, run]),
  asynchronous: exactlyOne("two async tasks in one thread, and two threads", [runAsync, run, run]),
  throws: exactlyOne("a run that throws, beside two others", [failFirst, run, run]),
  limited: exactlyOne("one that may run out of time waiting", [
    run,
    ({ once, cells }) => {
      try {
        return Once.attach(once).run(() => make(cells), { timeoutMs: 1 });
      } catch (thrown) {
        assert.equal((thrown as { code?: string }).code, "TIMEOUT");
        return false;
      }
    },
    run,
  ]),
};

/** `cells[3]`: 1 while a run is inside. */
const mortal =
  (onOwnerDied: "throw" | "retry"): ThreadBody<State> =>
  ({ once, cells }) => {
    try {
      Once.attach(once).run(
        (told) => {
          if (told.ownerDied) Atomics.add(cells, 2, 1);
          Atomics.store(cells, 3, 1);
          Atomics.add(cells, 0, 1);
          Atomics.store(cells, 3, 0);
        },
        { onOwnerDied },
      );
      return "done";
    } catch (thrown) {
      assert.equal(isOwnerDied(thrown), true);
      return "told";
    }
  };

const deaths = (title: string, threads: readonly ThreadBody<State>[]) =>
  program<State>(import.meta.url, {
    title,
    setup,
    threads,
    supervise: ({ once }, { threadId }) => void Once.attach(once).threadDied(threadId),
    check: ({ once, cells }, { died, results }) => {
      const attached = Once.attach(once);
      if (died.length === 0) assert.deepEqual([cells[0], cells[2]], [1, 0]);
      if (cells[3] === 1) assert.equal(attached.done, false, "its runner died inside, and it counts as done");
      if (results.includes("done")) assert.equal(attached.done, true);
      attached.run(() => {}, { onOwnerDied: "retry", timeoutMs: 0 });
      assert.equal(attached.done, true);
    },
  });

export const dies = {
  throws: deaths("two threads, one may die; the other is told", [mortal("throw"), mortal("throw")]),
  retries: deaths("three threads, one may die; another does it again", [
    mortal("retry"),
    mortal("retry"),
    mortal("throw"),
  ]),
};
