/**
 * The log's tables, and whether a file has these and nothing else: a trigger, a view or an altered table could make
 * receipts vanish that were confirmed, and a damaged index hides one that is there.
 */
import { DatabaseSync } from "node:sqlite";
import { LockstepError } from "../../base/index.ts";
import type { LogFormat } from "./signing.ts";

/** The format that is written; each earlier one is read, and made this one when it is opened for writing. */
export const FORMAT: LogFormat = 2;

/** What makes format n out of n − 1. `previous` is unique: two receipts after the same one cannot be written at all. */
const STEPS: Readonly<Record<LogFormat, string>> = {
  1: `
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
  PRAGMA user_version = 1;
`,
  2: `
  ALTER TABLE receipts ADD COLUMN kind TEXT NOT NULL DEFAULT 'answer';
  PRAGMA user_version = 2;
`,
};

const FORMATS: readonly LogFormat[] = [1, 2];

/** The columns under the names that a Receipt's fields have. */
export function receiptColumns(format: LogFormat): string {
  return `idx AS "index", hash, previous, request_id AS requestId, version, profile_id AS profileId, profile,
    commitment, summary_commitment AS summaryCommitment, seed, answer_digest AS answerDigest, at, request, summary,
    salt, erased_at AS erasedAt, ${format === 1 ? "'answer'" : "kind"} AS kind`;
}

/** Makes an empty database, or a log of format `from`, one of today's format. */
export function upgrade(database: DatabaseSync, from: 0 | LogFormat): void {
  for (const format of FORMATS) if (format > from) database.exec(STEPS[format]);
}

/** 0: a database without anything in it. LOG_CORRUPT when the file is something else. */
export function formatOf(database: DatabaseSync, path: string): 0 | LogFormat {
  const said = database.prepare("PRAGMA user_version").get()?.["user_version"];
  const format = FORMATS.find((known) => known === said);
  if (format !== undefined) return format;
  const [object] = database.prepare("SELECT name FROM sqlite_schema").all();
  if (said === 0 && object === undefined) return 0;
  throw new LockstepError(
    "LOG_CORRUPT",
    `${path} is an SQLite file, but not an audit log of a format from 1 to ${FORMAT} (it says ${String(said)}); ` +
      "name another file",
    { path },
  );
}

/** LOG_CORRUPT when the file's tables, indexes, triggers and views are not exactly those of the format. */
export function requireSchema(database: DatabaseSync, format: LogFormat, path: string): void {
  const found = objectsOf(database);
  const expected = expectedObjects(format);
  for (const [name, sql] of found)
    if (expected.get(name) !== sql) throw refused(path, `${name} is not part of a log, or not as a log has it`);
  for (const name of expected.keys()) if (!found.has(name)) throw refused(path, `${name} is missing`);
}

/** LOG_CORRUPT when pages are damaged, or an index does not have exactly the rows of its table. */
export function requireIntegrity(database: DatabaseSync, path: string): void {
  const [first] = database.prepare("PRAGMA integrity_check(1)").all();
  const said = first?.["integrity_check"];
  if (said !== "ok") throw refused(path, `SQLite finds it damaged (${String(said)})`);
}

function expectedObjects(format: LogFormat): Map<string, unknown> {
  const database = new DatabaseSync(":memory:");
  try {
    for (const step of FORMATS) if (step <= format) database.exec(STEPS[step]);
    return objectsOf(database);
  } finally {
    database.close();
  }
}

function objectsOf(database: DatabaseSync): Map<string, unknown> {
  const rows = database.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema").all();
  return new Map(
    rows.map(({ type, name, tbl_name, sql }) => [
      `the ${String(type)} ${String(name)}`,
      `${String(tbl_name)}: ${String(sql)}`,
    ]),
  );
}

function refused(path: string, why: string): LockstepError {
  return new LockstepError("LOG_CORRUPT", `the audit log ${path}: ${why}; restore it from a copy`, { path });
}
