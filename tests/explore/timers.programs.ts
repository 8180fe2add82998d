/** Timers however they are imported, and clocks however they are read. */
import assert from "node:assert/strict";
import { setTimeout as timeout } from "node:timers";
import { scheduler, setImmediate as turn, setInterval as intervals, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { program } from "../../src/threads/explore/index.ts";

type Words = Int32Array<SharedArrayBuffer>;
const setup = (): { w: Words } => ({ w: new Int32Array(new SharedArrayBuffer(4)) });

const waits: readonly (() => Promise<unknown>)[] = [
  () => sleep(20, "value"),
  () => scheduler.wait(20),
  () => promisify(setTimeout)(20),
  () => new Promise((resolve) => timeout(resolve, 20)),
  () =>
    new Promise((resolve) => {
      AbortSignal.timeout(20).addEventListener("abort", resolve);
    }),
];

/** Each passes its time on the thread's own clock, and another thread may come before it or after. */
export const sleeps = waits.map((wait) =>
  program(import.meta.url, {
    setup,
    threads: [
      async ({ w }) => {
        const before = [Date.now(), new Date().getTime(), performance.now(), Number(process.hrtime.bigint()) / 1e6];
        await wait();
        await turn();
        await scheduler.yield();
        const after = [Date.now(), new Date().getTime(), performance.now(), Number(process.hrtime.bigint()) / 1e6];
        return [Atomics.load(w, 0), ...after.map((time, clock) => time - before[clock]!)];
      },
      ({ w }) => {
        Atomics.store(w, 0, 1);
      },
    ],
    check: (_, { results: [seen] }) => {
      const [, ...passed] = seen as number[];
      assert.deepEqual(passed, [20, 20, 20, 20]);
    },
  }),
);

/** One that is given up never comes. */
export const aborted = program(import.meta.url, {
  setup,
  threads: [
    async () => {
      const controller = new AbortController();
      const slept = sleep(20, "slept", { signal: controller.signal }).catch((thrown: Error) => thrown.name);
      controller.abort();
      return await slept;
    },
  ],
  check: (_, { results }) => assert.deepEqual(results, ["AbortError"]),
});

export const endless = program(import.meta.url, {
  setup,
  threads: [
    async () => {
      for await (const _ of intervals(10)) return;
    },
  ],
});
