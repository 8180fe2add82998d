/**
 * Forged logs, one kind a line: each is refused by whoever verifies it, and by whoever would go on writing it. The
 * forger can write to the folder of the log; the key and the kept heads are out of reach.
 */
import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { canonicalJson, isLockstepError } from "../../src/base/index.ts";
import { headFile, verifyLog, type ProblemKind } from "../../src/work/audit/index.ts";
import { prepareErasure } from "../../src/work/audit/erasure.ts";
import { readHeadFile } from "../../src/work/audit/head-file.ts";
import { chainReceipt, prepareReceipt } from "../../src/work/audit/receipt.ts";
import { LogWriter } from "../../src/work/audit/writer.ts";
import { otherSpelling, receiptsOf, replaceRows, rewrite, signAs, snapshot, sql } from "./support/forge.ts";
import { fixture, input, write } from "./support/inputs.ts";

interface Forgery {
  readonly name: string;
  readonly found: ProblemKind;
  readonly forge: (log: string, elsewhere: Elsewhere) => void;
}

/** What else a forger may have at hand. */
interface Elsewhere {
  /** Older files of the same log. */
  readonly older: string;
  /** The log of another store, signed with the same key. */
  readonly other: string;
  readonly stranger: string;
}

const FORGED = canonicalJson({ label: "forged", probability: 0.99 });
const AT = "2030-01-01T00:00:00.000Z";
const ERASED = "request = NULL, summary = NULL, salt = NULL, erased_at";

function withForgedLabel(log: string): void {
  rewrite(
    log,
    receiptsOf(log).map((receipt) => (receipt.index === 3 ? { ...receipt, summary: FORGED } : receipt)),
  );
}

/** In the catalogue itself, where no statement would let it happen. */
function catalogue(log: string, change: string): void {
  sql(log, `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET ${change}; PRAGMA writable_schema = OFF`);
}

const FORGERIES: readonly Forgery[] = [
  {
    name: "a label changed, all hashes made anew, heads and head file removed",
    found: "not-signed",
    forge: (log) => {
      withForgedLabel(log);
      sql(log, "DELETE FROM heads");
      rmSync(headFile(log));
    },
  },
  {
    name: "a label changed, all hashes made anew, and signed with a stranger's key",
    found: "key-wrong",
    forge: (log, { stranger }) => {
      withForgedLabel(log);
      signAs(log, stranger);
    },
  },
  {
    name: "a label changed in place",
    found: "text-changed",
    forge: (log) => sql(log, `UPDATE receipts SET summary = '${FORGED}' WHERE idx = 3`),
  },
  {
    name: "a text changed in place",
    found: "text-changed",
    forge: (log) => sql(log, "UPDATE receipts SET request = '{}' WHERE idx = 3"),
  },
  { name: "the end dropped", found: "end-missing", forge: (log) => sql(log, "DELETE FROM receipts WHERE idx >= 7") },
  {
    name: "the end dropped together with its heads, and the head file",
    found: "not-signed",
    forge: (log) => {
      sql(log, "DELETE FROM receipts WHERE idx >= 7; DELETE FROM heads");
      rmSync(headFile(log));
    },
  },
  {
    name: "all files as they once were",
    found: "end-missing",
    forge: (log, { older }) => cpSync(older, dirname(log), { recursive: true }),
  },
  {
    name: "the middle dropped",
    found: "receipt-missing",
    forge: (log) => sql(log, "DELETE FROM receipts WHERE idx = 4"),
  },
  {
    name: "the middle dropped, and the gap closed",
    found: "chain-broken",
    forge: (log) =>
      replaceRows(
        log,
        receiptsOf(log)
          .filter(({ index }) => index !== 4)
          .map((receipt, index) => ({ ...receipt, index })),
      ),
  },
  {
    name: "two receipts in each other's place",
    found: "chain-broken",
    forge: (log) => {
      const receipts = receiptsOf(log);
      replaceRows(log, receipts.with(4, { ...receipts[5]!, index: 4 }).with(5, { ...receipts[4]!, index: 5 }));
    },
  },
  {
    name: "a receipt twice, the second one chained to the end",
    found: "end-not-signed",
    forge: (log) => {
      const receipts = receiptsOf(log);
      rewrite(log, [...receipts, receipts[2]!]);
    },
  },
  { name: "the heads deleted", found: "head-missing", forge: (log) => sql(log, "DELETE FROM heads") },
  {
    name: "the newest head deleted",
    found: "head-missing",
    forge: (log) => sql(log, "DELETE FROM heads WHERE count = (SELECT max(count) FROM heads)"),
  },
  { name: "the head file removed", found: "head-missing", forge: (log) => rmSync(headFile(log)) },
  {
    name: "the head file removed together with the heads",
    found: "not-signed",
    forge: (log) => {
      sql(log, "DELETE FROM heads");
      rmSync(headFile(log));
    },
  },
  {
    name: "the head file of another log",
    found: "head-changed",
    forge: (log, { other }) => cpSync(headFile(other), headFile(log)),
  },
  { name: "the log removed", found: "kept-head", forge: (log) => rmSync(log) },
  {
    name: "the log removed together with its head file",
    found: "kept-head",
    forge: (log) => {
      for (const name of readdirSync(dirname(log))) rmSync(join(dirname(log), name));
    },
  },
  {
    name: "another log of the same key in its place",
    found: "kept-head",
    forge: (log, { other }) => {
      cpSync(other, log);
      cpSync(headFile(other), headFile(log));
    },
  },
  {
    name: "unused bits of a signature's base64",
    found: "unreadable",
    forge: (log) => {
      const { signature } = readHeadFile(log)!;
      sql(log, `UPDATE heads SET signature = '${otherSpelling(signature)}' WHERE signature = '${signature}'`);
    },
  },
  {
    name: "unused bits of the base64 in the head file",
    found: "unreadable",
    forge: (log) => {
      const { signature } = readHeadFile(log)!;
      writeFileSync(headFile(log), readFileSync(headFile(log), "utf8").replace(signature, otherSpelling(signature)));
    },
  },
  {
    name: "a trigger that ignores inserts",
    found: "unreadable",
    forge: (log) => sql(log, "CREATE TRIGGER t BEFORE INSERT ON receipts BEGIN SELECT raise(ignore); END"),
  },
  { name: "a view", found: "unreadable", forge: (log) => sql(log, "CREATE VIEW v AS SELECT 1") },
  { name: "an index dropped", found: "unreadable", forge: (log) => sql(log, "DROP INDEX receipts_by_request") },
  {
    name: "a column's name in capitals",
    found: "unreadable",
    forge: (log) => catalogue(log, "sql = replace(sql, 'salt TEXT', 'SALT TEXT') WHERE name = 'receipts'"),
  },
  {
    name: "a table's definition that no longer reads as one",
    found: "unreadable",
    forge: (log) => catalogue(log, "sql = replace(sql, 'CREATE TABLE', 'CREATE TABL') WHERE name = 'receipts'"),
  },
  {
    name: "an index that lacks a receipt",
    found: "unreadable",
    forge: (log) => {
      sql(
        log,
        "DROP INDEX receipts_by_request; CREATE INDEX receipts_by_request ON receipts (request_id) WHERE idx <> 3",
      );
      catalogue(
        log,
        "sql = 'CREATE INDEX receipts_by_request ON receipts (request_id)' WHERE name = 'receipts_by_request'",
      );
    },
  },
  {
    name: "a text erased, and no receipt says so",
    found: "erasure-wrong",
    forge: (log) => sql(log, `UPDATE receipts SET ${ERASED} = '${AT}' WHERE idx = 3`),
  },
  {
    name: "an erasure dated back",
    found: "erasure-wrong",
    forge: (log) => sql(log, "UPDATE receipts SET erased_at = '2020-01-01T00:00:00.000Z' WHERE erased_at IS NOT NULL"),
  },
  {
    name: "an erasure with a receipt, which nobody signed",
    found: "end-not-signed",
    forge: (log) => {
      const receipts = receiptsOf(log);
      const { index, hash } = receipts[3]!;
      const said = prepareErasure({ why: "erased", receipts: [{ index, hash, at: AT }] }, AT);
      sql(log, `UPDATE receipts SET ${ERASED} = '${AT}' WHERE idx = 3`);
      const last = receipts.at(-1)!;
      replaceRows(log, [...receiptsOf(log), chainReceipt(said, last.index + 1, last.hash, "5".repeat(64), "erasure")]);
    },
  },
];

