/**
 * Training, serving, publishing and cancelling at once, with collections of garbage at random: no crash, the same bits
 * throughout, flat memory. LOCKSTEP_SOAK_SECONDS says how long. @default 20
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isLockstepError } from "../../src/base/index.ts";
import { createScheduler, openThreadReplica } from "../../src/work/serve/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";
import { SMALL, smallInput } from "../train/small.ts";

const SECONDS = Number(process.env["LOCKSTEP_SOAK_SECONDS"] ?? "20");

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;

test(`${SECONDS} seconds of everything at once`, async (t) => {
  const until = performance.now() + 1000 * SECONDS;
  const resident: number[] = [];
  const done = { trainings: 0, answers: 0, cancelled: 0, publications: 0 };
  const enough = (): boolean => done.trainings > 0 && done.answers > 100 && done.publications > 3;
  // On a machine that has much else to do it goes on until there was enough of everything.
  const going = (): boolean => performance.now() < until || (!enough() && performance.now() < until + 60_000);
  const files = [tinyFiles(1), tinyFiles(2)];
  const scheduler = createScheduler<{ readonly name: string; readonly of: number }>({
    replicas: 2,
    openReplica: ({ of }) => openThreadReplica({ files: new Map(files[of]), executor: "native" }),
  });
  await scheduler.publish({ name: "first", of: 0 });
  const ids = Int32Array.from({ length: 24 }, (_, i) => 1 + ((i * 7) % 60));
  const expected = new Map<number, string>();

  const ask = async (which: number): Promise<void> => {
    for (let i = 0; going(); i++) {
      const signal = i % 5 === which ? AbortSignal.timeout(i % 3) : undefined;
      try {
        const { version, outputs } = await scheduler.submit({
          id: `${which} ${i}`,
          encode: () => [{ ids }],
          ...(signal === undefined ? {} : { signal }),
        });
        const bits = Buffer.from(outputs[0]!.buffer).toString("hex");
        if (!expected.has(version.of)) expected.set(version.of, bits);
        assert.equal(bits, expected.get(version.of));
        done.answers++;
      } catch (thrown) {
        if (!isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
        done.cancelled++;
      }
    }
  };
  const publish = async (): Promise<void> => {
    for (let i = 1; going(); i++) {
      await sleep(1500);
      await scheduler.publish({ name: `version ${i}`, of: i % 2 });
      done.publications++;
    }
  };
  const input = await smallInput(SMALL, 64);
  const state = (await runTraining(input, { threads: 1 })).stateDigest;
  const train = async (): Promise<void> => {
    while (going()) {
      const signal = AbortSignal.timeout(2000 + (done.trainings % 4) * 400);
      try {
        assert.equal((await runTraining(input, { threads: 2, signal })).stateDigest, state);
      } catch (thrown) {
        if (!isLockstepError(thrown) || thrown.code !== "CANCELLED") throw thrown;
      }
      done.trainings++;
    }
  };
  const collect = async (): Promise<void> => {
    for (let i = 0; going(); i++) {
      await sleep(50 + ((i * 37) % 200));
      gc();
      resident.push(process.memoryUsage.rss() / 1024 / 1024);
    }
  };
  await Promise.all([ask(0), ask(1), ask(2), publish(), train(), collect()]);
  await scheduler.close();
  const part = (from: number, to: number): number => {
    const some = resident.slice(Math.floor(from * resident.length), Math.floor(to * resident.length));
    return some.sort((a, b) => a - b)[some.length >> 1] as number;
  };
  const [early, late] = [part(0.25, 0.5), part(0.75, 1)];
  t.diagnostic(`${JSON.stringify(done)}; resident MiB: second quarter ${early.toFixed(0)}, last ${late.toFixed(0)}`);
  assert.ok(enough(), JSON.stringify(done));
  assert.ok(late < 1.25 * early, `${early} MiB became ${late}`);
});
