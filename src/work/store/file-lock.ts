/**
 * A lock between processes and threads, held through an SQLite file: the operating system drops it when its owner dies,
 * so there is no stale lock to recognise and no process id to trust. The file stays empty: nothing is ever written to
 * it.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { LockstepError } from "../../base/index.ts";

const RETRY_MS = 10;
const ATTEMPTS = 1_000;
/** https://www.sqlite.org/rescode.html */
const SQLITE_BUSY = 5;

/** Waits up to about ten seconds (TIMEOUT), without blocking the thread. */
export async function lockFile(path: string): Promise<AsyncDisposable> {
  const database = openLock(path);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (tryLock(database, path))
      return {
        async [Symbol.asyncDispose]() {
          database.close();
        },
      };
    await delay(RETRY_MS);
  }
  database.close();
  throw new LockstepError(
    "TIMEOUT",
    `${path} has been locked by another process for ${(RETRY_MS * ATTEMPTS) / 1000} s; try again when it is done`,
    { path },
  );
}

function openLock(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw new LockstepError(
      "DISK_FAILED",
      `cannot open the lock ${path}; check that its folder may be written to`,
      { path },
      { cause: error },
    );
  }
}

function tryLock(database: DatabaseSync, path: string): boolean {
  try {
    database.exec("BEGIN EXCLUSIVE");
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) return false;
    database.close();
    throw new LockstepError(
      "DISK_FAILED",
      `cannot take the lock ${path}; check that it may be written to`,
      { path },
      { cause: error },
    );
  }
}
