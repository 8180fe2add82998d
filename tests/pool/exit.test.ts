/** A process that ends while its workers compute keeps its own exit code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "./run-program.ts";

for (const reached of ["c-api", "binding"] as const)
  test(`process.exit and an uncaught error during native runs keep their codes: ${reached}`, async () => {
    const [exit, thrown] = await Promise.all([
      runProgram("exit", "native", reached),
      runProgram("throw", "native", reached),
    ]);
    assert.equal(exit.code, 3, exit.output);
    assert.equal(thrown.code, 1, thrown.output);
    assert.match(thrown.output, /a user's uncaught error/);
  });

test("the exit waits for any marked run to end, and idle workers let the process end", async () => {
  const [spun, idle] = await Promise.all([runProgram("exit", "spin"), runProgram("idle", "spin")]);
  assert.equal(spun.code, 3, spun.output);
  assert.equal(idle.code, 0, idle.output);
  assert.match(idle.output, /do not hold/);
});
