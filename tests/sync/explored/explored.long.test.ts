/**
 * Every program of every primitive, as far as LOCKSTEP_EXPLORE_SCHEDULES go (80): so many schedules in each
 * enumeration, so many at random. What was covered is printed. `npm run explored` goes further. @concurrent
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeCoverage, explore, requireExplored } from "../../../src/threads/explore/index.ts";
import { modules } from "./modules.ts";

const schedules = Number(process.env["LOCKSTEP_EXPLORE_SCHEDULES"] ?? 80);

describe("explored", { concurrency: 2 }, () => {
  for (const [module, programs] of Object.entries(modules)) {
    for (const [name, program] of programs) {
      test(`${module} ${name}`, async (t) => {
        const { stages } = requireExplored(
          await explore(program, { maxSeconds: 300, maxSchedules: schedules, preemptions: 1, schedules }),
        );
        for (const stage of stages) t.diagnostic(describeCoverage(stage));
        assert.ok(stages.length > 0);
      });
    }
  }
});
