/**
 * How schedules end: limits that pass or not, deaths, asynchronous waits, spins, histories; and that what is not
 * deterministic is not trusted. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  explore,
  formatReport,
  requireExplored,
  type ExploreOptions,
  type Program,
} from "../../src/threads/explore/index.ts";
import { formatSchedule, parseSchedule } from "../../src/threads/explore/schedule-text.ts";
import * as ends from "./ends.programs.ts";
import { lostUpdate, noRecheck } from "./mutexes.programs.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- programs of any state
type AnyProgram = Program<any>;
const quick: ExploreOptions = { maxSteps: 300, schedules: 400 };

async function failing(
  program: AnyProgram,
  kind: string,
  message: RegExp,
  options: ExploreOptions = {},
): Promise<string> {
  const report = await explore(program, { ...quick, ...options });
  assert.equal(report.failure?.kind, kind, formatReport(report));
  assert.match(report.failure.message, message);
  assert.throws(() => requireExplored(report), { code: "CHECK_FAILED" });
  const again = await explore(program, { ...quick, replay: report.failure.schedule });
  assert.deepEqual(again.failure && [again.failure.kind, again.failure.message, again.failure.trace], [
    report.failure.kind,
    report.failure.message,
    report.failure.trace,
  ]);
  return report.failure.trace;
}

test(
  "time limits pass or do not, deaths come anywhere, asynchronous waits and spins end: everything that may " +
    "happen does",
  async () => {
    const counts: Record<string, number> = {};
    for (const [name, program] of Object.entries(ends.passing)) {
      const report = requireExplored(await explore(program as AnyProgram, quick));
      counts[name] = report.stages[0]!.schedules;
      assert.equal(report.stages[0]!.ended, "complete");
    }
    // The wait sleeps and is woken or times out; or it does not, before the notification or after it.
    assert.deepEqual([counts["timeLimit"], counts["clock"], counts["asynchronousLimit"]], [4, 1, 3]);
  },
);

test("what goes wrong is named, marked, and goes wrong again when replayed", async () => {
  assert.match(
    await failing(ends.deathsUnseen, "deadlock", /asleep are thread \d on w\[0\]/, { strategy: "bounded" }),
    /DIES here/,
  );
  assert.match(
    await failing(lostUpdate, "race", /plain (?:read|write) of words\[1\]/),
    /races with the step marked above/,
  );
  assert.match(
    await failing(noRecheck, "lost wake-up", /sleeps while words\[0\] is 0, but it is 1/),
    /wakes nobody.*\n[^]*mutexes\.programs\.ts:\d+/,
  );
  assert.match(await failing(ends.sizes, "race", /bytes\[0\.\.1\]/), /store bytes\[1\]/);
  assert.match(await failing(ends.spinsForEver, "livelock", /after 300 steps/), /the last step again, \d+ times/);
});

test("a wake-up that is lost in one order only is found by every enumeration", async () => {
  for (const options of [{ strategy: "classes" }, { strategy: "bounded", preemptions: Infinity }] as const)
    await failing(ends.notifiedTooEarly, "lost wake-up", /thread 0 sleeps while w\[0\] is 0, but it is 1/, options);
});

test("random schedules are functions of their seed, and say which one failed", async () => {
  const [one, two, other] = await Promise.all(
    [5, 5, 6].map((seed) => explore(noRecheck, { strategy: "random", schedules: 200, seed })),
  );
  assert.equal(one!.failure?.kind, "lost wake-up");
  assert.equal(typeof one!.failure.seed, "number");
  assert.equal(two!.failure?.schedule, one!.failure.schedule);
  assert.notEqual(other!.failure?.seed, one!.failure.seed);
});

test("module state that outlives a schedule is noticed", async () => {
  for (const program of [ends.keepsState, ends.keepsStateHidden]) {
    const report = await explore(program, quick);
    assert.equal(report.failure?.kind, "nondeterminism", formatReport(report));
  }
});

test("a program that differs by itself is called so, with the first step that does", async () => {
  const { failure } = await explore(ends.differs, quick);
  assert.equal(failure?.kind, "nondeterminism");
  assert.match(
    failure.message,
    /did not do the same at step 1 \(first "thread 0: store w\[0\]: 0 → 1", then "thread 0: store w\[0\]: 0 → 2"\)/,
  );
  const returns = (await explore(ends.returnsDiffer, quick)).failure;
  assert.match(returns?.message ?? "", /did not return the same/);
});

test("a program that shares nothing is told so", async () => {
  assert.match(formatReport(await explore(ends.copies, quick)), /no access to shared memory was seen.*copied/);
});

test("a failing schedule is shown with the fewest preemptions, then steps, that show it", async () => {
  const report = await explore(ends.longWay, { strategy: "random", schedules: 400, seed: 3 });
  assert.match(report.failure?.message ?? "", /changed between two loads/);
  assert.equal(report.failure!.schedule, "0*6,1*6,0");
  assert.ok(report.shrunkFrom !== null && report.shrunkFrom.steps > 12, JSON.stringify(report.shrunkFrom));
  assert.match(formatReport(report), /\(met in \d+ steps, with preemptions: \d+\)/);
});

test("a schedule that the program does not have is no answer about it", async () => {
  for (const [replay, message] of [
    ["0*2,5", /names thread 5, and "noRecheck" has the threads 0 to 1/],
    ["k2", /names thread 2/],
    ["1*30", /more steps than the program: 30, and "noRecheck" has none of thread 1 left after \d+/],
    ["1*2,0*2,1", /more steps than the program: 5, and "noRecheck" (?:ended|has none of thread \d left) after \d/],
  ] as const)
    await assert.rejects(explore(noRecheck, { replay }), { code: "OPTION_INVALID", message });
});

test("wrong options, programs that are not exported, cancelling", async () => {
  await assert.rejects(explore(ends.clock, { strategy: "fast" as never }), { code: "OPTION_INVALID" });
  await assert.rejects(explore({ ...ends.clock }), { code: "NOT_FOUND" });
  await assert.rejects(explore(ends.clock, { signal: AbortSignal.abort() }), { code: "CANCELLED" });
  await assert.rejects(explore(ends.clock, { replay: "0,x" }), { code: "OPTION_INVALID" });
  assert.deepEqual(parseSchedule(formatSchedule([0, 0, 16, 1, 1, 1])), [0, 0, 16, 1, 1, 1]);
});
