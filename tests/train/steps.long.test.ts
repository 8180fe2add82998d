/**
 * P3 under kill -9 at every kind of step of a whole `train`: making the store, writing a checkpoint, publishing, moving
 * the alias. What is left is a store without the version or with all of it, and going on ends with the very same
 * version. @concurrent
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { train } from "../../src/edge/api/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import { BRIEF } from "./brief.ts";

const CHILD = join(import.meta.dirname, "steps-child.ts");

async function child(store: string, fatal: string): Promise<{ signal: string | null; output: string }> {
  const process_ = spawn(process.execPath, ["--conditions=lockstep-source", CHILD, store, fatal], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  process_.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return await new Promise((resolve) => {
    process_.on("close", (_, signal) => {
      resolve({ signal, output });
    });
  });
}

/** Versions and aliases, every byte of them read and checked; nothing where there is no store yet. */
async function found(root: string): Promise<string> {
  const names: string[] = await readdir(root).catch(() => []);
  if (!names.includes("versions") || !names.includes("aliases")) return "no store";
  const store = await openStore(root);
  const versions = await store.list();
  for (const { name } of versions) await store.open(name);
  return JSON.stringify({ versions: versions.map(({ name }) => name), aliases: [...(await store.aliases())] });
}

test("killed at every kind of step of training and publishing, and resumed", { timeout: 600_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-steps-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const { output } = await child(join(folder, "whole"), "");
  const steps = [...new Set(output.trim().split("\n"))];
  const whole = await train(BRIEF, { out: join(folder, "again"), threads: 3 });
  const published = JSON.stringify({ versions: [whole.version], aliases: [["champion", whole.version]] });
  assert.equal(await found(join(folder, "whole")), published, "checkpoints, one thread or three: the same version");
  const allowed = new Set([
    "no store",
    JSON.stringify({ versions: [], aliases: [] }),
    JSON.stringify({ versions: [whole.version], aliases: [] }),
    published,
  ]);

  const kill = async (step: string, at: number): Promise<void> => {
    const store = join(folder, `${at}`);
    const { signal } = await child(store, step);
    assert.equal(signal, "SIGKILL", step);
    const left = await found(store);
    assert.ok(allowed.has(left), `after a kill before "${step}": ${left}`);
    const resumed = await train(BRIEF, { out: store, threads: 1 + (at % 3), resume: true });
    assert.deepEqual(
      [resumed.version, resumed.weightsSha256, resumed.stateSha256],
      [whole.version, whole.weightsSha256, whole.stateSha256],
      step,
    );
    assert.equal(await found(store), published, step);
    assert.deepEqual(
      [
        (await readdir(join(store, "tmp"))).filter((name) => name !== "writing.lock"),
        await readdir(join(store, "runs")),
      ],
      [[], []],
      `left behind after a kill before: ${step}`,
    );
  };
  for (let at = 0; at < steps.length; at += 2)
    await Promise.all(steps.slice(at, at + 2).map((step, i) => kill(step, at + i)));
  t.diagnostic(`${steps.length} steps: ${steps.join("; ")}`);
  for (const part of [
    "rename runs/<run>/tmp-* runs/<run>/step-*.checkpoint",
    "rename tmp/tmp-* versions/<version>",
    "rename tmp/tmp-* aliases/champion",
  ])
    assert.ok(steps.includes(part), part);
});
