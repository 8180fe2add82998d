/** SQLite's errors as typed ones, and the log's tables. */
import { existsSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { isLockstepError, LockstepError, type ErrorCode } from "../../base/index.ts";
import { diskError } from "../store/index.ts";

export const FORMAT = 1;

/** `previous` is unique: two receipts after the same one, a fork, cannot be written at all. */
export const TABLES = `
  CREATE TABLE receipts (
    idx INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    previous TEXT NOT NULL UNIQUE,
    request_id TEXT NOT NULL,
    version TEXT NOT NULL,
    profile_id TEXT NOT NULL,
    profile TEXT NOT NULL,
    commitment TEXT NOT NULL,
    summary_commitment TEXT NOT NULL,
    seed TEXT,
    answer_digest TEXT NOT NULL,
    at TEXT NOT NULL,
    request TEXT,
    summary TEXT,
    salt TEXT,
    erased_at TEXT
  ) STRICT;
  CREATE INDEX receipts_by_request ON receipts (request_id);
  CREATE INDEX receipts_by_version ON receipts (version);
  CREATE TABLE heads (
    count INTEGER PRIMARY KEY, head TEXT NOT NULL, at TEXT NOT NULL, key TEXT NOT NULL, signature TEXT NOT NULL
  ) STRICT;
  PRAGMA user_version = ${FORMAT};
`;

/** The columns under the names that a Receipt's fields have. */
export const RECEIPT_COLUMNS = `idx AS "index", hash, previous, request_id AS requestId, version,
  profile_id AS profileId, profile, commitment, summary_commitment AS summaryCommitment, seed,
  answer_digest AS answerDigest, at, request, summary, salt, erased_at AS erasedAt`;

/** By primary result code: https://www.sqlite.org/rescode.html */
const CODES: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  3: ["DISK_FAILED", "permission denied: check the owner and mode of the file and its folder"],
  5: ["TIMEOUT", "another process has been writing to it for too long; try again"],
  6: ["TIMEOUT", "another process has been writing to it for too long; try again"],
  8: ["DISK_FAILED", "it cannot be written to: check the owner and mode of the file and its folder"],
  10: ["DISK_FAILED", "the device reported an input/output error: check the disk"],
  11: ["LOG_CORRUPT", "it is damaged; restore it from a copy or an export"],
  13: ["DISK_FAILED", "the disk is full: free some space and try again"],
  14: ["DISK_FAILED", "it cannot be opened: check that its folder exists and may be written to"],
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
