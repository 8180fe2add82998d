/**
 * How a process exits while its workers compute: `stopAndWait` against `mark`. A native run is played by plain accesses
 * to memory that the exiting thread takes over afterwards, so a run under the exit is a data race.
 */
import assert from "node:assert/strict";
import { isLockstepError } from "../../../src/base/index.ts";
import { program } from "../../../src/threads/explore/index.ts";
import { BusyRuns, type BusyHandle } from "../../../src/threads/pool/index.ts";
import { AbortWord, Counter } from "../../../src/threads/sync/index.ts";

interface State {
  readonly busy: BusyHandle;
  readonly native: Int32Array<SharedArrayBuffer>;
}

const setup = (workers: number) => (): State => ({
  busy: BusyRuns.create(workers).handle,
  native: new Int32Array(new SharedArrayBuffer(4 * workers)),
});

type Mark = (busy: BusyHandle, worker: number, fn: () => Promise<void>) => Promise<void>;
const mark: Mark = (busy, worker, fn) => BusyRuns.attach(busy).mark(worker, fn);

/** Two runs, each with another inside. @returns how many were let in */
const working =
  (worker: number, marked: Mark, runs: number) =>
  async ({ busy, native }: State): Promise<number> => {
    const run = (): void => {
      native[worker] = native[worker]! + 1;
    };
    let done = 0;
    try {
      for (; done < runs; done++) {
        await marked(busy, worker, async () => {
          run();
          if (done === 0)
            await marked(busy, worker, async () => {
              run();
            }).catch(refused);
        });
      }
    } catch (thrown) {
      refused(thrown);
    }
    return done;
  };

function refused(thrown: unknown): void {
  if (!isLockstepError(thrown) || thrown.code !== "SHUTTING_DOWN") throw thrown;
}

/** The exit hook, and then the end of the process, under which nothing may run. */
const exiting =
  (limitMs: number) =>
  ({ busy, native }: State): number => {
    const left = BusyRuns.attach(busy).stopAndWait(limitMs);
    if (left === 0) native.fill(-1);
    return left;
  };

function exit(
  workers: number,
  {
    runs = 1,
    limitMs = Infinity,
    marked = mark,
  }: { readonly runs?: number; readonly limitMs?: number; readonly marked?: Mark } = {},
) {
  return program<State>(import.meta.url, {
    title: `the process exits while ${workers} worker${workers > 1 ? "s compute" : " computes"}`,
    setup: setup(workers),
    threads: [exiting(limitMs), ...Array.from({ length: workers }, (_, worker) => working(worker, marked, runs))],
    check: ({ busy, native }, { results: [left, ...done] }) => {
      if (limitMs === Infinity) assert.equal(left, 0);
      if (left === 0)
        assert.deepEqual(
          [...native],
          done.map(() => -1),
          "a native run began after the exit had seen none",
        );
      for (let worker = 0; worker < workers; worker++) assert.equal(BusyRuns.attach(busy).count(worker), 0);
    },
  });
}

export const one = exit(1, { runs: 2 });
export const two = exit(2);
/** The limit may pass while a run goes on: then the exit says how many are left, and takes nothing over. */
export const limited = exit(2, { limitMs: 100 });

/** A worker dies at any instruction; its pool takes its count back. */
export const death = program<State>(import.meta.url, {
  title: "the process exits while a worker computes, and the worker may die",
  setup: setup(1),
  threads: [exiting(Infinity), working(0, mark, 1)],
  supervise: ({ busy }, { thread }) => {
    if (thread === 1) BusyRuns.attach(busy).clear(0);
  },
  check: (_, { results: [left], died }) => {
    if (!died.includes(0)) assert.equal(left, 0);
  },
});
export const deathUncleared = program<State>(import.meta.url, { ...death, supervise: () => {} });

/** Looks first, and says afterwards that it is inside. */
export const looksFirst = exit(1, {
  marked: async (busy, worker, fn) => {
    if (AbortWord.attach(busy.stop).reason !== null) return;
    const runs = Counter.attach(busy.runs[worker]!);
    runs.add(1);
    await fn();
    runs.add(-1);
  },
});

/** Never looks. */
export const neverLooks = exit(1, {
  marked: async (busy, worker, fn) => {
    const runs = Counter.attach(busy.runs[worker]!);
    runs.add(1);
    await fn();
    runs.add(-1);
  },
});
