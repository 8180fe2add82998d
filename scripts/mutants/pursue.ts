/** Runs drivers (driver.ts), one for each module of programs, and puts an end to those that say nothing any more. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Budget, Job, Said } from "./driver.ts";

/** A driver that has said nothing for so long hangs where the explorer does not see it. */
const SILENCE_MS = 100_000;

export interface Module {
  /** `tests/sync/explored/mutex.programs.ts`. */
  readonly path: string;
  readonly programs: readonly string[];
}

export interface Pursuit {
  readonly folder: string;
  readonly total: number;
  readonly budget: Budget;
  readonly setups: boolean;
  /** Mutants that nothing has caught yet; shrinks. */
  readonly alive: Set<number>;
  readonly onCaught: (mutant: number, module: string, program: string, kind: string) => void;
  readonly onReached: (program: string, reached: readonly number[]) => void;
  /** A driver had to be killed: nothing was caught. */
  readonly onHung: (mutant: number, program: string) => void;
  readonly stopped: () => boolean;
}

/** Every program of the module against every mutant that is still alive. */
export async function pursue(module: Module, pursuit: Pursuit): Promise<void> {
  const hung = new Set<number>();
  let programs = module.programs;
  while (programs.length > 0 && !pursuit.stopped()) {
    const end = await drive(module.path, programs, hung, pursuit);
    if (end === null) return;
    hung.add(end.mutant);
    programs = programs.slice(programs.indexOf(end.program));
  }
}

async function drive(
  module: string,
  programs: readonly string[],
  hung: ReadonlySet<number>,
  pursuit: Pursuit,
): Promise<{ readonly program: string; readonly mutant: number } | null> {
  const job: Job = {
    module: join(pursuit.folder, module),
    programs,
    mutants: [...pursuit.alive].filter((mutant) => !hung.has(mutant)),
    total: pursuit.total,
    budget: pursuit.budget,
    setups: pursuit.setups,
  };
  const path = join(pursuit.folder, "jobs", `${module.replace(/\W/g, "-")}.json`);
  writeFileSync(path, JSON.stringify(job));
  const child = spawn(
    process.execPath,
    ["--no-warnings", "--conditions=lockstep-source", join(pursuit.folder, "scripts/mutants/driver.ts"), path],
    { stdio: ["ignore", "pipe", "inherit"], cwd: pursuit.folder },
  );
  let at: { program: string; mutant: number } | null = null;
  let silent = false;
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => {
      silent = true;
      child.kill("SIGKILL");
    }, SILENCE_MS);
  let watching = watch();
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  for await (const line of createInterface({ input: child.stdout })) {
    clearTimeout(watching);
    watching = watch();
    const said = JSON.parse(line) as Said;
    if (said.said === "begin") at = { program: said.program, mutant: said.mutant };
    if (said.said === "program") pursuit.onReached(`${module} ${said.program}`, said.reached);
    if (said.said === "caught" && pursuit.alive.delete(said.mutant))
      pursuit.onCaught(said.mutant, module, said.program, said.kind);
    if (pursuit.stopped()) child.kill("SIGKILL");
  }
  clearTimeout(watching);
  const code = await ended;
  if (code === 0 || pursuit.stopped()) return null;
  if (!silent || at === null) throw new Error(`the driver of ${module} ended with ${code} at ${JSON.stringify(at)}`);
  pursuit.onHung(at.mutant, `${module} ${at.program}`);
  return at;
}
