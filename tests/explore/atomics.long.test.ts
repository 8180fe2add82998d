/**
 * Programs whose values are converted, under every interleaving: locks of all sizes, sleepers, counts, limits.
 * @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, formatReport, requireExplored, type Program } from "../../src/threads/explore/index.ts";
import * as programs from "./atomics.programs.ts";

test("values expected are converted as the element is: locks of every size hold, and nothing races", async () => {
  for (const program of Object.values(programs.locks)) {
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- programs of several states
    const report = requireExplored(await explore(program as Program<any>, { strategy: "classes" }));
    assert.equal(report.stages[0]!.ended, "complete", formatReport(report));
  }
});

test("sleeping on a converted value; counts of wake-ups; a limit of nothing; an index that is a string", async () => {
  requireExplored(await explore(programs.sleeps, { strategy: "classes" }));
  requireExplored(await explore(programs.counts, { strategy: "classes" }));
  requireExplored(await explore(programs.noLimit, { strategy: "classes" }));
  const report = await explore(programs.indexes, { strategy: "classes" });
  assert.equal(report.failure?.kind, "check", formatReport(report));
});
