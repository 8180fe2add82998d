/** Phases on tables of their own: threads, and an interruption in either of them, change no bit. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf, threadCounts } from "./small.ts";
import { twoTables } from "./two-tables.ts";

test("any number of threads, and an interruption within each phase, come to the same states", async () => {
  const { input, steps } = await twoTables();
  const { digests } = await digestsOf(input, { threads: 1 });
  assert.equal(digests.length, steps[0] + steps[1]);
  assert.equal(new Set(digests).size, digests.length, "every step changes the state");
  for (const threads of threadCounts([4, 8]))
    assert.deepEqual((await digestsOf(input, { threads })).digests, digests, `${threads} threads`);
  for (const step of [2, steps[0] + 2])
    assert.equal((await interruptedOnce(input, step)).stateDigest, digests.at(-1), `interrupted after step ${step}`);
});
