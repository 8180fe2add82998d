/**
 * A copy of what explorations and unit tests need, in which every source of `threads/sync` holds all of its mutants.
 * Which one is run is a number in shared memory that every thread of a process sees (`setEnvironmentData`); the
 * function that reads it lies in a folder called node_modules, which the explorer leaves alone.
 */
import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { mutate, type Mutant } from "./mutate.ts";

export const SOURCES = "src/threads/sync/*.ts";

/** Where the threads find the words: 0 says which mutant is run, the rest which ones were reached. */
export const ENVIRONMENT = "lockstep mutants";

const SELECTOR = `import { getEnvironmentData } from "node:worker_threads";
const words = getEnvironmentData(${JSON.stringify(ENVIRONMENT)});
/** Whether mutant n is to be run; notes that its place was reached. */
export const M = words === undefined ? () => false : (n) => { words[n + 1] = 1; return words[0] === n; };
`;

/** Every mutant of today's sources, numbered in the order of the files. */
export function mutantsOf(root: string): readonly Mutant[] {
  return sources(root).flatMap(({ mutated }) => mutated.mutants);
}

function sources(root: string) {
  return globSync(SOURCES, { cwd: root })
    .sort()
    .map((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1);
      return {
        path,
        mutated: mutate(name, readFileSync(join(root, path), "utf8")),
      };
    });
}

/** Writes the copy into `folder`, which is empty. Returns the mutants. */
export function plant(root: string, folder: string): readonly Mutant[] {
  mkdirSync(join(folder, "node_modules", "mutants"), { recursive: true });
  mkdirSync(join(folder, "jobs"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (name !== "mutants") symlinkSync(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  const selector = join(folder, "node_modules", "mutants", "index.mjs");
  writeFileSync(selector, SELECTOR);
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  for (const part of ["src", "scripts", "tests"]) cpSync(join(root, part), join(folder, part), { recursive: true });
  const mutants: Mutant[] = [];
  for (const { path, mutated } of sources(root)) {
    if (mutated.mutants.length > 0)
      writeFileSync(join(folder, path), mutated.schemata(mutants.length, pathToFileURL(selector).href));
    mutants.push(...mutated.mutants);
  }
  return mutants;
}
