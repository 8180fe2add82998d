/**
 * The second way of being caught: the unit tests of tests/sync, each file a process of its own inside of the copy
 * (tree.ts). First every file runs without a mutant, which says what it reaches and how long it takes; then each mutant
 * runs in the files that reach it, the quickest first. Caught is what fails twice, or what takes far longer than it
 * does without a mutant: a thread that sleeps for ever.
 */
import { spawn } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { TASK, type Task } from "./preload.ts";

/** No process is given less time than this. */
const LEAST_MS = 10_000;
/** How much longer than without a mutant a file may take. */
const TIMES = 10;
/** A file without a mutant that takes so long does not end. */
const MOST_MS = 120_000;
const NONE = -1;

export interface Hunt {
  readonly folder: string;
  readonly total: number;
  /** Processes at once. */
  readonly jobs: number;
  /** Mutants that nothing has caught yet; shrinks. */
  readonly alive: Set<number>;
  readonly onCaught: (mutant: number, path: string) => void;
  readonly onReached: (path: string, reached: readonly number[]) => void;
  readonly stopped: () => boolean;
}

interface Unit {
  readonly path: string;
  readonly reached: ReadonlySet<number>;
  readonly milliseconds: number;
}

/** Paths of the quick tests of tests/sync, in order. */
export function unitFiles(root: string): readonly string[] {
  return globSync("tests/sync/*.test.ts", { cwd: root })
    .filter((path) => !path.endsWith(".long.test.ts"))
    .sort();
}

/** Every mutant that is still alive against the files that reach it. Throws if a file fails without a mutant. */
export async function hunt(paths: readonly string[], given: Hunt): Promise<void> {
  const units: Unit[] = [];
  for (const path of paths) {
    if (given.stopped()) return;
    const unit = await measured(path, given);
    given.onReached(path, [...unit.reached]);
    units.push(unit);
  }
  units.sort((one, other) => one.milliseconds - other.milliseconds);
  const left = [...given.alive];
  const work = async (): Promise<void> => {
    for (let mutant = left.shift(); mutant !== undefined && !given.stopped(); mutant = left.shift()) {
      const by = await catcher(mutant, units, given);
      if (by === null) continue;
      given.alive.delete(mutant);
      given.onCaught(mutant, by);
    }
  };
  await Promise.all(Array.from({ length: given.jobs }, work));
}

async function measured(path: string, given: Hunt): Promise<Unit> {
  const began = performance.now();
  const outcome = await runs(path, NONE, MOST_MS, given);
  if (outcome !== "passed") throw new Error(`${path} ${outcome} without a mutant`);
  const numbers = JSON.parse(readFileSync(listOf(path, NONE, given), "utf8")) as readonly number[];
  return {
    path,
    reached: new Set(numbers.filter((mutant) => given.alive.has(mutant))),
    milliseconds: performance.now() - began,
  };
}

/** The file that catches it; null: none does. */
async function catcher(mutant: number, units: readonly Unit[], given: Hunt): Promise<string | null> {
  for (const { path, reached, milliseconds } of units) {
    if (!reached.has(mutant) || given.stopped()) continue;
    const limit = LEAST_MS + TIMES * milliseconds;
    const outcome = await runs(path, mutant, limit, given);
    if (outcome === "passed") continue;
    // a test that failed because the machine was busy passes now
    if (outcome === "hung" || (await runs(path, mutant, limit, given)) !== "passed") return path;
  }
  return null;
}

async function runs(path: string, mutant: number, limit: number, given: Hunt): Promise<"passed" | "failed" | "hung"> {
  const task: Task = { mutant, total: given.total, reached: listOf(path, mutant, given) };
  const preload = pathToFileURL(join(given.folder, "scripts/mutants/preload.ts")).href;
  const child = spawn(
    process.execPath,
    ["--no-warnings", "--conditions=lockstep-source", "--import", preload, join(given.folder, path)],
    {
      stdio: "ignore",
      cwd: given.folder,
      env: { ...process.env, [TASK]: JSON.stringify(task), NODE_COMPILE_CACHE: join(given.folder, "jobs", "compiled") },
    },
  );
  let hung = false;
  const watching = setTimeout(() => {
    hung = true;
    child.kill("SIGKILL");
  }, limit);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  clearTimeout(watching);
  if (hung) return "hung";
  return code === 0 ? "passed" : "failed";
}

function listOf(path: string, mutant: number, { folder }: Hunt): string {
  return join(folder, "jobs", `${path.replace(/\W/g, "-")}-${mutant}.json`);
}
