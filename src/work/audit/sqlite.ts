/** SQLite's errors as typed ones, and its transactions. */
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { isLockstepError, LockstepError, type ErrorCode } from "../../base/index.ts";
import { diskError } from "../store/index.ts";

/** By primary result code: https://www.sqlite.org/rescode.html */
const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  1: ["LOG_CORRUPT", "its tables are not those of an audit log; restore it from a copy"],
  3: ["DISK_FAILED", "permission denied: check the owner and mode of the file and its folder"],
  5: ["TIMEOUT", "another process has been writing to it for too long; try again"],
  6: ["TIMEOUT", "another process has been writing to it for too long; try again"],
  8: ["DISK_FAILED", "it cannot be written to: check the owner and mode of the file and its folder"],
  10: ["DISK_FAILED", "the device reported an input/output error: check the disk"],
  11: ["LOG_CORRUPT", "it is damaged; restore it from a copy or an export"],
  13: ["DISK_FAILED", "the disk is full: free some space and try again"],
  14: ["DISK_FAILED", "it cannot be opened: check that its folder exists and may be written to"],
  15: ["TIMEOUT", "other processes were locking it at the same moment; try again"],
  17: ["LOG_CORRUPT", "its tables were changed while it was open; restore it from a copy"],
  19: ["LOG_CORRUPT", "what would be written contradicts what is in it; restore it from a copy"],
  20: ["LOG_CORRUPT", "it has a value of the wrong type; restore it from a copy"],
  22: ["DISK_FAILED", "its file system cannot hold so large a file"],
  26: ["LOG_CORRUPT", "it is not an audit log"],
};

/** Runs `work` on the log at `path`; SQLite's and the system's errors become typed ones. */
export function onLog<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw logError(path, error);
  }
}

/** Another connection holds a lock. */
export function isBusy(error: unknown): boolean {
  return (
    error instanceof Error && "errcode" in error && typeof error.errcode === "number" && (error.errcode & 255) === 5
  );
}

export function logError(path: string, error: unknown): unknown {
  if (isLockstepError(error) || !(error instanceof Error)) return error;
  if (!("errcode" in error) || typeof error.errcode !== "number") return diskError("use the audit log", path, error);
  const [code, advice] = CODES[error.errcode & 255] ?? ["INTERNAL", error.message];
  return new LockstepError(code, `the audit log ${path}: ${advice}`, { path, sqlite: error.errcode }, { cause: error });
}

/**
 * Runs `work` in a transaction that holds the write lock from its beginning: what it reads is still so when it writes.
 */
export function immediately<T>(database: DatabaseSync, work: () => T): T {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = work();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    // SQLite may have rolled back by itself, as it does when the disk is full.
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

export function requireLog(path: string): void {
  if (!existsSync(path)) throw new LockstepError("NOT_FOUND", `there is no audit log at ${path}`, { path });
}
