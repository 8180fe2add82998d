/**
 * The log as its one writing thread sees it. Every write is a transaction that takes the write lock first and reads the
 * end of the chain under it, so that any number of processes make one chain. Synchronous: it lives in writer-worker.ts.
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LockstepError, makeFolder } from "../../base/index.ts";
import { pause } from "../../threads/sync/index.ts";
import { diskError } from "../store/index.ts";
import { syncFolder } from "./files.ts";
import { readHeadFile, writeHeadFile } from "./head-file.ts";
import type { ListQuery, LogStatus, WriterOptions } from "./messages.ts";
import { chainReceipt, GENESIS, parseReceipt, receiptHash, type PreparedReceipt, type Receipt } from "./receipt.ts";
import { openSigner, signedHeadSchema, type SignedHead, type Signer } from "./signing.ts";
import { FORMAT, immediately, isBusy, onLog, RECEIPT_COLUMNS, TABLES } from "./sqlite.ts";

const BUSY_MS = 5_000;

export class LogWriter {
  readonly #path: string;
  readonly #signEvery: number;
  readonly #signer: Signer | undefined;
  readonly #database: DatabaseSync;

  /** Creates the log when there is none. LOG_CORRUPT when its end is not what was last signed. */
  constructor(options: WriterOptions) {
    this.#path = options.path;
    this.#signEvery = options.signEvery;
    this.#signer = options.keyPath === undefined ? undefined : openKey(options.keyPath);
    this.#database = onLog(options.path, () => openDatabase(options.path));
    try {
      onLog(options.path, () => {
        immediately(this.#database, () => this.#checkEnd());
        // A crash may have fallen between a head's commit and its file.
        this.#publishHead();
      });
    } catch (error) {
      this.#database.close();
      throw error;
    }
  }

  /** One transaction for all of them; when it returns they are on the disk. */
  append(inputs: readonly PreparedReceipt[]): Receipt[] {
    return onLog(this.#path, () => {
      const { receipts, signed } = immediately(this.#database, () => this.#appendAll(inputs));
      if (signed) this.#publishHead();
      return receipts;
    });
  }

  /** By hash, or the latest with this request id. */
  get(id: string): Receipt | undefined {
    return onLog(this.#path, () => {
      const row = this.#database
        .prepare(`SELECT ${RECEIPT_COLUMNS} FROM receipts WHERE hash = ? OR request_id = ? ORDER BY idx DESC LIMIT 1`)
        .get(id, id);
      return row === undefined ? undefined : this.#receipt(row);
    });
  }

  list({ from, limit, newestFirst }: ListQuery): Receipt[] {
    const order = newestFirst ? "DESC" : "ASC";
    return onLog(this.#path, () =>
      this.#database
        .prepare(`SELECT ${RECEIPT_COLUMNS} FROM receipts ORDER BY idx ${order} LIMIT ? OFFSET ?`)
        .all(limit, from),
    ).map((row) => this.#receipt(row));
  }

  refersTo(version: string): boolean {
    return (
      onLog(this.#path, () =>
        this.#database.prepare("SELECT 1 FROM receipts WHERE version = ? AND erased_at IS NULL LIMIT 1").get(version),
      ) !== undefined
    );
  }

  /**
   * Removes request, summary and salt of every receipt with this hash or request id, from the free space of the file
   * too. Returns how many.
   */
  erase(id: string, at: string): number {
    return onLog(this.#path, () => {
      const { changes } = immediately(this.#database, () =>
        this.#database
          .prepare(
            "UPDATE receipts SET request = NULL, summary = NULL, salt = NULL, erased_at = ? WHERE (hash = ? OR " +
              "request_id = ?) AND erased_at IS NULL",
          )
          .run(at, id, id),
      );
      // The main file still has the old pages, until the journal has been copied over them.
      if (this.#database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] !== 0) {
        throw new LockstepError(
          "TIMEOUT",
          `${Number(changes)} receipts are erased from ${this.#path}, but a reader keeps their old bytes in ` +
            "the file; they go when the log is next closed or something else is erased",
          { erased: Number(changes) },
        );
      }
      return Number(changes);
    });
  }

  /** Writes a page as it is, to see whether the disk takes one: no receipt comes of it. */
  check(): void {
    onLog(this.#path, () =>
      immediately(this.#database, () => {
        const version = Number(this.#database.prepare("PRAGMA user_version").get()?.["user_version"]);
        this.#database.exec(`PRAGMA user_version = ${version}`);
      }),
    );
  }

  status(): LogStatus {
    return { ...onLog(this.#path, () => this.#end()), publicKey: this.#signer?.key };
  }

  /** Signs the head if receipts came since the last one. */
  close(): void {
    onLog(this.#path, () => {
      if (immediately(this.#database, () => this.#sign(this.#end(), 1))) this.#publishHead();
      leaveJournal(this.#database);
      this.#database.close();
    });
  }

  #appendAll(inputs: readonly PreparedReceipt[]): { receipts: Receipt[]; signed: boolean } {
    const insert = this.#database.prepare(
      "INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    );
    let { count, head } = this.#end();
    const receipts: Receipt[] = [];
    for (const input of inputs) {
      const r = chainReceipt(input, count, head, randomBytes(32).toString("hex"));
      insert.run(
        r.index,
        r.hash,
        r.previous,
        r.requestId,
        r.version,
        r.profileId,
        r.profile,
        r.commitment,
        r.summaryCommitment,
        r.seed,
        r.answerDigest,
        r.at,
        r.request,
        r.summary,
        r.salt,
        r.erasedAt,
      );
      receipts.push(r);
      count++;
      head = r.hash;
    }
    return { receipts, signed: this.#sign({ count, head }, this.#signEvery) };
  }

  /** Adds a signed head if at least `after` receipts came since the last one. */
  #sign({ count, head }: { count: number; head: string }, after: number): boolean {
    if (this.#signer === undefined || count - (this.#lastSigned()?.count ?? 0) < after) return false;
    const at = this.#database.prepare("SELECT at FROM receipts WHERE idx = ?").get(count - 1)?.["at"];
    const signed = this.#signer.sign(count, head, String(at));
    this.#database
      .prepare("INSERT INTO heads VALUES (?, ?, ?, ?, ?)")
      .run(signed.count, signed.head, signed.at, signed.key, signed.signature);
    return true;
  }

  /**
   * After the commit, so that the file never promises what the log has not; under the lock, so that heads only move
   * forward.
   */
  #publishHead(): void {
    immediately(this.#database, () => {
      const signed = this.#lastSigned();
      if (signed !== undefined) writeHeadFile(this.#path, signed);
    });
  }

  #lastSigned(): SignedHead | undefined {
    const row = this.#database
      .prepare("SELECT count, head, at, key, signature FROM heads ORDER BY count DESC LIMIT 1")
      .get();
    if (row === undefined) return undefined;
    const parsed = signedHeadSchema.safeParse({ ...row });
    if (!parsed.success) throw this.#corrupt("its last signed head is damaged");
    return parsed.data;
  }

  #end(): { count: number; head: string } {
    const row = this.#database.prepare("SELECT idx, hash FROM receipts ORDER BY idx DESC LIMIT 1").get();
    return row === undefined
      ? { count: 0, head: GENESIS }
      : { count: Number(row["idx"]) + 1, head: String(row["hash"]) };
  }

  /**
   * Nothing is ever added to a log that has lost its end, or that another key has signed. (The whole of it is checked
   * by `verifyLog`.)
   */
  #checkEnd(): void {
    const signed = [this.#lastSigned(), readHeadFile(this.#path)].filter((head) => head !== undefined);
    const { count } = this.#end();
    for (const head of signed) {
      const row = this.#database.prepare("SELECT hash FROM receipts WHERE idx = ?").get(head.count - 1);
      if (row === undefined)
        throw this.#corrupt(`it has ${count} receipts, but ${head.count} were signed: its end is missing`);
      if (row["hash"] !== head.head) throw this.#corrupt(`receipt ${head.count - 1} is not the one that was signed`);
      if (this.#signer !== undefined && head.key !== this.#signer.key)
        throw new LockstepError(
          "FORBIDDEN",
          `the audit log ${this.#path} was signed with another key; bring that key back, or begin a new log`,
          { path: this.#path },
        );
    }
    const last = this.#database.prepare(`SELECT ${RECEIPT_COLUMNS} FROM receipts ORDER BY idx DESC LIMIT 1`).get();
    if (last !== undefined) this.#receipt(last);
  }

  #receipt(row: Record<string, unknown>): Receipt {
    const receipt = parseReceipt({ ...row });
    if (receipt === undefined || receiptHash(receipt) !== receipt.hash)
      throw this.#corrupt(`receipt ${String(row["index"])} is damaged`);
    return receipt;
  }

  #corrupt(why: string): LockstepError {
    return new LockstepError(
      "LOG_CORRUPT",
      `the audit log ${this.#path}: ${why}; restore it from a copy, or move it away and begin a new one`,
      { path: this.#path },
    );
  }
}

function openKey(path: string): Signer {
  try {
    return openSigner(path);
  } catch (error) {
    throw diskError("use the signing key", path, error);
  }
}

function openDatabase(path: string): DatabaseSync {
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
    immediately(database, () => createTables(database, path));
    return database;
  } catch (error) {
    database.close();
    throw error;
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

/**
 * A closed log is one plain file that can be read from a read-only disk; while another process has it open, that one
 * will see to it.
 */
function leaveJournal(database: DatabaseSync): void {
  database.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA busy_timeout = 0");
  try {
    database.exec("PRAGMA journal_mode = DELETE");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

function createTables(database: DatabaseSync, path: string): void {
  const format = database.prepare("PRAGMA user_version").get()?.["user_version"];
  if (format === FORMAT) return;
  const [table] = database.prepare("SELECT name FROM sqlite_schema").all();
  if (format !== 0 || table !== undefined)
    throw new LockstepError(
      "LOG_CORRUPT",
      `${path} is an SQLite file, but not an audit log of format ${FORMAT}; name another file`,
      { path },
    );
  database.exec(TABLES);
}
