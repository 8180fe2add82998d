/**
 * The log as its one writing thread sees it. Every write is a transaction that takes the write lock first and reads the
 * end of the chain under it, so that any number of processes make one chain; and it finds there what this process wrote
 * last, or what another one has added and signed since, or nothing is written. Synchronous: it lives in
 * writer-worker.ts.
 */
import { randomBytes } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import type { DatabaseSync, StatementResultingChanges, StatementSync } from "node:sqlite";
import { isLockstepError, LockstepError } from "../../base/index.ts";
import { diskError } from "../store/index.ts";
import { ChainChecker } from "./chain-checker.ts";
import { later, MAX_ERASED, prepareErasure, type ErasedReceipt, type Erasure } from "./erasure.ts";
import { readHeadFile, writeHeadFile } from "./head-file.ts";
import { forget, HeadKeeper, otherPlaces, type KeptHead } from "./kept-head.ts";
import type { ErasureResult, Known, ListQuery, LogStatus, WriterOptions } from "./messages.ts";
import { corrupt, leaveFormerLog, leaveJournal, openDatabase, requireNotGone, requireWhole } from "./open-log.ts";
import {
  chainReceipt,
  GENESIS,
  parseReceipt,
  receiptHash,
  type PreparedReceipt,
  type Receipt,
  type ReceiptKind,
} from "./receipt.ts";
import { FORMAT, receiptColumns, requireSchema, upgrade } from "./schema.ts";
import { openSigner, signedHeadSchema, type SignedHead, type Signer } from "./signing.ts";
import { immediately, onLog } from "./sqlite.ts";

const COLUMNS = receiptColumns(FORMAT);

interface End {
  readonly count: number;
  readonly head: string;
}

export class LogWriter {
  readonly #path: string;
  readonly #signEvery: number;
  readonly #signer: Signer | undefined;
  readonly #keeper: HeadKeeper | undefined;
  readonly #database: DatabaseSync;
  readonly #notices: string[] = [];
  /** What this process wrote or verified last. */
  #end: End = { count: 0, head: GENESIS };
  /** The files that are open, by identity. */
  #files: readonly string[] = [];
  #schema: unknown;
  #firstHash = GENESIS;
  /** Compiled once. */
  readonly #statements = new Map<string, StatementSync>();
  /** Receipts that the head file beside the log covers. */
  #besides = 0;
  /** Once the log is not what it was, nothing more is written. */
  #broken: LockstepError | undefined;

