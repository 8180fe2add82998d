/**
 * Many times over; and the control: without the wait the process aborts, so the test would notice if the hook did
 * nothing.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "./run-program.ts";

test("ten exits under native runs keep their code; unguarded ones abort", async () => {
  for (let i = 0; i < 10; i++) {
    const how = i % 2 === 0 ? "exit" : "throw";
    const { code, output } = await runProgram(how, "native");
    assert.equal(code, how === "exit" ? 3 : 1, output);
  }
  // Node reports an abort as a signal (code null) or, through a shell, as 134.
  const { code, output } = await runProgram("unguarded", "native");
  assert.notEqual(code, 3, output);
});
