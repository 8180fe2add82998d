/** Verifying: whatever is changed in a log or an export is found, and an honest one passes. */
import assert from "node:assert/strict";
import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import {
  exportLog,
  headFile,
  openAuditLog,
  verifyExport,
  verifyLog,
  type ProblemKind,
} from "../../src/work/audit/index.ts";
import { fixture, write, type Fixture } from "./support/inputs.ts";

/** The kind of problem found after `sql` has been run on a copy of the log. */
async function tamper(
  files: Fixture,
  sql: string,
  options = {},
  keepHeadFile = true,
): Promise<ProblemKind | undefined> {
  const copy = join(files.folder, "tampered.sqlite");
  await copyFile(files.log, copy);
  await rm(headFile(copy), { force: true });
  if (keepHeadFile) await copyFile(headFile(files.log), headFile(copy));
  const database = new DatabaseSync(copy);
  database.exec(sql);
  database.close();
  return (await verifyLog(copy, options)).problem?.kind;
}

test("every changed column is found", async (t) => {
  const files = await fixture(t);
  write(files.log, 6, { keyPath: files.key, signEvery: 2 });
  assert.equal(await tamper(files, "SELECT 1"), undefined);
  const flipped = (column: string): string =>
    `UPDATE receipts SET ${column} = replace(substr(${column}, 1, 1), substr(${column}, 1, 1), CASE substr(` +
    `${column}, 1, 1) WHEN 'a' THEN 'b' ELSE 'a' END) || substr(${column}, 2) WHERE idx = 3`;
  const expected: Record<string, ProblemKind> = {
    hash: "receipt-changed",
    previous: "chain-broken",
    request_id: "receipt-changed",
    version: "receipt-changed",
    profile_id: "receipt-changed",
    profile: "receipt-changed",
    commitment: "receipt-changed",
    summary_commitment: "receipt-changed",
    seed: "receipt-changed",
    answer_digest: "receipt-changed",
    at: "receipt-damaged",
    request: "text-changed",
    summary: "text-changed",
    salt: "text-changed",
    erased_at: "text-changed",
  };
  for (const [column, kind] of Object.entries(expected)) {
    const sql =
      column === "erased_at" ? "UPDATE receipts SET erased_at = '2025-01-01T00:00:00Z' WHERE idx = 3" : flipped(column);
    assert.equal(await tamper(files, sql), kind, column);
  }
  assert.equal(await tamper(files, "UPDATE receipts SET request = NULL WHERE idx = 2"), "text-changed");
  assert.equal(await tamper(files, "UPDATE receipts SET idx = 70 WHERE idx = 5"), "receipt-missing");
  assert.equal(await tamper(files, "DELETE FROM receipts WHERE idx = 2"), "receipt-missing");
  assert.equal(await tamper(files, "UPDATE heads SET signature = 'AAAA' WHERE count = 6"), "signature-wrong");
  assert.equal(await tamper(files, "UPDATE heads SET key = 'AAAA' WHERE count = 6"), "signature-wrong");
  assert.equal(await tamper(files, "PRAGMA user_version = 3"), "unreadable");
});

test("a dropped end is found by the signed head, wherever that still is", async (t) => {
  const files = await fixture(t);
  write(files.log, 6, { keyPath: files.key, signEvery: 3 });
  const receipts = write(files.log, 3, { keyPath: files.key, signEvery: 3 });
  const publicKey = await readFile(`${files.key}.pub`, "utf8");
  const drop = "DELETE FROM receipts WHERE idx >= 6;";
  assert.equal(await tamper(files, drop), "end-missing");
  assert.equal(await tamper(files, `${drop} DELETE FROM heads WHERE count > 6`), "end-missing", "by the head file");
  assert.equal(await tamper(files, `${drop} DELETE FROM heads WHERE count > 6`, {}, false), "head-missing");
  assert.equal(
    await tamper(files, `${drop} DELETE FROM heads`, {}, false),
    undefined,
    "then nothing in the files tells: only what somebody kept",
  );
  assert.equal(await tamper(files, `${drop} DELETE FROM heads`, { publicKey }, false), "not-signed");
  assert.equal(await tamper(files, `${drop} DELETE FROM heads`, { minCount: 9 }, false), "end-missing");
  assert.equal(
    await tamper(files, `${drop} DELETE FROM heads`, { expectedHead: receipts[2]!.hash }, false),
    "end-missing",
  );
  assert.equal(await tamper(files, "DELETE FROM heads WHERE count = 9"), "head-missing");
});

test("nothing is added to a log that has lost its end", async (t) => {
  const files = await fixture(t);
  write(files.log, 4, { keyPath: files.key });
  const database = new DatabaseSync(files.log);
  database.exec("DELETE FROM receipts WHERE idx = 3; DELETE FROM heads");
  database.close();
  await assert.rejects(
    openAuditLog(files.log, { keyPath: files.key }),
    (error) =>
      isLockstepError(error) && error.code === "LOG_CORRUPT" && /3 receipts, but 4 were signed/.test(error.message),
  );
});

