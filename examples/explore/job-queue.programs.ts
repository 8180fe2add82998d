/** What the explorer runs: `lockstep explore job-queue.programs.ts`. */
import assert from "node:assert/strict";
import { program } from "lockstep/explore";
import { createJobQueue, depth, put, take, type JobQueue } from "./job-queue.ts";

interface State {
  readonly queue: JobQueue;
}

/** One thread puts two jobs in; two workers take a job each. */
export const handOver = program<State>(import.meta.url, {
  setup: () => ({ queue: createJobQueue() }),
  threads: [
    ({ queue }) => {
      put(queue, 7);
      put(queue, 8);
    },
    ({ queue }) => take(queue),
    ({ queue }) => take(queue),
  ],
  check: (_state, { results: [, first, second] }) => assert.deepEqual([first, second].sort(), [7, 8]),
});

/** The status line is drawn while a job is put in and taken out. */
export const status = program<State>(import.meta.url, {
  setup: () => ({ queue: createJobQueue() }),
  threads: [({ queue }) => put(queue, 7), ({ queue }) => take(queue), ({ queue }) => depth(queue)],
  check: (_state, { results: [, , jobs] }) => assert.ok(jobs === 0 || jobs === 1, `${String(jobs)} jobs wait`),
});
