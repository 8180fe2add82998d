import assert from "node:assert/strict";
import { test } from "node:test";
import {
  linearize,
  requireLinearizable,
  type Operation,
  type SequentialModel,
} from "../../src/threads/explore/index.ts";

const register: SequentialModel<number> = {
  initial: 0,
  apply: (state, { name, argument, result }) =>
    name === "write" ? (argument as number) : result === undefined || result === state ? state : null,
};
const operation = (
  thread: number,
  name: string,
  argument: unknown,
  result: unknown,
  called: number,
  returned: number | null,
): Operation => ({ thread, name, argument, result, called, returned });

test("a register: reads that overlap a write may see either value, later ones only the new one", () => {
  const write = operation(0, "write", 1, undefined, 0, 5);
  const early = operation(1, "read", undefined, 0, 1, 2);
  const late = operation(1, "read", undefined, 1, 3, 4);
  assert.deepEqual(linearize([write, early, late], register), [early, write, late]);
  assert.equal(linearize([write, { ...early, result: 1 }, { ...late, result: 0 }], register), null);
  const after = operation(1, "read", undefined, 0, 6, 7);
  assert.equal(linearize([write, after], register), null);
  assert.throws(() => requireLinearizable([write, after], register), /thread 1 read\(\) = 0, steps 6 to 7/);
});

test("an operation that never returned may have happened or not", () => {
  const write = operation(0, "write", 1, undefined, 0, null);
  for (const result of [0, 1])
    assert.notEqual(linearize([write, operation(1, "read", undefined, result, 1, 2)], register), null);
  assert.equal(linearize([write, operation(1, "read", undefined, 2, 1, 2)], register), null);
});
