/**
 * Several runs (LOCKSTEP_RUNS, 2 if unset) of every seeded bug, one less of its twin: no verdict changes, an
 * enumeration reports the same schedule each time, and that schedule shows the same again. And every strategy calls
 * each bug the same. @concurrent
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
  // A twin that random schedules would call wrong is called wrong by the first of them, or by few.
  const strategies: readonly { readonly forBug: ExploreOptions; readonly forTwin: ExploreOptions }[] = [
    { forBug: { strategy: "bounded", preemptions: 2 }, forTwin: { strategy: "bounded", preemptions: 1 } },
    { forBug: { strategy: "random", schedules: 2_000 }, forTwin: { strategy: "random", schedules: 200 } },
  ];
  for (const { name, kind, bug, twin, options } of bugs) {
    test(name, async () => {
      for (const { forBug, forTwin } of strategies) {
        const found = await explore(bug, { ...options, ...forBug });
        assert.equal(found.failure?.kind, kind, formatReport(found));
        const passed = await explore(twin, { ...options, ...forTwin });
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
        if (run > 1) assert.deepEqual(verdictOf(await explore(twin, options)), verdictOf(passed));
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