test("a log rewritten from its first receipt is found by who keeps the public key", async (t) => {
  const files = await fixture(t);
  write(files.log, 3, { keyPath: files.key });
  const forged = join(files.folder, "forged.sqlite");
  write(forged, 3, { keyPath: join(files.folder, "forger.pem") });
  const publicKey = await readFile(`${files.key}.pub`, "utf8");
  assert.ok((await verifyLog(forged)).ok);
  assert.match((await verifyLog(forged)).claim, /give the public key you trust/);
  assert.equal((await verifyLog(forged, { publicKey })).problem?.kind, "key-wrong");
  assert.ok((await verifyLog(files.log, { publicKey })).ok);
  await assert.rejects(
    verifyLog(files.log, { publicKey: "nonsense" }),
    (error) => isLockstepError(error) && error.code === "OPTION_INVALID",
  );
});

test("a log that is not signed claims to show corruption only", async (t) => {
  const files = await fixture(t);
  write(files.log, 3, {});
  const report = await verifyLog(files.log);
  assert.deepEqual([report.ok, report.signed, report.signedBy], [true, 0, "nobody"]);
  assert.match(report.claim, /not signed.*not that nobody rewrote/);
});

test("a changed byte in the database file: found, or without any effect", async (t) => {
  const files = await fixture(t);
  write(files.log, 4, { keyPath: files.key });
  const original = await readFile(files.log);
  const copy = join(files.folder, "flipped.sqlite");
  await copyFile(headFile(files.log), headFile(copy));
  await exportLog(files.log, join(files.folder, "honest.jsonl"));
  const honest = await readFile(join(files.folder, "honest.jsonl"));
  let found = 0;
  const stride = Math.ceil(original.length / 100) | 1;
  for (let at = 100; at < original.length; at += stride) {
    const changed = Buffer.from(original);
    changed[at]! ^= 1 << (at % 8);
    await writeFile(copy, changed);
    const { ok } = await verifyLog(copy);
    if (!ok) {
      found++;
      continue;
    }
    await exportLog(copy, join(files.folder, "flipped.jsonl"));
    assert.ok(
      honest.equals(await readFile(join(files.folder, "flipped.jsonl"))),
      `byte ${at}: unnoticed, and the log says something else`,
    );
  }
  assert.ok(found > 5, `${found} found`);
});

test("an export: any changed byte, lost, swapped or doubled line, or a cut end is found", async (t) => {
  for (const signed of [true, false]) {
    const files = await fixture(t);
    write(files.log, 3, signed ? { keyPath: files.key, signEvery: 2 } : {});
    const out = join(files.folder, "log.jsonl");
    assert.deepEqual(await exportLog(files.log, out), { receipts: 3 });
    const report = await verifyExport(out);
    assert.deepEqual([report.ok, report.count, report.signed], [true, 3, signed ? 3 : 0], report.problem?.message);
    const original = await readFile(out);
    const copy = join(files.folder, "changed.jsonl");
    const refused = async (bytes: Uint8Array, what: string): Promise<void> => {
      await writeFile(copy, bytes);
      assert.ok(!(await verifyExport(copy)).ok, what);
    };
    for (let at = 0; at < original.length; at += signed ? 13 : 29) {
      const changed = Buffer.from(original);
      changed[at]! ^= 1 << (at % 8);
      await refused(changed, `byte ${at}`);
    }
    const lines = original.toString().trimEnd().split("\n");
    const joined = (parts: readonly string[]): Buffer => Buffer.from(parts.map((line) => `${line}\n`).join(""));
    for (let i = 0; i < lines.length; i++) {
      await refused(joined(lines.toSpliced(i, 1)), `without line ${i}`);
      await refused(joined(lines.toSpliced(i, 0, lines[i]!)), `line ${i} twice`);
      await refused(joined(lines.slice(0, i)), `cut before line ${i}`);
      if (i > 0)
        await refused(joined(lines.toSpliced(i - 1, 2, lines[i]!, lines[i - 1]!)), `lines ${i - 1} and ${i} swapped`);
    }
    await refused(original.subarray(0, -1), "without its last byte");
    await refused(Buffer.concat([original, Buffer.from("\n")]), "with an empty line");
    await refused(Buffer.from(original.toString().replace('"format":2', '"format": 2')), "with a space");
    await assert.rejects(verifyExport(join(files.folder, "none")), (error) => isLockstepError(error));
  }
});

test("an export whose end was cut and whose last line was made anew: found by the kept key or head", async (t) => {
  const files = await fixture(t);
  const receipts = write(files.log, 3, { keyPath: files.key });
  const shortened = join(files.folder, "short.sqlite");
  await copyFile(files.log, shortened);
  const database = new DatabaseSync(shortened);
  database.exec("DELETE FROM receipts WHERE idx = 2; DELETE FROM heads");
  database.close();
  const out = join(files.folder, "short.jsonl");
  await exportLog(shortened, out);
  assert.ok((await verifyExport(out)).ok);
  assert.equal(
    (await verifyExport(out, { publicKey: await readFile(`${files.key}.pub`, "utf8") })).problem?.kind,
    "not-signed",
  );
  assert.equal((await verifyExport(out, { expectedHead: receipts[2]!.hash })).problem?.kind, "end-missing");
});
