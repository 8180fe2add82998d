/**
 * The collective under every schedule: sums have the tree's bits, a meeting is passed by all members or by none, a
 * failure or a death reaches all. @concurrent
 */
import { test } from "node:test";
import * as programs from "./collective.programs.ts";
import { breaks, holds } from "./exploring.ts";

test("two members: one reduction in every class of schedules, two in a row with a preemption anywhere", async () => {
  await holds(programs.twoDouble, { strategy: "classes" });
  await holds(programs.two, { strategy: "bounded", preemptions: 1 });
});

test("each of the three barriers is needed: without it there is a data race", async () => {
  await breaks(
    programs.twins.reduce,
    "race",
    /read of slots\[\d+\].*write of slots\[\d+\]|write of slots\[\d+\].*read of slots\[\d+\]/,
  );
  await breaks(programs.twins.second, "race", /slots\[\d+\]/);
  await breaks(programs.twins.third, "race", /slots\[\d+\]/);
});

test("a member may die anywhere, also while giving up for all; an abort alone would not wake who sleeps", async () => {
  await holds(programs.deathOfTwo, { strategy: "bounded", preemptions: 1 });
  await breaks(programs.deathAborted, "lost wake-up", /collective\.barrier/, { strategy: "bounded", preemptions: 1 });
});
