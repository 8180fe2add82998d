/**
 * Several runs (LOCKSTEP_RUNS, 2 if unset) of every seeded bug and its twin: no verdict changes, an enumeration reports
 * the same schedule each time, and that schedule shows the same again. And every strategy calls each bug the same.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explore, formatReport, type ExploreOptions, type ExploreReport } from "../../src/threads/explore/index.ts";
import { bugs } from "./bugs/table.ts";

const RUNS = Number(process.env["LOCKSTEP_RUNS"] ?? 2);

/** All that does not depend on how fast it went. */
const verdictOf = ({ failure, stages, longest }: ExploreReport): unknown => ({
  failure,
  longest,
  stages: stages.map(({ seconds: _seconds, ...rest }) => rest),
});

describe("each strategy by itself", { concurrency: 2 }, () => {
  const strategies: readonly ExploreOptions[] = [
    { strategy: "bounded", preemptions: 2 },
    { strategy: "random", schedules: 2_000 },
  ];
  for (const { name, kind, bug, twin, options } of bugs) {
    test(name, async () => {
      for (const strategy of strategies) {
        const found = await explore(bug, { ...options, ...strategy });
        assert.equal(found.failure?.kind, kind, formatReport(found));
        const passed = await explore(twin, { ...options, ...strategy });
        assert.equal(passed.failure, null, formatReport(passed));
      }
    });
  }
});

describe(`${RUNS} runs of everything`, { concurrency: 2 }, () => {
  for (const { name, kind, bug, twin, options } of bugs) {
    test(name, async () => {
      const first = await explore(bug, options);
      assert.equal(first.failure?.kind, kind, formatReport(first));
      const passed = await explore(twin, options);
      assert.equal(passed.failure, null, formatReport(passed));
      assert.ok(
        passed.stages.every(({ coverage, ended }) => ended === "complete" && coverage.kind !== "random"),
        formatReport(passed),
      );
      for (let run = 1; run < RUNS; run++) {
        assert.deepEqual(verdictOf(await explore(bug, options)), verdictOf(first));
        assert.deepEqual(verdictOf(await explore(twin, options)), verdictOf(passed));
      }
      const { schedule, trace, message } = first.failure;
      const { failure: again } = await explore(bug, { ...options, replay: schedule });
      assert.deepEqual(
        { kind: again?.kind, trace: again?.trace, message: again?.message, schedule: again?.schedule },
        { kind, trace, message, schedule },
      );
    });
  }
});
