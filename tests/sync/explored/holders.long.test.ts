/**
 * Every program of read-write lock, semaphore, condition and once: without a bound where that ends within the limit, else up to 2 preemptions and
 * 20,000 random schedules. What was covered is printed. LOCKSTEP_EXPLORE_SECONDS is the limit of one enumeration (20).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCoverage, explore, programsOf, requireExplored } from "../../../src/threads/explore/index.ts";
import * as condition from "./condition.programs.ts";
import * as onceOnly from "./once.programs.ts";
import * as rwlock from "./rwlock.programs.ts";
import * as semaphore from "./semaphore.programs.ts";

const maxSeconds = Number(process.env.LOCKSTEP_EXPLORE_SECONDS ?? 20);

for (const [module, exported] of Object.entries({ rwlock, semaphore, condition, once: onceOnly })) {
  for (const [name, program] of programsOf(exported)) {
    test(`${module} ${name}`, async (t) => {
      // A condition's mutex can be made to look again for ever by an unfair scheduler, so its schedules do not end without a bound.
      for (const strategy of module === "condition" ? (["bounded", "random"] as const) : (["auto"] as const)) {
        const report = requireExplored(await explore(program, { strategy, maxSeconds, maxSchedules: 50_000_000 }));
        for (const stage of report.stages) t.diagnostic(describeCoverage(stage));
        assert.ok(report.stages.length > 0);
      }
    });
  }
}
