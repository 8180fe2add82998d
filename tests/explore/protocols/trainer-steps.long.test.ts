/**
 * A training step under many schedules: no data race, the bits of one worker, and a failure or a death that reaches
 * everybody. @concurrent
 */
import { test } from "node:test";
import { breaks, holds } from "./exploring.ts";
import * as programs from "./trainer.programs.ts";

test("two and three workers leave the weights, the optimizer's state and the reports of one, bit for bit", async () => {
  await holds(programs.once, { strategy: "random", schedules: 100 });
  await holds(programs.twice, { strategy: "random", schedules: 40 });
  await holds(programs.four, { strategy: "bounded", preemptions: 0 });
  await holds(programs.uneven, { strategy: "bounded", preemptions: 0 });
});

test("each of the three barriers of a step is needed: without it there is a data race", async () => {
  const random = { strategy: "random", schedules: 50 } as const;
  await breaks(programs.twins.afterGradients, "race", /exchange\.|memory\.|rows\./, random);
  await breaks(programs.twins.afterReduction, "race", /exchange\.|memory\.|rows\./, random);
  await breaks(programs.twins.afterUpdate, "race", /exchange\.|memory\.|rows\./, random);
});

test("a run that fails, or a worker that dies, ends the step for all", async () => {
  await holds(programs.failure, { strategy: "random", schedules: 60 });
  await holds(programs.death, { strategy: "random", schedules: 60 });
});
