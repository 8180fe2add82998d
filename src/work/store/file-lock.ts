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

/** How a lock is held: by one alone, or by any number beside each other. The statement takes it at once. */
const HOLD = {
  alone: "BEGIN EXCLUSIVE",
  shared: "BEGIN; SELECT count(*) FROM sqlite_master",
} as const;

/** Alone. Waits up to about ten seconds (TIMEOUT), without blocking the thread. */
export async function lockFile(path: string): Promise<AsyncDisposable> {
  return await holdFile(path, "alone");
}

/** Beside others that share it; waits for one that holds it alone, as `lockFile` does. */
export async function shareFile(path: string): Promise<AsyncDisposable> {
  return await holdFile(path, "shared");
}

/** Alone, if nobody holds it in any way now. */
export async function tryLockFile(path: string): Promise<AsyncDisposable | undefined> {
  const database = openLock(path);
  if (tryHold(database, path, "alone")) return closing(database);
  database.close();
  return undefined;
}

function closing(database: DatabaseSync): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      database.close();
    },
  };
}

async function holdFile(path: string, how: keyof typeof HOLD): Promise<AsyncDisposable> {
  const database = openLock(path);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (tryHold(database, path, how)) return closing(database);
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

function tryHold(database: DatabaseSync, path: string, how: keyof typeof HOLD): boolean {
  try {
    database.exec(HOLD[how]);
    return true;
  } catch (error) {
    if (error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY) {
      if (database.isTransaction) database.exec("ROLLBACK");
      return false;
    }
    database.close();
    throw new LockstepError(
      "DISK_FAILED",
      `cannot take the lock ${path}; check that it may be written to`,
      { path },
      { cause: error },
    );
  }
}
