/** P3 under kill -9: a training killed at least twenty times at random moments and resumed with other thread counts ends with the very weights. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seedFrom, uniform, PURPOSE } from "../../src/base/index.ts";
import { digestTensors } from "../../src/numeric/tensor/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { KILLED } from "./kill-recipe.ts";
import { smallInput } from "./small.ts";

const CHILD = join(import.meta.dirname, "kill-child.ts");
const KILLS = 20;
const THREADS = [1, 2, 3];

interface Life { readonly killed: boolean; readonly outcome: string }

/** Runs until it ends, or until `milliseconds` after its first step (undefined: never killed). */
async function live(folder: string, threads: number, milliseconds: number | undefined): Promise<Life> {
  const child = spawn(process.execPath, ["--conditions=lockstep-source", CHILD, folder, String(threads)], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let errors = "";
  let timer: NodeJS.Timeout | undefined;
  child.stderr.on("data", (chunk: Buffer) => { errors += chunk.toString(); });
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    if (milliseconds !== undefined) timer ??= setTimeout(() => child.kill("SIGKILL"), milliseconds);
  });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => child.once("close", (...end) => { resolve(end); }));
  clearTimeout(timer);
  assert.ok(code === 0 || signal === "SIGKILL", `exit ${code} ${signal}: ${errors}`);
  return { killed: signal === "SIGKILL", outcome: output.replace("started\n", "").trim() };
}

test("killed twenty times and resumed: the same weights and optimizer state", { timeout: 300_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-kill-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const started = performance.now();
  const whole = await runTraining(await smallInput(KILLED, 160), { threads: 2 });
  const wholeSeconds = (performance.now() - started) / 1000;
  const seed = seedFrom("kill");
  let kills = 0;
  let outcome = "";
  for (let life = 0; outcome === ""; life++) {
    assert.ok(life < 3 * KILLS, "no progress");
    // Mostly soon after the first step, so that twenty lives end before the training does.
    const milliseconds = kills < KILLS ? Math.round(20 + 430 * uniform(seed, PURPOSE.test, life, 0, 0)) : undefined;
    const end = await live(folder, THREADS[life % THREADS.length]!, milliseconds);
    if (end.killed) kills++;
    else outcome = end.outcome;
  }
  t.diagnostic(`${kills} kills; uninterrupted ${wholeSeconds.toFixed(1)} s, ${whole.steps} steps; with kills ${((performance.now() - started) / 1000 - wholeSeconds).toFixed(1)} s`);
  assert.deepEqual(JSON.parse(outcome), { state: whole.stateDigest, weights: digestTensors(whole.weights), steps: whole.steps });
  assert.ok(kills >= KILLS, `only ${kills} kills before it ended: the training is too short`);
});