test("every forged log is refused by verifying, and nothing is added to it", async (t) => {
  const { folder, log, key } = await fixture(t);
  const keptHeads = join(folder, "heads");
  const options = { keyPath: key, signEvery: 5, keptHeads };
  const older = join(folder, "older");
  write(log, 5, options);
  cpSync(dirname(log), older, { recursive: true });
  const writer = new LogWriter({ path: log, ...options });
  writer.append([5, 6, 7, 8].map((i) => prepareReceipt(input(i))));
  writer.erase("test-1", "2025-01-02T00:00:00.000Z");
  writer.close();
  const other = join(folder, "other", "receipts.sqlite");
  write(other, 3, options);
  const goBack = snapshot(dirname(log), join(folder, "true"));
  const publicKey = readFileSync(`${key}.pub`, "utf8");
  const judge = async (): Promise<ProblemKind | undefined> =>
    (await verifyLog(log, { publicKey, keptHeads })).problem?.kind;

  assert.equal(await judge(), undefined, "the true one");
  const found: Record<string, unknown> = {};
  for (const { name, forge } of FORGERIES) {
    forge(log, { older, other, stranger: join(folder, "stranger.pem") });
    found[name] = await judge();
    const { ok, signedBy } = await verifyLog(log, { keptHeads });
    assert.ok(!ok || signedBy === "nobody", `without the public key: ${name}`);
    assert.throws(
      () => new LogWriter({ path: log, ...options }).close(),
      (error) => isLockstepError(error) && (error.code === "LOG_CORRUPT" || error.code === "FORBIDDEN"),
      name,
    );
    goBack();
    assert.equal(await judge(), undefined, `the true one after: ${name}`);
  }
  assert.deepEqual(found, Object.fromEntries(FORGERIES.map((forgery) => [forgery.name, forgery.found])));
  new LogWriter({ path: log, ...options }).close();
});

test("a log of today's format is not taken for an older one, of which no receipts of erasures are asked", async (t) => {
  const { folder, log, key } = await fixture(t);
  const keptHeads = join(folder, "heads");
  write(log, 6, { keyPath: key, keptHeads });
  sql(log, `UPDATE receipts SET ${ERASED} = '${AT}' WHERE idx = 3; ALTER TABLE receipts DROP COLUMN kind`);
  sql(log, "PRAGMA user_version = 1");
  assert.equal((await verifyLog(log)).problem?.kind, "format-changed");
  sql(log, "DELETE FROM heads");
  rmSync(headFile(log));
  assert.equal((await verifyLog(log, { keptHeads })).problem?.kind, "format-changed", "by the head that was kept");
});
