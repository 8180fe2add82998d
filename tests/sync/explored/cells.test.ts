/** Channels, seqlock and epoch cells, counters, latches and barriers, explored: small programs without a bound, and some larger ones up to a count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, programsOf, requireExplored } from "../../../src/threads/explore/index.ts";
import * as channel from "./channel.programs.ts";
import * as counting from "./counting.programs.ts";
import * as epoch from "./epoch-cell.programs.ts";
import * as seqlock from "./seqlock.programs.ts";

const whole = {
  channel: [programsOf(channel), ["conservation.twoOne", "conservation.tasks", "histories.tries", "givingUp.timeLimit", "values"]],
  seqlock: [programsOf(seqlock), ["reading.twoOne", "reading.async", "reading.updates", "histories.reads"]],
  epoch: [programsOf(epoch), ["pinning.twoOne", "pinning.reuse", "pinning.first", "pinning.async", "histories.reader"]],
  counting: [programsOf(counting), ["counter.sums", "latch.three", "latch.abort", "barrier.three", "barrier.abort", "barrier.limit"]],
} as const;

for (const [module, [programs, names]] of Object.entries(whole)) {
  for (const name of names) {
    test(`${module} ${name}: every class of equivalent schedules`, async () => {
      const { stages } = requireExplored(await explore(programs.get(name)!, { strategy: "classes", maxSeconds: 300 }));
      assert.ok(stages.every(({ ended }) => ended === "complete"));
    });
  }
}

const part = { channel: [programsOf(channel), ["conservation.four", "deaths.any", "deaths.receiver"]], seqlock: [programsOf(seqlock), ["deaths.repair"]], epoch: [programsOf(epoch), ["pinning.writers", "deaths.any"]], counting: [programsOf(counting), ["latch.death", "barrier.death"]] } as const;

for (const [module, [programs, names]] of Object.entries(part)) {
  for (const name of names) {
    test(`${module} ${name}: some hundreds of random schedules`, async () => {
      requireExplored(await explore(programs.get(name)!, { strategy: "random", schedules: 400, maxSeconds: 300 }));
    });
  }
}
