/**
 * A log opened for reading only: one consistent view of it, while others may go on writing. Synchronous; keep it off
 * busy threads.
 */
import { DatabaseSync, type SQLOutputValue } from "node:sqlite";
import { LockstepError } from "../../base/index.ts";
import { parseReceipt, type Receipt } from "./receipt.ts";
import { formatOf, receiptColumns, requireIntegrity, requireSchema } from "./schema.ts";
import { signedHeadSchema, type LogFormat, type SignedHead } from "./signing.ts";
import { logError, onLog, requireLog } from "./sqlite.ts";

const PAGE = 256;

export class LogReader implements Disposable {
  readonly path: string;
  readonly format: LogFormat;
  readonly #database: DatabaseSync;

  /** NOT_FOUND when there is no log, LOG_CORRUPT when it has not the tables of one. */
  constructor(path: string) {
    requireLog(path);
    this.path = path;
    const { database, format } = onLog(path, () => openSnapshot(path));
    this.#database = database;
    this.format = format;
  }

  /** LOG_CORRUPT when a page is damaged, or an index does not agree with its table. */
  requireIntegrity(): void {
    onLog(this.path, () => requireIntegrity(this.#database, this.path));
  }

  /**
   * Every receipt from index `from`, in order, a page at a time. Rows are as found: unchecked, and undefined where they
   * have not the form of one.
   */
  *pages(from = 0): Generator<readonly (Receipt | undefined)[]> {
    const columns = receiptColumns(this.format);
    for (let at = from; ;) {
      const rows = this.#all(`SELECT ${columns} FROM receipts WHERE idx >= ? ORDER BY idx LIMIT ?`, at, PAGE);
      if (rows.length > 0) yield rows.map((row) => parseReceipt({ ...row }));
      if (rows.length < PAGE) return;
      at = Number(rows.at(-1)?.["index"]) + 1;
    }
  }

  /** Signed heads, oldest first. LOG_CORRUPT when one has not the form of one. */
  heads(): SignedHead[] {
    return this.#all("SELECT count, head, at, key, signature FROM heads ORDER BY count").map((row) => {
      const parsed = signedHeadSchema.safeParse({ ...row });
      if (parsed.success) return parsed.data;
      throw new LockstepError("LOG_CORRUPT", `the audit log ${this.path}: a signed head is damaged`, {
        path: this.path,
      });
    });
  }

  /** Hash of the receipt at this index, unchecked. */
  hashAt(index: number): string | undefined {
    const [row] = this.#all("SELECT hash FROM receipts WHERE idx = ?", index);
    return row === undefined ? undefined : String(row["hash"]);
  }

  /** Whether a receipt that is not erased refers to this version. */
  refersTo(version: string): boolean {
    return this.#all("SELECT 1 FROM receipts WHERE version = ? AND erased_at IS NULL LIMIT 1", version).length > 0;
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #all(sql: string, ...values: (string | number)[]): Record<string, SQLOutputValue>[] {
    return onLog(this.path, () => this.#database.prepare(sql).all(...values));
  }
}

function openSnapshot(path: string): { database: DatabaseSync; format: LogFormat } {
  const database = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    database.exec("BEGIN");
    // The view begins with the first read.
    const format = formatOf(database, path);
    if (format === 0) throw new LockstepError("LOG_CORRUPT", `${path} is empty, not an audit log`, { path });
    requireSchema(database, format, path);
    return { database, format };
  } catch (error) {
    database.close();
    throw logError(path, error);
  }
}
