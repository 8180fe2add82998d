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

test("embeddings of the whole batch are gathered between two programs of a step: the bits of one worker", async () => {
  await holds(programs.contrastive, { strategy: "random", schedules: 40 });
  await breaks(programs.twins.afterSharedRows, "race", /exchange\.shared/, { strategy: "random", schedules: 50 });
});

test("weights that are asked for: the bits of one worker, and nobody waits for one who fails or dies", async () => {
  await holds(programs.consulted, { strategy: "random", schedules: 25 });
  await holds(programs.consultationFails, { strategy: "random", schedules: 15 });
  await holds(programs.consultationDeath, { strategy: "random", schedules: 25 });
});

test("weights that are given too early, or used too early, are a data race", async () => {
  const random = { strategy: "random", schedules: 20 } as const;
  await breaks(programs.twins.answersEarly, "race", /exchange\./, random);
  await breaks(programs.twins.goesOnEarly, "race", /exchange\./, random);
});

test("a run that fails, or a worker that dies, ends the step for all", async () => {
  await holds(programs.failure, { strategy: "random", schedules: 60 });
  await holds(programs.death, { strategy: "random", schedules: 60 });
});
