/**
 * P3 under kill -9: a training killed at least twenty times at random moments and resumed with other thread counts
 * passes through the very same states. @concurrent
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { seedFrom, uniform, PURPOSE } from "../../src/base/index.ts";
import { digestTensors } from "../../src/numeric/tensor/index.ts";
import { runTraining } from "../../src/work/train/index.ts";
import { KILLED, KILLED_RUN } from "./kill-recipe.ts";
import { smallInput } from "./small.ts";

const CHILD = join(import.meta.dirname, "kill-child.ts");
const KILLS = 20;
const THREADS = [1, 2, 3];

/** `digests`: lines "phase step sha256". */
interface Life {
  readonly killed: boolean;
  readonly digests: readonly string[];
  readonly outcome: string;
}

interface Death {
  readonly afterSteps: number;
  readonly milliseconds: number;
}

/** A life ends with this many digests at the latest, so that a fast machine does not come to the end in few lives. */
const MOST_STEPS = 12;

/** Runs until it ends, or until so many milliseconds after it has said so many digests, or until `MOST_STEPS`. */
async function live(folder: string, threads: number, death: Death | undefined): Promise<Life> {
  const child = spawn(process.execPath, ["--conditions=lockstep-source", CHILD, folder, String(threads)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  let timer: NodeJS.Timeout | undefined;
  const heard = (): void => {
    if (death === undefined) return;
    const steps = output.split("\n").length - 1;
    if (steps >= death.afterSteps) timer ??= setTimeout(() => child.kill("SIGKILL"), death.milliseconds);
    if (steps >= MOST_STEPS) child.kill("SIGKILL");
  };
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    heard();
  });
  heard();
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.once("close", (...end) => {
      resolve(end);
    }),
  );
  clearTimeout(timer);
  assert.ok(code === 0 || signal === "SIGKILL", `exit ${code} ${signal}: ${errors}`);
  const lines = output.split("\n").slice(0, -1); // what follows the last line feed was cut off by the kill
  return {
    killed: signal === "SIGKILL",
    digests: lines.filter((line) => !line.startsWith("{")),
    outcome: lines.find((line) => line.startsWith("{")) ?? "",
  };
}

test(
  "killed twenty times and resumed: the same weights and optimizer state after every step",
  { timeout: 300_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-kill-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const started = performance.now();
    const states = new Set<string>();
    const whole = await runTraining(await smallInput(KILLED, 160), {
      ...KILLED_RUN,
      threads: 2,
      digests: true,
      onEvent: (event) => {
        if (event.kind === "digest") states.add(`${event.phase} ${event.step} ${event.sha256}`);
      },
    });
    assert.equal(states.size, whole.steps);
    const wholeSeconds = (performance.now() - started) / 1000;
    const seed = seedFrom("kill");
    let kills = 0;
    let compared = 0;
    let outcome = "";
    for (let life = 0; outcome === ""; life++) {
      assert.ok(life < 3 * KILLS, "no progress");
      // Within a few steps, so that twenty lives end before the training does; the milliseconds hit steps, checkpoints
      // and starts alike.
      const draw = (index: number): number => uniform(seed, PURPOSE.test, life, 0, index);
      const afterSteps = Math.floor(8 * draw(0));
      const death =
        kills < KILLS ? { afterSteps, milliseconds: Math.floor((afterSteps === 0 ? 1500 : 30) * draw(1)) } : undefined;
      const end = await live(folder, THREADS[life % THREADS.length]!, death);
      for (const state of end.digests) assert.ok(states.has(state), `life ${life}: ${state}`);
      compared += end.digests.length;
      if (end.killed) kills++;
      else outcome = end.outcome;
    }
    t.diagnostic(
      `${kills} kills, ${compared} states compared; uninterrupted ${wholeSeconds.toFixed(1)} s, ${whole.steps} ` +
        `steps; with kills ${((performance.now() - started) / 1000 - wholeSeconds).toFixed(1)} s`,
    );
    assert.deepEqual(JSON.parse(outcome), {
      state: whole.stateDigest,
      weights: digestTensors(whole.weights),
      steps: whole.steps,
    });
    assert.ok(kills >= KILLS, `only ${kills} kills before it ended: the training is too short`);
  },
);
