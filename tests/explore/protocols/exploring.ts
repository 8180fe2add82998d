/** Short forms for tests of protocols: covered to the end without a fault; or found to be at fault. */
import assert from "node:assert/strict";
import {
  explore,
  formatReport,
  requireExplored,
  type ExploreOptions,
  type ExploreReport,
  type FailureKind,
  type Program,
} from "../../../src/threads/explore/index.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- programs of any state
type AnyProgram = Program<any>;

/** Schedules at random; LOCKSTEP_PROTOCOL_SCHEDULES says how many, for all programs, where that is asked. */
export function atRandom(schedules: number, seed?: number): ExploreOptions {
  return {
    strategy: "random",
    schedules: Number(process.env["LOCKSTEP_PROTOCOL_SCHEDULES"] ?? schedules),
    ...(seed === undefined ? {} : { seed }),
  };
}

/** All that the options ask for was run, and nothing is wrong. */
export async function holds(program: AnyProgram, options: ExploreOptions): Promise<ExploreReport> {
  const report = requireExplored(await explore(program, { maxSeconds: 300, maxSteps: 20_000, ...options }));
  for (const { coverage, ended } of report.stages)
    assert.ok(ended === "complete" || coverage.kind === "random", formatReport(report));
  return report;
}

/** This goes wrong, and is told so; `explore` has seen it again in fresh threads. */
export async function breaks(
  program: AnyProgram,
  kind: FailureKind,
  message: RegExp,
  options: ExploreOptions = {},
): Promise<void> {
  const { failure } = await explore(program, { maxSteps: 20_000, ...options });
  assert.equal(failure?.kind, kind, failure === null ? "nothing was found" : `${failure.message}\n${failure.trace}`);
  assert.match(failure.message, message);
}
