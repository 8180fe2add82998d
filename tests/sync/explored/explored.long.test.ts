/**
 * Every program of every primitive, as far as a second or so goes: LOCKSTEP_EXPLORE_SECONDS is the limit of one
 * enumeration (0.3), LOCKSTEP_EXPLORE_SCHEDULES the number of random schedules (250). What was covered is printed. `npm
 * run explored` goes further.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { describeCoverage, explore, requireExplored } from "../../../src/threads/explore/index.ts";
import { modules } from "./modules.ts";

const maxSeconds = Number(process.env["LOCKSTEP_EXPLORE_SECONDS"] ?? 0.3);
const schedules = Number(process.env["LOCKSTEP_EXPLORE_SCHEDULES"] ?? 250);

describe("explored", { concurrency: 2 }, () => {
  for (const [module, programs] of Object.entries(modules)) {
    for (const [name, program] of programs) {
      test(`${module} ${name}`, async (t) => {
        const { stages } = requireExplored(
          await explore(program, { maxSeconds, maxSchedules: 50_000_000, preemptions: 1, schedules }),
        );
        for (const stage of stages) t.diagnostic(describeCoverage(stage));
        assert.ok(stages.length > 0);
      });
    }
  }
});
