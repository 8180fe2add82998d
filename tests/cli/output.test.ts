/** What a command says of a failure, and the code that it ends with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LockstepError } from "../../src/base/index.ts";
import { FailedMidway, reportError } from "../../src/edge/cli/output.ts";

test("what failed first is what is said, though closing what was open failed as well", (t) => {
  let said = "";
  t.mock.method(process.stderr, "write", (text: string) => {
    said += text;
    return true;
  });
  const first = new LockstepError("NOT_FOUND", "no such version");
  const closing = new LockstepError("DISK_FAILED", "the log cannot be closed");
  const both = new SuppressedError(new Error("and another"), new SuppressedError(closing, first));
  assert.deepEqual([reportError(both, false), said], [2, "error: no such version [NOT_FOUND]\n"]);
  const midway = new SuppressedError(closing, new FailedMidway("", { cause: first }));
  assert.equal(reportError(midway, false), 1);
});
