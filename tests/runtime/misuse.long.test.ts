/**
 * The C interface misused in every way that was thought of, each in a process of its own: a typed error or a clean end,
 * never a crash. @concurrent
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

const ERRORS: Readonly<Record<string, RegExp>> = {
  "wrong name": /Invalid input name: nobody/,
  "missing feed": /^error: /,
  "wrong output": /Invalid output name: nobody/,
  "wrong shape": /invalid dimensions/,
  "wrong output shape": /^error: /,
  "wrong type": /Unexpected input data type/,
  "unknown type": /float17 is not handed over/,
  "small buffer": /not enough space/,
  "small output": /not enough space/,
  "small output, again": /^error: .*not enough space.*\nerror: .*not enough space.*\nthen right$/,
  "too many axes": /at most 16 axes, not 40/,
  "not a model": /protobuf parsing failed/,
  "empty model": /No graph was found/,
  "released session": /the session was released/,
  "released scope": /the session was released/,
  "released container": /no error/,
  "dropped sessions": /no error/,
  "collection at every step": /no error/,
  "workers that leave their sessions": /no error/,
};

async function run(...args: readonly string[]) {
  const program = join(import.meta.dirname, "misuse-program.ts");
  const flags = ["--expose-gc", "--no-warnings", "--conditions=lockstep-source", program];
  return await promisify(execFile)(process.execPath, [...flags, ...args], {
    env: { ...process.env, LOCKSTEP_NATIVE: "c-api" },
  });
}

describe("misuse of the C interface", { concurrency: 2 }, () => {
  test("every case has its expected end", async () => {
    assert.deepEqual((await run()).stdout.trim().split("\n").sort(), Object.keys(ERRORS).sort());
  });
  for (const [name, expected] of Object.entries(ERRORS))
    test(name, async () => {
      assert.match((await run(name)).stdout.trim(), expected); // any exit code but 0 rejects
    });
});