  /** Creates the log when there is none. LOG_CORRUPT, FORBIDDEN: it is not what was signed and kept. */
  constructor({ path, signEvery, keyPath, keptHeads, known }: WriterOptions) {
    this.#path = path;
    this.#signEvery = signEvery;
    this.#signer = keyPath === undefined ? undefined : openKey(keyPath);
    this.#keeper = keptHeads === undefined ? undefined : new HeadKeeper(keptHeads, path);
    this.#database = onLog(path, () => {
      if (keptHeads !== undefined) requireNotGone(path, keptHeads);
      if (known !== undefined && known.count > 0 && !existsSync(path)) throw corrupt(path, "its file was removed");
      return openDatabase(path);
    });
    try {
      onLog(path, () => this.#begin(keptHeads, known));
    } catch (error) {
      this.#database.close();
      this.#keeper?.[Symbol.dispose]();
      throw error;
    }
  }

  /** One transaction for all of them; when it returns they are on the disk, and signed. */
  append(inputs: readonly PreparedReceipt[]): Receipt[] {
    return this.#commit(() => this.#insert(inputs, "answer"));
  }

  /** By hash, or the latest with this request id. */
  get(id: string): Receipt | undefined {
    return onLog(this.#path, () => {
      const row = this.#prepare(
        `SELECT ${COLUMNS} FROM receipts WHERE hash = ? OR request_id = ? ORDER BY idx DESC LIMIT 1`,
      ).get(id, id);
      return row === undefined ? undefined : this.#receipt(row);
    });
  }

  list({ from, limit, newestFirst }: ListQuery): Receipt[] {
    const order = newestFirst ? "DESC" : "ASC";
    return onLog(this.#path, () =>
      this.#prepare(`SELECT ${COLUMNS} FROM receipts ORDER BY idx ${order} LIMIT ? OFFSET ?`).all(limit, from),
    ).map((row) => this.#receipt(row));
  }

  refersTo(version: string): boolean {
    return (
      onLog(this.#path, () =>
        this.#prepare("SELECT 1 FROM receipts WHERE version = ? AND erased_at IS NULL LIMIT 1").get(version),
      ) !== undefined
    );
  }

  /**
   * Removes request, summary and salt of every receipt with this hash or request id, from the free space of the file
   * too, and writes a receipt that says so. `at`: now; an erasure is never dated before what it erases.
   */
  erase(id: string, at: string): ErasureResult {
    const result = this.#commit(() => {
      const rows = this.#prepare(
        "SELECT idx, hash, at FROM receipts WHERE (hash = ? OR request_id = ?) AND erased_at IS NULL AND kind = " +
          "'answer' ORDER BY idx LIMIT ?",
      )
        .all(id, id, MAX_ERASED)
        .map((row) => ({ index: Number(row["idx"]), hash: String(row["hash"]), at: String(row["at"]) }));
      if (rows.length === 0) return { erased: [], receipt: null };
      const when = rows.reduce((latest, row) => later(latest, row.at), at);
      const update = this.#prepare(
        "UPDATE receipts SET request = NULL, summary = NULL, salt = NULL, erased_at = ? WHERE idx = ?",
      );
      for (const { index } of rows) this.#requireOne(update.run(when, index));
      const receipts = rows.map(({ index, hash }) => ({ index, hash, at: when }));
      const [receipt] = this.#insert([prepareErasure({ why: "erased", receipts }, when)], "erasure");
      return { erased: rows.map(({ hash }) => hash), receipt: receipt?.hash ?? null };
    });
    onLog(this.#path, () => this.#dropOldPages(result.erased.length));
    return result;
  }

  /** Writes a page as it is, to see whether the disk takes one, and a receipt would be taken: none comes of it. */
  check(): void {
    this.#commit(() => {
      this.#database.exec(`PRAGMA user_version = ${FORMAT}`);
    });
  }

  status(): LogStatus {
    return { ...this.#end, publicKey: this.#signer?.key, notices: this.#notices };
  }

  /** Every group is signed already: what is left is to leave one plain file. It is closed even when that fails. */
  close(): void {
    onLog(this.#path, () => {
      try {
        this.#requireFiles();
        this.#publishHead(true);
        leaveJournal(this.#database);
      } finally {
        this.#database.close();
        this.#keeper?.[Symbol.dispose]();
      }
    });
  }

  /** Nothing is ever added to a log that has lost something, or that another key has signed. */
  #begin(keptHeads: string | undefined, known: Known | undefined): void {
    const { count, head } = requireWhole(this.#path, this.#signer, keptHeads, known);
    this.#end = { count, head };
    immediately(this.#database, () => {
      // Before the first signed head, so that there is none without a head file.
      if (this.#signer !== undefined && this.#lastSigned() === undefined && readHeadFile(this.#path) === undefined)
        writeHeadFile(this.#path, this.#signer.sign(0, GENESIS, ""));
      this.#upgrade();
      this.#follow();
      this.#sign();
    });
    this.#schema = this.#schemaVersion();
    this.#files = this.#fileIdentities();
    if (keptHeads !== undefined) this.#settleKept(keptHeads);
    this.#publishHead(true);
  }

  /** A log of format 1 becomes one of today's; what it had erased is named in the chain, as found. */
  #upgrade(): void {
    if (this.#prepare("PRAGMA user_version").get()?.["user_version"] !== 1) return;
    upgrade(this.#database, 1);
    const found: ErasedReceipt[] = this.#prepare(
      "SELECT idx, hash, erased_at FROM receipts WHERE erased_at IS NOT NULL ORDER BY idx",
    )
      .all()
      .map((row) => ({ index: Number(row["idx"]), hash: String(row["hash"]), at: String(row["erased_at"]) }));
    for (let from = 0; from < found.length; from += MAX_ERASED) {
      const receipts = found.slice(from, from + MAX_ERASED);
      const erasure: Erasure = { why: "found", receipts };
      const at = receipts.reduce((latest, one) => later(latest, one.at), receipts[0]!.at);
      this.#insert([prepareErasure(erasure, at)], "erasure");
    }
  }

  /** What was kept of a former log at this path, and of this log at a path where it is no more. */
  #settleKept(keptHeads: string): void {
    const first = this.#first();
    this.#notices.push(...leaveFormerLog(this.#path, keptHeads, first));
    if (first === GENESIS) return;
    for (const other of otherPlaces(keptHeads, this.#path, first)) if (!existsSync(other.path)) forget(other);
  }

  /** `work` writes in one transaction, after the end of the log was found to be as it was left, and is signed in it. */
  #commit<T>(work: () => T): T {
    if (this.#broken !== undefined) throw this.#broken;
    return onLog(this.#path, () => {
      const before = this.#end;
      try {
        this.#requireFiles();
        const result = immediately(this.#database, () => {
          this.#requireSchema();
          this.#follow();
          const done = work();
          this.#sign();
          return done;
        });
        this.#publishHead(false);
        return result;
      } catch (error) {
        this.#end = before;
        if (isLockstepError(error) && error.code === "LOG_CORRUPT") this.#broken = error;
        throw error;
      }
    });
  }

  #insert(inputs: readonly PreparedReceipt[], kind: ReceiptKind): Receipt[] {
    const insert = this.#prepare("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    return inputs.map((input) => {
      const { count, head } = this.#end;
      const r = chainReceipt(input, count, head, randomBytes(32).toString("hex"), kind);
      this.#requireOne(
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
          r.kind,
        ),
      );
      this.#end = { count: count + 1, head: r.hash };
      return r;
    });
  }

  /** What this process wrote or verified last is there; what others added since is right, and signed with the key. */
  #follow(): void {
    const { count, head } = this.#end;
    const rows = this.#prepare("SELECT idx, hash FROM receipts WHERE idx >= ? ORDER BY idx LIMIT 2").all(
      Math.max(0, count - 1),
    );
    const own = count === 0 ? [] : rows.slice(0, 1);
    if (count > 0 && (own[0]?.["idx"] !== count - 1 || own[0]["hash"] !== head))
      throw corrupt(this.#path, `receipt ${count - 1}, which was written or verified by this process, is gone`);
    if (rows.length > own.length) this.#end = this.#verifySince(this.#end);
  }

  #verifySince(start: End): End {
    const checker = new ChainChecker(this.#signer === undefined ? {} : { publicKey: this.#signer.key }, start);
    checker.setFormat(FORMAT);
    const rows = this.#prepare(`SELECT ${COLUMNS} FROM receipts WHERE idx >= ? ORDER BY idx`).iterate(start.count);
    for (const row of rows) checker.add(parseReceipt({ ...row }));
    checker.addHeads(this.#headsSince(start.count));
    const { count, head, problem } = checker.report();
    if (problem !== undefined) throw corrupt(this.#path, problem.message);
    return { count, head };
  }

  #headsSince(count: number): SignedHead[] {
    return this.#prepare("SELECT count, head, at, key, signature FROM heads WHERE count > ? ORDER BY count")
      .all(count)
      .map((row) => this.#signedHead(row));
  }

  /**
   * Signs the end, if it is not. The newest head takes the place of the one before it, unless that one is the last of
   * its `signEvery` receipts.
   */
  #sign(): void {
    const { count, head } = this.#end;
    const last = this.#lastSigned();
    if (this.#signer === undefined || count === (last?.count ?? 0)) return;
    const at = this.#prepare("SELECT at FROM receipts WHERE idx = ?").get(count - 1)?.["at"];
    const signed = this.#signer.sign(count, head, String(at));
    if (last !== undefined && !this.#crosses(last.count, count))
      this.#requireOne(this.#prepare("DELETE FROM heads WHERE count = ?").run(last.count));
    this.#requireOne(
      this.#prepare("INSERT INTO heads VALUES (?, ?, ?, ?, ?)").run(
        signed.count,
        signed.head,
        signed.at,
        signed.key,
        signed.signature,
      ),
    );
  }

  #crosses(from: number, to: number): boolean {
    return Math.floor(from / this.#signEvery) !== Math.floor(to / this.#signEvery);
  }

  /**
   * After the commit, so that nothing outside promises what the log has not; under the lock, so that heads only move
   * forward. The file beside the log is written every `signEvery` receipts, and at the end (`durably`).
   */
  #publishHead(durably: boolean): void {
    immediately(this.#database, () => {
      const { count, head } = this.#end;
      this.#keeper?.keep({ count, head, first: this.#first(), format: FORMAT } satisfies KeptHead);
      if (!durably && !this.#crosses(this.#besides, count)) return;
      const signed = this.#lastSigned();
      if (signed === undefined) return;
      writeHeadFile(this.#path, signed);
      this.#besides = signed.count;
    });
  }

  #lastSigned(): SignedHead | undefined {
    const row = this.#prepare("SELECT count, head, at, key, signature FROM heads ORDER BY count DESC LIMIT 1").get();
    return row === undefined ? undefined : this.#signedHead(row);
  }

  #signedHead(row: Record<string, unknown>): SignedHead {
    const parsed = signedHeadSchema.safeParse({ ...row });
    if (!parsed.success) throw corrupt(this.#path, "a signed head is damaged");
    return parsed.data;
  }

  /** Hash of the first receipt: which log it is. */
  #first(): string {
    if (this.#firstHash === GENESIS) {
      const row = this.#prepare("SELECT hash FROM receipts WHERE idx = 0").get();
      if (row !== undefined) this.#firstHash = String(row["hash"]);
    }
    return this.#firstHash;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }

  /** Looked at when another connection has changed it. */
  #requireSchema(): void {
    const version = this.#schemaVersion();
    if (version === this.#schema) return;
    requireSchema(this.#database, FORMAT, this.#path);
    this.#schema = version;
  }

  #schemaVersion(): unknown {
    return this.#prepare("PRAGMA schema_version").get()?.["schema_version"];
  }

  #fileIdentities(): string[] {
    return [this.#path, `${this.#path}-wal`].map((path) => {
      const { dev, ino } = statSync(path, { bigint: true });
      return `${dev}-${ino}`;
    });
  }

  /** A file that has lost its name takes what is written to it along when it is closed. */
  #requireFiles(): void {
    let now: readonly string[] = [];
    try {
      now = this.#fileIdentities();
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    }
    if (now.length !== this.#files.length || now.some((identity, i) => identity !== this.#files[i]))
      throw corrupt(this.#path, "its file was removed or replaced while it was open");
  }

  /** A trigger can make a write do nothing, or something else. */
  #requireOne({ changes }: StatementResultingChanges): void {
    if (Number(changes) !== 1) throw corrupt(this.#path, `a row was to be written, and ${String(changes)} were`);
  }

  /** The main file still has the old pages, until the journal has been copied over them. */
  #dropOldPages(erased: number): void {
    if (this.#prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] === 0) return;
    throw new LockstepError(
      "TIMEOUT",
      `${erased} receipts are erased from ${this.#path}, but a reader keeps their old bytes in the file; they go ` +
        "when the log is next closed or something else is erased",
      { erased },
    );
  }

  #receipt(row: Record<string, unknown>): Receipt {
    const receipt = parseReceipt({ ...row });
    if (receipt === undefined || receiptHash(receipt) !== receipt.hash)
      throw corrupt(this.#path, `receipt ${String(row["index"])} is damaged`);
    return receipt;
  }
}

function openKey(path: string): Signer {
  try {
    return openSigner(path);
  } catch (error) {
    throw diskError("use the signing key", path, error);
  }
}
