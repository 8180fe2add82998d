/** Every loop of spins.programs.ts: gone through with all its tries, or named as cut. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, type Program } from "../../src/threads/explore/index.ts";
import { exact, fourLoads, manyLoads, parking, polling, unproven } from "./spins.programs.ts";

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- programs of any state
type AnyProgram = Program<any>;

test("each of the loops: what it does within the bound is gone through; what may be beyond is named", async () => {
  const cutBeyondEight = { n2: "complete", n4: "complete", n8: "complete", n12: "not complete" };
  const all = (programs: object, verdict: string): Record<string, string> =>
    Object.fromEntries(Object.keys(programs).map((name) => [name, verdict]));
  const groups: readonly (readonly [Readonly<Record<string, AnyProgram>>, object])[] = [
    [parking, cutBeyondEight],
    [polling, cutBeyondEight],
    [
      { fourLoads, manyLoads },
      { fourLoads: "complete", manyLoads: "not complete" },
    ],
    [exact, { ...all(exact, "complete"), plain: "failure" }],
    // States that run out after four rounds are gone through.
    [unproven, { ...all(unproven, "not complete"), states: "complete" }],
  ];
  for (const [programs, expected] of groups) {
    const verdicts: Record<string, string> = {};
    for (const [name, program] of Object.entries(programs)) {
      const { verdict, stages } = await explore(program, { strategy: "classes" });
      verdicts[name] = verdict;
      assert.equal(stages[0]!.cuts.length > 0, verdict === "not complete", name);
    }
    assert.deepEqual(verdicts, expected);
  }
});
