/** The same on hundreds; LOCKSTEP_PROGRAMS=2000 goes further. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, compareDeaths } from "./compared.ts";

const programs = Number(process.env["LOCKSTEP_PROGRAMS"] ?? 300);

test(`${programs} little programs: both searches and the oracle, no difference`, async (t) => {
  const counts = await compare(40, 40 + programs, 500);
  t.diagnostic(JSON.stringify(counts));
  assert.equal(counts.programs, programs);
  assert.ok(counts.classes >= 0.8 * programs && counts.bounded >= 0.4 * programs, JSON.stringify(counts));
});

test("deaths: both searches, no difference", async (t) => {
  const compared = await compareDeaths(0, Math.ceil(programs / 8), 1500);
  t.diagnostic(`${compared} compared`);
  assert.ok(compared >= programs / 32, String(compared));
});
