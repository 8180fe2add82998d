/** A launcher, where this process cannot be replaced by the Node that runs the command, and its child end together. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { finish, seen } from "./command.ts";

const LAUNCHER = join(import.meta.dirname, "launcher-program.ts");
const FOLLOWED = join(import.meta.dirname, "followed-program.ts");

async function launched(): Promise<ChildProcess> {
  const launcher = spawn(process.execPath, [LAUNCHER, FOLLOWED], { stdio: ["ignore", "pipe", "inherit"] });
  assert.equal(await seen(launcher, "stdout", "running"), "running undefined", "what it starts itself is not told");
  return launcher;
}

test("a launcher that is killed takes its child along, which ends in its own way", async () => {
  const launcher = await launched();
  const ended = finish(launcher); // when the last process with its standard output has ended
  launcher.kill("SIGKILL");
  assert.match((await ended).stdout, /asked to end/);
});

test("a signal is passed on, and the child's code is the launcher's", async () => {
  const launcher = await launched();
  const ended = finish(launcher);
  launcher.kill("SIGTERM");
  const { code, stdout } = await ended;
  assert.equal(code, 7);
  assert.match(stdout, /asked to end/);
});
