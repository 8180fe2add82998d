/**
 * A process that exits while its workers compute, in every class of schedules: what has begun is waited for, nothing
 * begins afterwards. @concurrent
 */
import { test } from "node:test";
import * as programs from "./busy.programs.ts";
import { breaks, holds } from "./exploring.ts";

test("no native run begins once the exit has seen none, and what has begun is waited for", async () => {
  await holds(programs.one, { strategy: "classes" });
  await holds(programs.two, { strategy: "classes" });
  await holds(programs.limited, { strategy: "classes" });
});

test("a worker that dies inside is not waited for, once its pool has taken its count back", async () => {
  await holds(programs.death, { strategy: "bounded", preemptions: 2 });
  await breaks(programs.deathUncleared, "deadlock", /busy\.runs\[0\]/, { strategy: "bounded", preemptions: 1 });
});

test("a worker has to say that it is inside before it looks whether it may be", async () => {
  await breaks(programs.looksFirst, "race", /native\[0\]/);
  await breaks(programs.neverLooks, "race", /native\[0\]/);
});
