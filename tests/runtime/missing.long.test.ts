/**
 * A machine without the native runtime: portable is used in its place, and it is said; what was asked for is refused.
 * @concurrent
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { TABLE, tinyStore, type TinyStore } from "../stress/tiny-store.ts";

const root = join(import.meta.dirname, "../..");
const hook = join(import.meta.dirname, "without-native.mjs");

let tiny: TinyStore;
before(async () => {
  tiny = await tinyStore([1]);
});
after(() => tiny[Symbol.asyncDispose]());

/** The command on a machine that lacks the native runtime. */
async function lockstep(...args: string[]) {
  const flags = ["--conditions=lockstep-source", "--import", hook, join(root, "bin/lockstep.mjs")];
  const run = promisify(execFile)(process.execPath, [...flags, ...args], { cwd: tiny.folder });
  return await run.then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );
}

test("doctor names what is missing, what is used, and the line that installs it", async () => {
  const { code, stdout } = await lockstep("doctor");
  assert.equal(code, 0);
  assert.match(stdout, /missing {2}onnxruntime-node/);
  assert.match(stdout, /npm install onnxruntime-node --ignore-scripts/);
  assert.match(stdout, /runtime {2}portable/);
  const report = JSON.parse((await lockstep("doctor", "--json")).stdout);
  assert.equal(report.executor, "portable");
  assert.equal(report.ok, true);
});

test("train uses the portable runtime, says so before any work, and records it", async () => {
  const settings = ["model.hidden_size=16", "model.intermediate_size=32", "pretrain.epochs=0", "finetune.epochs=1"];
  const flags = ["--data", TABLE, "--out", "new", "--threads", "1", ...settings.flatMap((set) => ["--set", set])];
  const { code, stdout, stderr } = await lockstep("train", ...flags, "--json");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /reading the table\nwarning: the portable runtime is used[^\n]*--ignore-scripts/);
  assert.equal(JSON.parse(stdout).recipe.executor, "portable");
  const refused = await lockstep("train", ...flags, "--executor", "native");
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /RUNTIME_MISSING/);
});

test("a version made with the native runtime is answered by the portable one, and it is said", async () => {
  const { code, stdout, stderr } = await lockstep("predict", tiny.store, "Where is my parcel now?", "--json");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /the portable runtime answers in place of native/);
  assert.ok(JSON.parse(stdout).label);
  const refused = await lockstep("predict", tiny.store, "Where is my parcel?", "--executor", "native");
  assert.match(refused.stderr, /RUNTIME_MISSING/);
});
