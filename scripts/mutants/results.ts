/** What is known of the mutants: who catches which, and why some cannot be caught. Both lie beside the programs. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Mutant } from "./mutate.ts";

const CAUGHT = "tests/sync/mutants/caught.json";
const EQUIVALENT = "tests/sync/mutants/equivalent.json";

/** What catches a mutant, by the mutant's key: a program (`file.programs.ts name`), or a unit test (`file.test.ts`). */
export type Caught = ReadonlyMap<string, string>;

/** Mutants that change nothing that anybody could see, and why. */
export interface Equivalent {
  readonly file: string;
  /** The whole line, without the space around it. */
  readonly text: string;
  /** The change, or the beginning of it; all changes of the line if it is missing. */
  readonly change?: string;
  readonly reason: string;
}

export function readCaught(root: string): Map<string, string> {
  const path = join(root, CAUGHT);
  if (!existsSync(path)) return new Map();
  const stored = JSON.parse(readFileSync(path, "utf8")) as Record<string, readonly string[]>;
  return new Map(Object.entries(stored).flatMap(([by, keys]) => keys.map((key) => [key, by] as const)));
}

/** By what catches them, so that a difference shows which program has changed what it catches. */
export function writeCaught(root: string, caught: Caught): void {
  const by: Record<string, string[]> = {};
  for (const [key, program] of [...caught].sort(([one], [other]) => (one < other ? -1 : 1)))
    (by[program] ??= []).push(key);
  const sorted = Object.fromEntries(Object.entries(by).sort(([one], [other]) => (one < other ? -1 : 1)));
  writeFileSync(join(root, CAUGHT), `${JSON.stringify(sorted, null, 2)}\n`);
}

export function readEquivalent(root: string): readonly Equivalent[] {
  return JSON.parse(readFileSync(join(root, EQUIVALENT), "utf8")) as readonly Equivalent[];
}

export interface Known {
  readonly caught: Caught;
  readonly equivalent: readonly Equivalent[];
}

/** False: nothing catches it, and nobody has shown that it is the same. */
export function accounted(mutant: Mutant, { caught, equivalent }: Known): boolean {
  return caught.has(mutant.key) || reasonOf(mutant, equivalent) !== null;
}

/** The reason why this mutant is none, or null. */
export function reasonOf(mutant: Mutant, equivalent: readonly Equivalent[]): string | null {
  return equivalent.find((entry) => speaksOf(entry, mutant))?.reason ?? null;
}

/** Entries that speak of no mutant of today. */
export function stale(mutants: readonly Mutant[], equivalent: readonly Equivalent[]): readonly Equivalent[] {
  return equivalent.filter((entry) => !mutants.some((mutant) => speaksOf(entry, mutant)));
}

function speaksOf(entry: Equivalent, mutant: Mutant): boolean {
  return (
    entry.file === mutant.file &&
    entry.text === mutant.text &&
    (entry.change === undefined || mutant.change.startsWith(entry.change))
  );
}
