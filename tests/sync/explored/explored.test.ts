/**
 * A few programs without a bound, and larger ones at random. All of them: explored.long.test.ts, and `npm run explored`
 * with its table in docs/explored.md.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explore, requireExplored } from "../../../src/threads/explore/index.ts";
import { modules } from "./modules.ts";

// Most of the time goes into starting threads, which leaves a processor free.
describe("explored", { concurrency: 2 }, () => {
  for (const [module, name] of [
    ["mutex", "exclusion.two"],
    ["once", "does.two"],
    ["seqlock", "reading.twoOne"],
    ["counting", "counter.sums"],
    ["eventCount", "eventCounts.producers"],
  ] as const) {
    test(`${module} ${name}: every class of equivalent schedules`, async () => {
      const { stages } = requireExplored(
        await explore(modules[module]!.get(name)!, { strategy: "classes", maxSeconds: 300 }),
      );
      assert.ok(stages.every(({ ended }) => ended === "complete"));
    });
  }
  for (const [module, name] of [
    ["condition", "wakes.one"],
    ["mutex", "dies.three"],
  ] as const) {
    test(`${module} ${name}: a hundred random schedules`, async () => {
      requireExplored(await explore(modules[module]!.get(name)!, { strategy: "random", schedules: 100 }));
    });
  }
});
