/** What is said to be complete is: a few dozen little programs against an interpreter that visits every state. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { compare } from "./compared.ts";
import { everyEnd } from "./oracle.ts";

test("both searches meet what the oracle says can happen, and nothing else", async (t) => {
  const counts = await compare(0, 20, 200);
  t.diagnostic(JSON.stringify(counts));
  assert.ok(counts.classes >= 15 && counts.bounded >= 8, JSON.stringify(counts));
});

test("the oracle knows a lost wake-up, an endless read, and values that do not fit", () => {
  const ends = (program: Parameters<typeof everyEnd>[0]): string[] => [...everyEnd(program, 1000)!].sort();
  assert.deepEqual(
    ends({ type: "Uint8Array", threads: [[{ op: "wait", at: 0, value: 0 }], [{ op: "notify", at: 0, count: 1 }]] }),
    ['["asleep",[0,0,0],[null,[0]]]', '["ended",[0,0,0],[["ok"],[1]]]'],
  );
  assert.deepEqual(ends({ type: "Uint8Array", threads: [[{ op: "until", at: 0, value: 1 }]] }), [
    '["endless",[0,0,0]]',
  ]);
  assert.deepEqual(
    ends({
      type: "Uint8Array",
      threads: [
        [
          { op: "store", at: 2, value: -1 },
          { op: "cas", at: 2, expected: -1, value: 256 },
        ],
      ],
    }),
    ['["ended",[0,0,0],[[-1,255]]]'],
  );
});
