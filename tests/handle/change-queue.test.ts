/** The one line of changes, with a learner that only counts: no training, no replicas. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChangeQueue } from "../../src/work/model/change-queue.ts";
import type { LearnResult } from "../../src/work/model/index.ts";
import type { NamedFiles } from "../../src/work/store/index.ts";

test("updates that keep coming do not hold back those that are there: bounded groups", async () => {
  let current: NamedFiles = { name: "0", files: new Map() };
  let learned = 0;
  const publications: number[] = [];
  const asked: Promise<LearnResult>[] = [];
  const ask = (): void => void asked.push(queue.learn([{ text: "my card", label: "cash" }], {}));
  const queue = new ChangeQueue({
    store: undefined,
    current: () => ({ ...current, executor: "native" }),
    publish: async (version, _learned, commit) => {
      await commit();
      publications.push(learned);
      current = version;
    },
    openLearner: () => ({
      learn: async () => {
        learned++;
        if (asked.length < 1000) ask(); // one more for each that is computed: without an end, were it not for this one
        const lineage = { count: learned } as never;
        return { name: `${learned}`, files: new Map(), lineage, lossBefore: 1, lossAfter: 0 };
      },
      close: async () => undefined,
    }),
  });
  ask();
  ask();
  for (let at = 0; at < asked.length; at++) await asked[at];
  const results = await Promise.all(asked);
  assert.equal(learned, results.length);
  let before = 0;
  for (const at of publications) {
    assert.ok(at - before <= 64, `${at - before} updates in one publication`);
    before = at;
  }
  assert.ok(publications[0]! <= 64);
  await queue.close();
});
