/** The same with more members, more reductions, more preemptions, and schedules at random. @concurrent */
import { test } from "node:test";
import * as programs from "./collective.programs.ts";
import { atRandom, breaks, holds } from "./exploring.ts";

test("two members, two reductions, with up to two preemptions", async () => {
  await holds(programs.two, { strategy: "bounded", preemptions: 2 });
});

test("three members", async () => {
  await holds(programs.three, { strategy: "bounded", preemptions: 1 });
  await holds(programs.threeTwice, atRandom(500));
});

test("deaths with more preemptions, and among three members", async () => {
  await holds(programs.deathOfTwo, { strategy: "bounded", preemptions: 2 });
  await holds(programs.deathOfThree, { strategy: "bounded", preemptions: 0 });
  await holds(programs.deathOfThree, atRandom(800));
});

test("a member that fails, or somebody outside, gives up for all: no meeting is passed by some only", async () => {
  await holds(programs.failureOfTwo, { strategy: "classes" });
  await holds(programs.failureOfThree, { strategy: "bounded", preemptions: 1 });
  await holds(programs.givenUpTwo, { strategy: "classes" });
  await holds(programs.givenUpThree, { strategy: "classes" });
});

test("consultations: each answer is of what was laid out, and nobody waits for one who fails or dies", async () => {
  await holds(programs.consults.one, { strategy: "classes" });
  await holds(programs.consults.two, { strategy: "bounded", preemptions: 1 });
  await holds(programs.consults.twice, atRandom(150));
  await holds(programs.consults.fails, { strategy: "bounded", preemptions: 0 });
  await holds(programs.consults.dies, { strategy: "bounded", preemptions: 1 });
  await breaks(programs.twins.early, "race", /asked/);
  await breaks(programs.twins.late, "race", /answer/);
});
