/** A log while it is written: what is done to it from outside is found before the next receipt; it may be moved. */
import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import { headFile, verifyLog } from "../../src/work/audit/index.ts";
import { prepareReceipt } from "../../src/work/audit/receipt.ts";
import { LogWriter } from "../../src/work/audit/writer.ts";
import { receiptsOf, sql } from "./support/forge.ts";
import { fixture, input, type Fixture } from "./support/inputs.ts";

const coded =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code && message.test(error.message);

interface Files extends Fixture {
  readonly options: { readonly keyPath: string; readonly signEvery: number; readonly keptHeads: string };
}

async function files(t: TestContext): Promise<Files> {
  const made = await fixture(t);
  return { ...made, options: { keyPath: made.key, signEvery: 100, keptHeads: join(made.folder, "heads") } };
}

function open({ log, options }: Files, path = log): LogWriter {
  return new LogWriter({ path, ...options });
}

/** Opens, appends `count` receipts in groups of one, and closes. */
function more(made: Files, count: number, path = made.log): void {
  const writer = open(made, path);
  for (let i = 0; i < count; i++) append(writer);
  writer.close();
}

function append(writer: LogWriter): void {
  writer.append([prepareReceipt(input(writer.status().count))]);
}

const OUTSIDE: Readonly<Record<string, (log: string) => void>> = {
  "its last receipts deleted": (log) => sql(log, "DELETE FROM receipts WHERE idx >= 3"),
  "all receipts deleted": (log) => sql(log, "DELETE FROM receipts; DELETE FROM heads"),
  "its last receipt replaced": (log) => sql(log, `UPDATE receipts SET hash = '${"a".repeat(64)}' WHERE idx = 4`),
  "a receipt added that nobody signed": (log) =>
    sql(
      log,
      `INSERT INTO receipts SELECT 5, '${"a".repeat(64)}', hash, request_id, version, profile_id, profile, commitment,
       summary_commitment, seed, answer_digest, at, request, summary, salt, erased_at, kind
       FROM receipts WHERE idx = 4`,
    ),
  "a trigger that ignores": (log) =>
    sql(log, "CREATE TRIGGER t BEFORE INSERT ON receipts BEGIN SELECT raise(ignore); END"),
  "a trigger that deletes again": (log) =>
    sql(log, "CREATE TRIGGER t AFTER INSERT ON receipts BEGIN DELETE FROM receipts WHERE idx = new.idx; END"),
  "a table altered": (log) => sql(log, "ALTER TABLE receipts ADD COLUMN more TEXT"),
  "the file removed": (log) => rmSync(log),
  "the journal removed": (log) => rmSync(`${log}-wal`),
  "the file replaced": (log) => {
    cpSync(log, `${log}.copy`);
    renameSync(`${log}.copy`, log);
  },
};

test("whatever is done to a log while it is open: the next receipt is refused, and each after it", async (t) => {
  for (const [name, attack] of Object.entries(OUTSIDE)) {
    const made = await files(t);
    const writer = open(made);
    for (let i = 0; i < 5; i++) append(writer);
    attack(made.log);
    for (let i = 0; i < 2; i++) assert.throws(() => append(writer), coded("LOG_CORRUPT", /./), name);
    assert.throws(() => writer.check(), coded("LOG_CORRUPT", /./), `${name}: readiness says so too`);
    try {
      writer.close();
    } catch (error) {
      assert.ok(coded("LOG_CORRUPT", /removed or replaced/)(error), name);
    }
  }
});

test("what another process with the key adds is gone on from; without the key nothing is added", async (t) => {
  const made = await files(t);
  const one = open(made);
  append(one);
  const two = open(made);
  append(two);
  two.append([1, 2, 3].map((i) => prepareReceipt(input(i, "two"))));
  append(one);
  two.erase("two-1", "2030-01-01T00:00:00.000Z");
  append(one);
  assert.equal(one.status().count, 8);
  assert.throws(
    () => new LogWriter({ path: made.log, signEvery: 1, keyPath: undefined, keptHeads: undefined }),
    coded("FORBIDDEN", /--audit/),
  );
  two.close();
  one.close();
  const report = await verifyLog(made.log, { keptHeads: made.options.keptHeads });
  assert.deepEqual([report.ok, report.count, report.signed, report.kept], [true, 8, 8, 8], report.problem?.message);
});

test("every receipt is signed and its head kept outside, for its owner's eyes, before it is confirmed", async (t) => {
  const made = await files(t);
  const { keptHeads } = made.options;
  const writer = open(made);
  for (let i = 0; i < 7; i++) {
    append(writer);
    const { ok, signed, kept } = await verifyLog(made.log, { keptHeads });
    assert.deepEqual([ok, signed, kept], [true, i + 1, i + 1]);
  }
  assert.deepEqual(
    readdirSync(keptHeads).map((name) => statSync(join(keptHeads, name)).mode & 0o777),
    [0o600],
  );
  assert.match(readFileSync(headFile(made.log), "utf8"), /"count":0/, "the one beside the log, now and then");
  writer.close();
  assert.match(readFileSync(headFile(made.log), "utf8"), /"count":7/);
});

