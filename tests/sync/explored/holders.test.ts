/** Read-write lock, semaphore, condition and once, explored: small programs without a bound, the others at some hundreds of random schedules. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, programsOf, requireExplored } from "../../../src/threads/explore/index.ts";
import * as condition from "./condition.programs.ts";
import * as onceOnly from "./once.programs.ts";
import * as rwlock from "./rwlock.programs.ts";
import * as semaphore from "./semaphore.programs.ts";

const whole: Readonly<Record<string, readonly string[]>> = {
  rwlock: ["excludes.writerReader", "excludes.writers"],
  semaphore: ["limits.two"],
  condition: [],
  once: ["does.two", "does.three"],
};

for (const [module, exported] of Object.entries({ rwlock, semaphore, condition, once: onceOnly })) {
  for (const [name, program] of programsOf(exported)) {
    if (whole[module]!.includes(name)) {
      test(`${module} ${name}: every class of equivalent schedules`, async () => {
        const { stages } = requireExplored(await explore(program, { strategy: "classes", maxSeconds: 300 }));
        assert.ok(stages.every(({ ended }) => ended === "complete"));
      });
    } else {
      test(`${module} ${name}: some hundreds of random schedules`, async () => {
        requireExplored(await explore(program, { strategy: "random", schedules: 200, maxSeconds: 300 }));
      });
    }
  }
}
