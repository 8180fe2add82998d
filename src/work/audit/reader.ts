/**
 * A log opened for reading only: one consistent view of it, while others may go on writing. Synchronous; keep it off
 * busy threads.
 */
import { DatabaseSync } from "node:sqlite";
import { LockstepError } from "../../base/index.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";
import { signedHeadSchema, type SignedHead } from "./signing.ts";
import { FORMAT, logError, onLog, RECEIPT_COLUMNS, requireLog } from "./sqlite.ts";

const PAGE = 256;

export class LogReader implements Disposable {
  readonly path: string;
  readonly #database: DatabaseSync;

  constructor(path: string) {
    requireLog(path);
    this.path = path;
    this.#database = onLog(path, () => openSnapshot(path));
  }

  /**
   * Every receipt from index `from`, in order, a page at a time. Rows are as found: unchecked, and undefined where they
   * have not the form of one.
   */
  *pages(from = 0): Generator<readonly (Receipt | undefined)[]> {
    const query = this.#database.prepare(`SELECT ${RECEIPT_COLUMNS} FROM receipts WHERE idx >= ? ORDER BY idx LIMIT ?`);
    for (let at = from; ;) {
      const rows = onLog(this.path, () => query.all(at, PAGE));
      if (rows.length > 0) yield rows.map((row) => parseReceipt({ ...row }));
      if (rows.length < PAGE) return;
      at = Number(rows.at(-1)?.["index"]) + 1;
    }
  }

  /** Signed heads, oldest first. LOG_CORRUPT when one has not the form of one. */
  heads(): SignedHead[] {
    return onLog(this.path, () =>
      this.#database.prepare("SELECT count, head, at, key, signature FROM heads ORDER BY count").all(),
    ).map((row) => {
      const parsed = signedHeadSchema.safeParse({ ...row });
      if (parsed.success) return parsed.data;
      throw new LockstepError("LOG_CORRUPT", `the audit log ${this.path}: a signed head is damaged`, {
        path: this.path,
      });
    });
  }

  /** Whether a receipt that is not erased refers to this version. */
  refersTo(version: string): boolean {
    return (
      onLog(this.path, () =>
        this.#database.prepare("SELECT 1 FROM receipts WHERE version = ? AND erased_at IS NULL LIMIT 1").get(version),
      ) !== undefined
    );
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}

function openSnapshot(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    const format = database.prepare("PRAGMA user_version").get()?.["user_version"];
    if (format !== FORMAT)
      throw new LockstepError(
        "LOG_CORRUPT",
        `${path} is not an audit log of format ${FORMAT} (it says ${String(format)})`,
        { path },
      );
    database.exec("BEGIN");
    // The view begins with the first read.
    database.prepare("SELECT COUNT(*) FROM heads").get();
    return database;
  } catch (error) {
    database.close();
    throw logError(path, error);
  }
}
