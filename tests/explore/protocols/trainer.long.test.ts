/** The same, every schedule with a preemption anywhere, and more at random. @concurrent */
import { test } from "node:test";
import { atRandom, holds } from "./exploring.ts";
import * as programs from "./trainer.programs.ts";

test("one step, with a preemption at every access to shared memory", async () => {
  await holds(programs.once, { strategy: "bounded", preemptions: 1 });
  await holds(programs.failure, { strategy: "bounded", preemptions: 1 });
});

test("two steps, more shards, more workers, at random", async () => {
  await holds(programs.twice, atRandom(150, 2));
  await holds(programs.four, atRandom(100, 2));
  await holds(programs.uneven, atRandom(100, 2));
});

test("a death at every access to shared memory", async () => {
  await holds(programs.death, { strategy: "bounded", preemptions: 0 });
});
