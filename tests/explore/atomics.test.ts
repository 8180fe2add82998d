/** The explored `Atomics` is the platform's: the same conversions, in the same order, with the same results. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, formatReport, requireExplored } from "../../src/threads/explore/index.ts";
import * as programs from "./atomics.programs.ts";

test("alone, every function does what the platform's does with whatever it is given", async () => {
  requireExplored(await explore(programs.likeThePlatform, { strategy: "bounded", preemptions: 0, maxSteps: 20_000 }));
});

test("a value expected is converted as the element is: a lock holds, and nothing races", async () => {
  requireExplored(await explore(programs.locks.signed32, { strategy: "classes" }));
});

test("a trace shows whole values: 64 bits, and unsigned ones", async () => {
  const report = await explore(programs.wide, { strategy: "bounded", preemptions: 0 });
  assert.equal(report.failure?.kind, "lost wake-up", formatReport(report));
  assert.match(report.failure.message, /while big\[0\] is 1099511627777, but it is 3298534883329/);
  assert.match(report.failure.trace, /store big\[0\]: 0 → 1099511627777/);
  assert.match(report.failure.trace, /store small\[0\]: 0 → 4294967294/);
  assert.match(report.failure.trace, /compareExchange big\[0\]: is 1099511627777, not -1: fails/);
  assert.match(report.failure.trace, /wait big\[0\] while 1099511627777: sleeps/);
  assert.match(report.failure.trace, /read-modify-write big\[0\]: 1099511627777 → 3298534883329/);
});
