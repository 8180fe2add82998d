/**
 * Folders, made level by level. `mkdir` with `recursive` never returns where the parent is there and takes no children
 * (a mount whose folder is gone, `/proc`): it makes the parent again and again.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { LockstepError } from "./errors.ts";

/**
 * Makes the folder `path` and those above it, where they are missing; `mode` is for those that are made. @throws
 * DISK_FAILED where the system refuses; OPTION_INVALID where something else has that name
 */
export function makeFolder(path: string, mode = 0o777): void {
  const missing: string[] = [];
  let at = resolve(path);
  while (!made(at, path, mode, dirname(at) !== at)) {
    missing.push(at);
    at = dirname(at);
  }
  for (const one of missing.reverse()) made(one, path, mode, false);
}

/** Whether the folder `at` is there now; false: what is above it is missing, and the caller may look there. */
function made(at: string, whole: string, mode: number, mayAskAbove: boolean): boolean {
  try {
    mkdirSync(at, { mode });
    return true;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && isFolder(at)) return true;
    const details = { path: whole };
    if (code === "EEXIST" || code === "ENOTDIR")
      throw new LockstepError(
        "OPTION_INVALID",
        `the folder ${whole} cannot be made: ${at} or what is above it is no folder`,
        details,
        { cause: error },
      );
    if (code === "ENOENT" && mayAskAbove) return false;
    throw new LockstepError(
      "DISK_FAILED",
      `the folder ${whole} cannot be made (${message}); check the path, and that its disk is there and may be ` +
        "written to",
      details,
      { cause: error },
    );
  }
}

/** A link to a folder is one; a link to nothing, or into a mount that is gone, is none. */
function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}
