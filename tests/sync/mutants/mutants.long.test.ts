/** A fixed sample of mutants is caught again by the program, or the unit test, that is stored for each. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { programFiles } from "../../../scripts/mutants/programs.ts";
import { pursue } from "../../../scripts/mutants/pursue.ts";
import { readCaught } from "../../../scripts/mutants/results.ts";
import { plant } from "../../../scripts/mutants/tree.ts";
import { hunt, unitFiles } from "../../../scripts/mutants/units.ts";

const EVERY = 40;
const root = join(import.meta.dirname, "../../..");

test("every fortieth mutant is caught by the program or the test that caught it before", async () => {
  const folder = mkdtempSync(join(tmpdir(), "lockstep-mutants-"));
  try {
    const mutants = plant(root, folder);
    const sample = [...readCaught(root)]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .filter((_, i) => i % EVERY === 0);
    const missed: string[] = [];
    const ownOf = (path: string) => sample.filter(([, by]) => path.endsWith(`/${by.split(" ")[0]!}`));
    const numbersOf = (own: readonly (readonly [string, string])[]): Set<number> =>
      new Set(own.map(([key]) => mutants.findIndex((mutant) => mutant.key === key)));
    for (const path of programFiles(root)) {
      const own = ownOf(path);
      if (own.length === 0) continue;
      const alive = numbersOf(own);
      await pursue(
        {
          path,
          programs: [...new Set(own.map(([, by]) => by.split(" ")[1]!))],
        },
        {
          folder,
          total: mutants.length,
          budget: { none: 100, one: 400, random: 400 },
          setups: true,
          alive,
          onCaught: () => {},
          onReached: () => {},
          onHung: (mutant, program) => missed.push(`${mutants[mutant]!.key} hangs in ${program}`),
          stopped: () => false,
        },
      );
      missed.push(...[...alive].map((mutant) => mutants[mutant]!.key));
    }
    for (const path of unitFiles(root)) {
      const alive = numbersOf(ownOf(path));
      await hunt(alive.size === 0 ? [] : [path], {
        folder,
        total: mutants.length,
        jobs: 1,
        alive,
        onCaught: () => {},
        onReached: () => {},
        stopped: () => false,
      });
      missed.push(...[...alive].map((mutant) => mutants[mutant]!.key));
    }
    assert.deepEqual(missed, []);
    assert.ok(sample.length > 20);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
