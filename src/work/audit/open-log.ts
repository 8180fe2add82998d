/**
 * A log opened for writing: its file made where there is none, proven whole before anything is added, and brought to
 * today's format. The key signs only what it wrote or what is verified here.
 */
import { closeSync, existsSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LockstepError, makeFolder } from "../../base/index.ts";
import { pause } from "../../threads/sync/index.ts";
import type { VerifyReport } from "./chain-checker.ts";
import { isOfOldFolder } from "./compare-kept.ts";
import { syncFolder } from "./files.ts";
import { readKeptHead, setAside } from "./kept-head.ts";
import type { Known } from "./messages.ts";
import { formatOf, requireSchema, upgrade } from "./schema.ts";
import type { Signer } from "./signing.ts";
import { immediately, isBusy } from "./sqlite.ts";
import { verifyLogNow } from "./verify.ts";

const BUSY_MS = 5_000;

/** Logs of format 1 were signed every 100 receipts: a killed writer left fewer than that without a signature. */
const UNSIGNED_AT_MOST = 100;

/** The file, with its tables. What it holds is not looked at. */
export function openDatabase(path: string): DatabaseSync {
  makeFolder(dirname(path));
  // It holds what people wrote: for the owner's eyes only. SQLite takes an empty file as a new database, and gives its
  // journal the same mode.
  closeSync(openSync(path, "a", 0o600));
  syncFolder(dirname(path));
  const database = new DatabaseSync(path, { timeout: BUSY_MS });
  try {
    useJournal(database);
    // FULL: a commit is on the disk when it returns. secure_delete: what is erased is overwritten.
    database.exec("PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
    immediately(database, () => {
      const format = formatOf(database, path);
      if (format === 0) upgrade(database, 0);
      else requireSchema(database, format, path);
    });
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * A closed log is one plain file that can be read from a read-only disk; while another process has it open, that one
 * will see to it.
 */
export function leaveJournal(database: DatabaseSync): void {
  database.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = 0");
  try {
    database.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

/** Changing the journal mode does not wait for other processes as everything else does. */
function useJournal(database: DatabaseSync): void {
  const deadline = performance.now() + BUSY_MS;
  while (database.prepare("PRAGMA journal_mode").get()?.["journal_mode"] !== "wal") {
    try {
      database.exec("PRAGMA journal_mode = WAL");
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      pause(20);
    }
  }
}

/** Before the file is made: LOG_CORRUPT when a log with receipts lay in this very folder and is gone. */
export function requireNotGone(path: string, keptHeads: string): void {
  const kept = readKeptHead(keptHeads, path);
  if (kept === undefined || kept.count === 0 || existsSync(path) || isOfOldFolder(kept)) return;
  throw new LockstepError(
    "LOG_CORRUPT",
    `an audit log of ${kept.count} receipts lay at ${path}, and it is gone; restore it from a copy, name another ` +
      `file (--audit FILE), or remove ${kept.file} to begin a new log here`,
    { path, count: kept.count },
  );
}

/**
 * A store that was removed and made anew has another log than the one that is remembered: that one's head is set aside,
 * and whoever opens the new one is told.
 */
export function leaveFormerLog(path: string, keptHeads: string, first: string): readonly string[] {
  const kept = readKeptHead(keptHeads, path);
  if (kept === undefined || kept.count === 0 || kept.first === first) return [];
  return [
    `another audit log, of ${kept.count} receipts, lay at ${path} before its folder was made anew; the last head of ` +
      `that one is kept in ${setAside(kept)}`,
  ];
}

/** The whole log verified; it has what is known. LOG_CORRUPT, or FORBIDDEN when it is not this key's. */
export function requireWhole(
  path: string,
  signer: Signer | undefined,
  keptHeads: string | undefined,
  known: Known | undefined,
): VerifyReport {
  const report = verifyLogNow(path, {
    ...(keptHeads === undefined ? {} : { keptHeads }),
    ...(known === undefined ? {} : { minCount: known.count, expectedHead: known.head }),
  });
  const { problem, key, count, format } = report;
  if (problem !== undefined) throw corrupt(path, problem.message);
  if (key !== null && key !== signer?.key)
    throw new LockstepError(
      "FORBIDDEN",
      `the audit log ${path} was signed with another key` +
        `${signer === undefined ? " than none" : ""}; bring that key back, or begin a new log (--audit FILE)`,
      { path },
    );
  if (key === null && signer !== undefined && count >= (format === 1 ? UNSIGNED_AT_MOST : 1))
    throw corrupt(
      path,
      `it has ${count} receipts and none is signed, so this key does not vouch for them; go on without a key, or ` +
        "begin a new log (--audit FILE)",
    );
  return report;
}

export function corrupt(path: string, why: string): LockstepError {
  const advice = / (copy|remove|begin) /.test(why) ? "" : "; restore it from a copy, or begin a new one (--audit FILE)";
  return new LockstepError("LOG_CORRUPT", `the audit log ${path}: ${why}${advice}`, { path });
}
