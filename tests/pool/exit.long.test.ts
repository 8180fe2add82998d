/**
 * Many times over; and the control: through the binding the process aborts without the wait, so the test would notice
 * if the hook did nothing. Through the C interface nobody need wait. @concurrent
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "./run-program.ts";

for (const reached of ["c-api", "binding"] as const)
  test(`four exits under native runs keep their code: ${reached}`, async () => {
    for (let i = 0; i < 4; i++) {
      const how = i % 2 === 0 ? "exit" : "throw";
      const { code, output } = await runProgram(how, "native", reached);
      assert.equal(code, how === "exit" ? 3 : 1, output);
      if (how === "throw") assert.match(output, /a user's uncaught error/);
    }
  });

test("exits that do not wait abort through the binding only", async () => {
  // Node reports an abort as a signal (code null) or, through a shell, as 134.
  const aborted = await runProgram("unguarded", "native", "binding");
  assert.notEqual(aborted.code, 3, aborted.output);
  const { code, output } = await runProgram("unguarded", "native", "c-api");
  assert.equal(code, 3, output);
});
