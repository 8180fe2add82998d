/** Kills a real process at a step of its work on a copy of a prepared store, and looks at what is left. */
import { spawn } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeFileSystem, openStore, saveCheckpoint } from "../../../src/work/store/index.ts";
import { bytes, checkpointState, FIRST, storeState } from "./state.ts";

export type Scenario = "publish" | "checkpoint";

const CHILD = fileURLToPath(new URL("./crash-child.ts", import.meta.url));

export class KillTest implements AsyncDisposable {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** A folder with a store of one version and two checkpoints. */
  static async prepare(): Promise<KillTest> {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-kill-"));
    const store = await openStore(join(folder, "original"), { create: true });
    await store.publish(FIRST, { alias: "champion" });
    for (const step of [1, 2]) {
      await saveCheckpoint(join(store.root, "runs/one"), {
        step,
        meta: {},
        buffers: new Map([["weights", bytes(`weights ${step}`)]]),
      });
    }
    return new KillTest(folder);
  }

  /** The names of the steps, of a run that is left alone. */
  async steps(scenario: Scenario): Promise<string[]> {
    const { output } = await this.#run(scenario, -1);
    return JSON.parse(output) as string[];
  }

  /** What is found after a kill before step `step`, and how many temporary things were left after opening the store. */
  async killAt(scenario: Scenario, step: number): Promise<{ signal: string | null; state: string; leftovers: number }> {
    const { root, signal } = await this.#run(scenario, step);
    const state =
      scenario === "publish" ? JSON.stringify(await storeState(root)) : await checkpointState(join(root, "runs/one"));
    const leftovers = (await nodeFileSystem.list(join(root, "tmp"), 100)).filter((name) =>
      name.startsWith("tmp-"),
    ).length;
    return { signal, state, leftovers };
  }

  /** Whether the store can still do its work after the kill. */
  async canGoOn(step: number): Promise<boolean> {
    const { root } = await this.#run("publish", step);
    const again = await run(root, "publish", -1);
    return again.signal === null && (await readdir(join(root, "versions"))).length === 2;
  }

  async #run(scenario: Scenario, step: number): Promise<{ root: string; signal: string | null; output: string }> {
    const root = await mkdtemp(join(this.folder, "copy-"));
    await cp(join(this.folder, "original"), root, { recursive: true });
    return { root, ...(await run(root, scenario, step)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}

function run(root: string, scenario: Scenario, step: number): Promise<{ signal: string | null; output: string }> {
  const child = spawn(process.execPath, ["--conditions=lockstep-source", CHILD, root, scenario, String(step)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (_code, signal) => resolve({ signal, output }));
  });
}
