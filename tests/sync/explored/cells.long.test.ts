/**
 * Every program of channels, seqlock and epoch cells, counters, latches and barriers: without a bound where that ends within the limit, else up to 2
 * preemptions and 20,000 random schedules. What was covered is printed. LOCKSTEP_EXPLORE_SECONDS is the limit of one enumeration (20).
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { describeCoverage, explore, programsOf, requireExplored } from "../../../src/threads/explore/index.ts";
import * as channel from "./channel.programs.ts";
import * as counting from "./counting.programs.ts";
import * as epoch from "./epoch-cell.programs.ts";
import * as seqlock from "./seqlock.programs.ts";

const maxSeconds = Number(process.env.LOCKSTEP_EXPLORE_SECONDS ?? 20);

for (const [module, exported] of Object.entries({ channel, seqlock, epoch, counting })) {
  for (const [name, program] of programsOf(exported)) {
    test(`${module} ${name}`, async (t) => {
      const report = requireExplored(await explore(program, { maxSeconds, maxSchedules: 50_000_000 }));
      for (const stage of report.stages) t.diagnostic(describeCoverage(stage));
      assert.ok(report.stages.length > 0);
    });
  }
}
