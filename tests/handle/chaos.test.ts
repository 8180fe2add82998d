/** Eight threads ask while versions are published, feedback is learnt and callers die; a longer run is in chaos.long.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chaos } from "./chaos.ts";

test("eight threads, publications, updates, deaths: every answer of one version, its bits, no pin and no update lost", async (t) => {
  const report = await chaos({ seed: 1, threads: 8, deaths: 12, deathsPerChange: 4 });
  t.diagnostic(JSON.stringify(report));
  assert.ok(report.answers > 0 && report.pinned > 0 && report.updates === 4);
});
