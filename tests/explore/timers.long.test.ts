/**
 * Timers of `node:timers` and `node:timers/promises` are the schedule's; what cannot be is refused by name.
 * @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, formatReport, requireExplored } from "../../src/threads/explore/index.ts";
import { aborted, endless, sleeps } from "./timers.programs.ts";

test("every timer passes when the schedule says so, and takes every clock along", async () => {
  for (const program of sleeps) {
    const report = requireExplored(await explore(program, { strategy: "classes" }));
    assert.equal(report.stages[0]!.ended, "complete", formatReport(report));
  }
  requireExplored(await explore(aborted, { strategy: "classes" }));
});

test("intervals that are waited for are refused", async () => {
  await assert.rejects(explore(endless), { code: "INPUT_INVALID", message: /setInterval of node:timers\/promises/ });
});
