/**
 * The same for minutes: hundreds of callers terminated at random instants. LOCKSTEP_CHAOS_DEATHS sets how many (80 if
 * unset). @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { chaos } from "./chaos.ts";

const DEATHS = Number(process.env["LOCKSTEP_CHAOS_DEATHS"] ?? 80);

for (const seed of [1, 2])
  test(`eight threads and ${DEATHS / 2} deaths, seed ${seed}`, { timeout: 600_000 }, async (t) => {
    const report = await chaos({ seed, threads: 8, deaths: DEATHS / 2, deathsPerChange: 10 });
    t.diagnostic(JSON.stringify(report));
    assert.ok(report.answers > 1000 && report.pinned > 0 && report.versions >= 3 && report.updates > 0);
  });
