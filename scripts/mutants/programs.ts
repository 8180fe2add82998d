/** The programs of the primitives and of the protocols built on them. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { programsOf, type Program } from "../../src/threads/explore/index.ts";

/** Twins with a mistake in them, which have to fail. */
export const WRONG = /^(?:twins\..*|deathUncleared|looksFirst|neverLooks|deathAborted|unheld)$/;

/** Paths of the files, in order. */
export function programFiles(root: string): readonly string[] {
  return globSync("tests/{sync/explored,explore/protocols}/*.programs.ts", {
    cwd: root,
  }).sort();
}

export async function programsIn(root: string, path: string): Promise<ReadonlyMap<string, Program>> {
  return programsOf((await import(pathToFileURL(join(root, path)).href)) as Record<string, unknown>);
}
