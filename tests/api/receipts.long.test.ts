/** The verbs of the log of receipts: erasing, exporting, and when what they find is enough. @concurrent */
import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { checkExport, erase, exportLog, requireReplayed, requireTrusted } from "../../src/edge/api/index.ts";
import { openLog, receiptsPath } from "../../src/edge/api/receipts.ts";
import { isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import { verifyLog } from "../../src/work/audit/index.ts";
import { fixture, input } from "../audit/support/inputs.ts";

const coded =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code && message.test(error.message);

/** A store with nothing but a log of `count` receipts, signed with the key of a home of its own. */
async function store(t: TestContext, count: number, key?: false): Promise<{ store: string; file: string }> {
  const { folder } = await fixture(t);
  const before = process.env["LOCKSTEP_HOME"];
  process.env["LOCKSTEP_HOME"] = join(folder, "home");
  t.after(() => {
    if (before === undefined) delete process.env["LOCKSTEP_HOME"];
    else process.env["LOCKSTEP_HOME"] = before;
  });
  const made = join(folder, "store");
  await using log = await openLog(receiptsPath(made), key);
  await Promise.all(Array.from({ length: count }, (_, i) => log.append(input(i))));
  return { store: made, file: join(folder, "log.jsonl") };
}

test("erase takes the text away while the log is written, and says so in it", async (t) => {
  const { store: made, file } = await store(t, 4);
  await using open = await openLog(receiptsPath(made));
  const { hash } = (await open.get("test-2"))!;
  const result = await erase(made, hash);
  assert.deepEqual(result.erased, [hash]);
  assert.equal((await open.append(input(9))).index, 5, "after the receipt of the erasure");
  assert.equal((await open.get(hash))?.request, null);
  await assert.rejects(erase(made, hash), coded("NOT_FOUND", /no receipt/));
  await assert.rejects(erase(`${made}-none`, hash), coded("NOT_FOUND", /no log of receipts/));
  await assert.rejects(erase(made, ""), coded("INPUT_INVALID", /the receipt to erase/));
  await assert.rejects(erase(made, hash, { logs: "x" } as never), coded("OPTION_INVALID", /logs/));
  const report = await exportLog(made, file);
  assert.deepEqual([report.ok, report.count, report.erased, report.signedBy], [true, 6, 1, "given-key"]);
  assert.ok(!readFileSync(file, "utf8").includes("test 2 ü"));
});

test("an export proves itself to whoever has the key, and to nobody else", async (t) => {
  const { store: made, file } = await store(t, 3);
  const report = await exportLog(made, file);
  requireTrusted(report);
  assert.deepEqual(await checkExport(file), report);
  const home = process.env["LOCKSTEP_HOME"]!;
  const key = readFileSync(join(home, "receipts-key.pem.pub"), "utf8");
  rmSync(join(home, "receipts-key.pem.pub"));
  const stranger = await checkExport(file);
  assert.throws(() => requireTrusted(stranger), coded("CHECK_FAILED", /only the log itself names.*--public-key/));
  requireTrusted(stranger, { allowUnsigned: true });
  requireTrusted(await checkExport(file, { publicKey: key }));
  assert.equal((await checkExport(file, { minCount: 4 })).problem?.kind, "end-missing");
  writeFileSync(file, readFileSync(file, "utf8").replace("card_arrival", "lost_card"));
  const changed = await checkExport(file, { publicKey: key });
  assert.throws(() => requireTrusted(changed, { allowUnsigned: true }), coded("LOG_CORRUPT", /./));
});

test("a log that is not signed is taken only when that is said", async (t) => {
  const { store: made, file } = await store(t, 3, false);
  const report = await exportLog(made, file);
  assert.deepEqual(readdirSync(process.env["LOCKSTEP_HOME"]!), ["heads"], "no key is made to read a log");
  assert.throws(() => requireTrusted(report), coded("CHECK_FAILED", /not signed.*--allow-unsigned/));
  await assert.rejects(openLog(receiptsPath(made)), coded("LOG_CORRUPT", /none is signed/));
  assert.equal((await erase(made, "test-1", { auditKey: false })).erased.length, 1);
});

test("a replay is enough when every answer came out again, and somebody vouches for the log", async (t) => {
  const { store: made } = await store(t, 2);
  const publicKey = readFileSync(join(process.env["LOCKSTEP_HOME"]!, "receipts-key.pem.pub"), "utf8");
  const log = await verifyLog(receiptsPath(made), { publicKey });
  const report = { same: 2, withinTolerance: 0, different: 0, erased: 0, notReplayable: 0, count: 2, details: [], log };
  requireReplayed(report);
  requireReplayed({ ...report, erased: 2, same: 0 });
  assert.throws(() => requireReplayed({ ...report, different: 1 }), coded("REPLAY_MISMATCH", /1 of 2/));
  const gone = { ...report, same: 0, notReplayable: 2 };
  assert.throws(() => requireReplayed(gone), coded("CHECK_FAILED", /2 of 2.*--allow-not-replayable 2/));
  assert.throws(() => requireReplayed(gone, { allowNotReplayable: 1 }), coded("CHECK_FAILED", /2 of 2/));
  requireReplayed(gone, { allowNotReplayable: 2 });
  const unsigned = { ...report, log: { ...log, signedBy: "nobody" as const } };
  assert.throws(() => requireReplayed(unsigned), coded("CHECK_FAILED", /not signed/));
  requireReplayed(unsigned, { allowUnsigned: true });
});
