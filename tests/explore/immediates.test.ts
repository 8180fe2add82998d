/**
 * A thread whose event loop has immediates to run is not idle: they run before anybody else is asked, and none outlives
 * its schedule.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, formatReport, requireExplored } from "../../src/threads/explore/index.ts";
import { immediates } from "./immediates.programs.ts";

test("immediates run in their order, and are no step of the schedule", async () => {
  const report = requireExplored(await explore(immediates, { strategy: "classes" }));
  assert.deepEqual(
    report.stages.map(({ ended }) => ended),
    ["complete"],
    formatReport(report),
  );
});