test("a log may be moved, and goes on; what it had is remembered on the way", async (t) => {
  const made = await files(t);
  more(made, 5);
  const moved = join(made.folder, "moved", "receipts.sqlite");
  renameSync(dirname(made.log), dirname(moved));
  assert.ok((await verifyLog(moved, { keptHeads: made.options.keptHeads })).ok);
  sql(moved, "DELETE FROM receipts WHERE idx = 4; DELETE FROM heads");
  rmSync(headFile(moved));
  assert.equal((await verifyLog(moved, { keptHeads: made.options.keptHeads })).problem?.kind, "kept-head");
  rmSync(dirname(moved), { recursive: true });

  const again = await files(t);
  more(again, 5);
  const place = join(again.folder, "moved", "receipts.sqlite");
  renameSync(dirname(again.log), dirname(place));
  more(again, 2, place);
  assert.equal((await verifyLog(place, { keptHeads: again.options.keptHeads })).kept, 7);
  more(again, 1); // the place that it left is free
});

test("a copy may lag behind its log, but not differ from it", async (t) => {
  const made = await files(t);
  more(made, 5);
  const copy = join(made.folder, "copy", "receipts.sqlite");
  cpSync(dirname(made.log), dirname(copy), { recursive: true });
  more(made, 2);
  assert.ok((await verifyLog(copy, { keptHeads: made.options.keptHeads })).ok);
  more(made, 1, copy); // now they are two logs
  more(made, 1);
  assert.deepEqual(
    [
      (await verifyLog(copy, { keptHeads: made.options.keptHeads })).kept,
      (await verifyLog(made.log, { keptHeads: made.options.keptHeads })).kept,
    ],
    [6, 8],
  );
});

test("a store that was removed and made anew begins a new log, and says what was there", async (t) => {
  const made = await files(t);
  more(made, 5);
  rmSync(dirname(made.log), { recursive: true });
  mkdirSync(dirname(made.log));
  const writer = open(made);
  append(writer);
  assert.match(writer.status().notices.join(), /another audit log, of 5 receipts, lay at .*\.gone/);
  writer.close();
  more(made, 1);
  assert.equal((await verifyLog(made.log, { keptHeads: made.options.keptHeads })).kept, 2);
});

test("how to go on deliberately with what is there", async (t) => {
  const made = await files(t);
  more(made, 5);
  rmSync(made.log);
  rmSync(headFile(made.log));
  let file = "";
  assert.throws(
    () => open(made),
    (error) => {
      file = /remove (\S+\.head)/.exec((error as Error).message)?.[1] ?? "";
      return coded("LOG_CORRUPT", /5 receipts lay at .* gone/)(error);
    },
  );
  rmSync(file);
  more(made, 1);
  assert.ok((await verifyLog(made.log, { keptHeads: made.options.keptHeads })).ok);
});

test("a damaged or cut kept head is refused, not passed over", async (t) => {
  const made = await files(t);
  more(made, 5);
  const [name = ""] = readdirSync(made.options.keptHeads);
  const file = join(made.options.keptHeads, name);
  const original = readFileSync(file);
  const changed = Buffer.from(original);
  changed[30]! ^= 1;
  for (const bytes of [changed, original.subarray(0, 100), original.subarray(0, 600), Buffer.alloc(0)]) {
    writeFileSync(file, bytes);
    assert.throws(() => open(made), coded("LOG_CORRUPT", /kept, is damaged.*remove it/));
  }
  writeFileSync(file, original);
  more(made, 1);
});

test("a killed writer's journal, cut or with a flipped bit: the receipts that are lost are missed", async (t) => {
  const made = await files(t);
  const writer = open(made);
  for (let i = 0; i < 6; i++) append(writer);
  const folder = dirname(made.log);
  const killed = join(made.folder, "killed");
  cpSync(folder, killed, { recursive: true });
  writer.close();
  const restore = (): void => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    cpSync(killed, folder, { recursive: true });
  };
  const wal = `${made.log}-wal`;
  restore();
  assert.deepEqual((await verifyLog(made.log, { keptHeads: made.options.keptHeads })).count, 6);
  const length = statSync(wal).size;
  const ends: Buffer[] = [];
  const bytes = readFileSync(wal);
  for (const frames of [1, 3]) ends.push(bytes.subarray(0, length - frames * (4096 + 24)));
  const flipped = Buffer.from(bytes);
  flipped[length - 2000]! ^= 8;
  ends.push(flipped, Buffer.alloc(0));
  for (const journal of ends) {
    restore();
    rmSync(`${made.log}-shm`, { force: true });
    writeFileSync(wal, journal);
    assert.throws(() => open(made), coded("LOG_CORRUPT", /./));
    assert.ok(!(await verifyLog(made.log, { keptHeads: made.options.keptHeads })).ok);
  }
  restore();
  more(made, 1);
  assert.equal(receiptsOf(made.log).length, 7);
});
