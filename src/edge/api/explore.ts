/** `explore` for files: every program that a module exports, or those that are named, one after another. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { LockstepError } from "../../base/index.ts";
import { requirePath } from "./options.ts";
import {
  explore,
  loadAsTypeScript,
  programsOf,
  type ExploreOptions,
  type ExploreReport,
  type Program,
} from "../../threads/explore/index.ts";

export interface ExploreFileOptions extends ExploreOptions {
  /** Names of exports (`queue`, or `queues.small` where a record is exported). @default all */
  readonly programs?: readonly string[];
  /** Each report as soon as it is there. */
  readonly onReport?: (report: ExploreReport) => void;
}

/**
 * Explores the programs that a module exports. The file is imported: it may be TypeScript.
 * @returns the reports in order, up to and including the first with a failure
 * @throws NOT_FOUND (no such file, no program, no program of that name), INPUT_INVALID (the file cannot be loaded),
 * OPTION_INVALID, CANCELLED
 */
export async function exploreFile(
  path: string,
  { programs: wanted, onReport, ...options }: ExploreFileOptions = {},
): Promise<readonly ExploreReport[]> {
  const reports: ExploreReport[] = [];
  const found = await listPrograms(path);
  const chosen = choose(found, wanted, path);
  if (options.replay !== undefined && chosen.length !== 1)
    throw new LockstepError(
      "OPTION_INVALID",
      `a schedule is replayed with one program, and ${path} has ${[...found.keys()].join(", ")}: name the one that ` +
        "the schedule was reported for",
      { path, programs: [...found.keys()] },
    );
  for (const program of chosen) {
    const report = await explore(program, options);
    reports.push(report);
    onReport?.(report);
    if (report.failure !== null) break;
  }
  return reports;
}

/** The programs of a module, by the names they are exported under. @throws NOT_FOUND, INPUT_INVALID */
export async function listPrograms(path: string): Promise<ReadonlyMap<string, Program>> {
  requirePath(path, "the module that explore takes");
  const file = resolve(path);
  if (!existsSync(file)) throw new LockstepError("NOT_FOUND", `there is no file ${path}`, { path });
  let exports: Record<string, unknown>;
  const uninstall = await loadAsTypeScript();
  try {
    exports = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (thrown) {
    throw new LockstepError(
      "INPUT_INVALID",
      `${path} cannot be loaded: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      { path },
      { cause: thrown },
    );
  } finally {
    uninstall();
  }
  const found = programsOf(exports);
  if (found.size === 0)
    throw new LockstepError(
      "NOT_FOUND",
      `${path} exports no program; write one as: export const mine = program(import.meta.url, { setup, ` +
        "threads, check })",
      { path },
    );
  return found;
}

function choose(found: ReadonlyMap<string, Program>, wanted: readonly string[] | undefined, path: string): Program[] {
  if (wanted === undefined || wanted.length === 0) return [...found.values()];
  return wanted.map((name) => {
    const program = found.get(name);
    if (program === undefined)
      throw new LockstepError(
        "NOT_FOUND",
        `${path} exports no program "${name}"; there are ${[...found.keys()].join(", ")}`,
        { path, program: name },
      );
    return program;
  });
}
