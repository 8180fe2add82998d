/**
 * What explored threads load: packages that run as they are, and files that note which of their branches are taken.
 */
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { FileHits, Point } from "./instrument/branches.ts";

/** Branches of the explored files of a project, over all threads and schedules. */
export interface Branches {
  /** Those of functions that were called, and of modules themselves. */
  readonly total: number;
  readonly reached: number;
  /** Those of them that were not; of branches within each other only the outermost. */
  readonly missed: readonly MissedBranch[];
  /** Functions that no thread called, but for those of the module that exports the program. */
  readonly neverCalled: readonly { readonly file: string; readonly line: number; readonly name: string }[];
}

export interface MissedBranch {
  /** Below the project's folder. */
  readonly file: string;
  readonly line: number;
  /** "words[0] === 1 was never true" */
  readonly branch: string;
}

/** The URL, with a slash, of the folder with the nearest package.json; the module's own folder where there is none. */
export function projectRoot(module: string): string {
  const own = dirname(fileURLToPath(module));
  for (let folder = own; ; folder = dirname(folder)) {
    if (existsSync(join(folder, "package.json"))) return `${pathToFileURL(folder).href}/`;
    if (folder === dirname(folder)) return `${pathToFileURL(own).href}/`;
  }
}

interface File {
  readonly points: readonly Point[];
  readonly hits: readonly Uint8Array[];
}

export class Loaded {
  readonly #unwatched = new Set<string>();
  readonly #files = new Map<string, FileHits[]>();

  add({
    unwatched = [],
    files = [],
  }: {
    readonly unwatched?: readonly string[];
    readonly files?: readonly FileHits[];
  }): void {
    for (const what of unwatched) this.#unwatched.add(what);
    for (const hits of files) this.#files.set(hits.file, [...(this.#files.get(hits.file) ?? []), hits]);
  }

  /** Packages, and what else, that the threads run as it is. */
  get unwatched(): readonly string[] {
    return [...this.#unwatched].sort();
  }

  /** `root`: URL of the project's folder; `module`: URL of the module that exports the program. */
  branches(root: string, module: string): Branches {
    const missed: MissedBranch[] = [];
    const neverCalled: Branches["neverCalled"][number][] = [];
    let [total, reached] = [0, 0];
    for (const [path, parts] of [...this.#files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const file = relative(fileURLToPath(root), path);
      const own = path === fileURLToPath(module);
      const counted = count({ points: JSON.parse(parts[0]!.table) as Point[], hits: parts.map(({ hits }) => hits) });
      total += counted.total;
      reached += counted.reached;
      for (const { line, branch } of counted.missed) missed.push({ file, line, branch });
      if (!own) for (const { line, text } of counted.neverCalled) neverCalled.push({ file, line, name: text });
    }
    return { total, reached, missed, neverCalled };
  }
}

function count({ points, hits }: File) {
  const isHit = (arm: number): boolean => arm < 0 || hits.some((bytes) => bytes[arm] !== 0);
  const missed: { readonly line: number; readonly branch: string }[] = [];
  const neverCalled: Point[] = [];
  const ends = new Set<number>();
  let [total, reached] = [0, 0];
  /** Whether the function that a point stands in, or the module, was entered. */
  const isCalled = (within: number): boolean => {
    for (let arm = within; arm >= 0; arm = points[arm >> 1]!.within)
      if (points[arm >> 1]!.kind === "function") return isHit(arm);
    return true;
  };
  points.forEach((point, index) => {
    if (!isCalled(point.within)) return;
    const { kind, line, within } = point;
    if (kind === "function") {
      if (isHit(within) && !isHit(2 * index + 1)) neverCalled.push(point);
      return;
    }
    const arms = kind === "test" || kind === "nullish" ? [2 * index, 2 * index + 1] : [2 * index + 1];
    const left = arms.filter((arm) => !isHit(arm));
    total += arms.length;
    reached += arms.length - left.length;
    if (!isHit(within) || left.length === 0) return;
    if (left.length === arms.length && arms.length === 2) {
      // What comes after it was not reached either.
      if (ends.has(within)) return;
      ends.add(within);
    }
    missed.push({ line, branch: describe(point, left.length === 2 ? null : left[0]! % 2 === 1) });
  });
  return { total, reached, missed, neverCalled };
}

/** `arm`: which one was not taken; null: neither. */
function describe({ kind, text }: Point, arm: boolean | null): string {
  switch (kind) {
    case "test":
      return `${text} was never ${arm === null ? "reached" : arm ? "true" : "false"}`;
    case "nullish":
      return `${text} was ${arm === null ? "never reached" : arm ? "never null or undefined" : "never anything"}`;
    case "loop":
      return `a round over ${text} was never made`;
    default:
      return `${text} was never entered`;
  }
}
