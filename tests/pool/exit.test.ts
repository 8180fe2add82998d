/** A process that ends while its workers compute keeps its own exit code. With the binding too: exit.long.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runProgram } from "./run-program.ts";

test("process.exit and an uncaught error during native runs keep their codes", async () => {
  const [exit, thrown] = await Promise.all([
    runProgram("exit", "native", "c-api"),
    runProgram("throw", "native", "c-api"),
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
