/** Phases on tables of their own: any number of threads, and an interruption in the first phase. @concurrent */
import assert from "node:assert/strict";
import { test } from "node:test";
import { interruptedOnce } from "./interrupted-once.ts";
import { digestsOf } from "./small.ts";
import { twoTables } from "./two-tables.ts";

test("1, 2, 4 and 8 threads, and an interruption within the first phase, come to the same states", async () => {
  const { input } = await twoTables();
  const { digests } = await digestsOf(input, { threads: 1 });
  for (const threads of [2, 4, 8])
    assert.deepEqual((await digestsOf(input, { threads })).digests, digests, `${threads} threads`);
  assert.equal((await interruptedOnce(input, 2)).stateDigest, digests.at(-1));
});
