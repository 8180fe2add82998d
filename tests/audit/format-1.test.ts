/**
 * Logs of format 1 are read for good: `format-1/` is one as it was written by the code of that time (six receipts, the
 * second erased, signed after four, its writer killed after six) with an export of it.
 */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { isLockstepError, sha256Hex } from "../../src/base/index.ts";
import { exportLog, headFile, replayLog, verifyExport, verifyLog } from "../../src/work/audit/index.ts";
import { prepareReceipt } from "../../src/work/audit/receipt.ts";
import { LogWriter } from "../../src/work/audit/writer.ts";
import { sql } from "./support/forge.ts";
import { fixture, input, PROFILE, write, type Fixture } from "./support/inputs.ts";

const STORED = join(import.meta.dirname, "format-1");
const KEY = "MCowBQYDK2VwAyEA6f1/CPIsS5EdaipgrYr7YaNv3HS9o4RchLJ73z0+2SA=";
/** Header of an Ed25519 key in PKCS #8; the key itself follows, and it signs nothing but this log. */
const PKCS8 = "302e020100300506032b657004220420";
const SECRET = "a test's key, which signs no log";

/** The stored log at a place of its own, with the key that signed it. */
async function stored(t: TestContext): Promise<Fixture> {
  const made = await fixture(t);
  mkdirSync(dirname(made.log));
  cpSync(join(STORED, "receipts.sqlite"), made.log);
  cpSync(join(STORED, "receipts.sqlite.head.json"), headFile(made.log));
  const der = Buffer.concat([Buffer.from(PKCS8, "hex"), Buffer.from(SECRET)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  mkdirSync(dirname(made.key));
  writeFileSync(made.key, key.export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
  return made;
}

test("it verifies, replays and exports as it did", async (t) => {
  const { folder, log } = await stored(t);
  const report = await verifyLog(log, { publicKey: KEY });
  assert.deepEqual(
    [report.ok, report.format, report.count, report.signed, report.erased],
    [true, 1, 6, 4, 1],
    report.problem?.message,
  );
  assert.match(report.claim, /The 2 after them are chained, not yet signed/);
  const replayed = await replayLog(log, async ({ index }) => ({
    answerDigest: sha256Hex(`answer ${index}`),
    profileId: PROFILE.id,
    summary: input(index).summary,
  }));
  assert.deepEqual([replayed.same, replayed.notReplayable], [5, 1]);
  assert.match(replayed.details[0]!.reason, /erased at 2025-01-02.*nothing signed says/);
  const out = join(folder, "log.jsonl");
  await exportLog(log, out);
  assert.equal(readFileSync(out, "utf8"), readFileSync(join(STORED, "receipts.jsonl"), "utf8"), "byte for byte");
  const exported = await verifyExport(join(STORED, "receipts.jsonl"), { publicKey: KEY });
  assert.deepEqual({ ...exported, kept: null }, report);
});

test("written to, it becomes one of today's: nothing of it changes, what was erased is named", async (t) => {
  const { log, key, folder } = await stored(t);
  const options = { path: log, keyPath: key, signEvery: 100, keptHeads: join(folder, "heads") };
  const hashes = readFileSync(join(STORED, "receipts.jsonl"), "utf8").match(/"hash":"[0-9a-f]{64}"/g);
  const writer = new LogWriter(options);
  writer.append([prepareReceipt(input(7))]);
  writer.erase("test-2", "2025-01-03T00:00:00.000Z");
  const found = writer.list({ from: 6, limit: 1, newestFirst: false })[0]!;
  assert.equal(found.kind, "erasure");
  const { receipts, why } = JSON.parse(found.request!) as { receipts: { index: number; at: string }[]; why: string };
  assert.deepEqual([why, receipts.map(({ index, at }) => [index, at])], ["found", [[1, "2025-01-02T00:00:00.000Z"]]]);
  assert.deepEqual(
    writer.list({ from: 0, limit: 6, newestFirst: false }).map(({ hash }) => `"hash":"${hash}"`),
    hashes,
  );
  writer.close();
  const report = await verifyLog(log, { publicKey: KEY, keptHeads: options.keptHeads });
  assert.deepEqual(
    [report.ok, report.format, report.count, report.signed, report.erased, report.kept],
    [true, 2, 9, 9, 2, 9],
    report.problem?.message,
  );
  new LogWriter(options).close();
});

test("one that has lost its signatures, or more than a killed writer leaves unsigned, is not signed now", async (t) => {
  const refused = (error: unknown): boolean => isLockstepError(error) && error.code === "LOG_CORRUPT";
  const { log, key } = await stored(t);
  rmSync(headFile(log));
  assert.throws(() => new LogWriter({ path: log, keyPath: key, signEvery: 100, keptHeads: undefined }), refused);
  for (const [count, taken] of [
    [99, true],
    [100, false],
  ] as const) {
    const made = await fixture(t);
    write(made.log, count, {});
    sql(made.log, "ALTER TABLE receipts DROP COLUMN kind; PRAGMA user_version = 1");
    const open = (): void =>
      new LogWriter({ path: made.log, keyPath: key, signEvery: 100, keptHeads: undefined }).close();
    if (taken) open();
    else assert.throws(open, refused);
  }
});
