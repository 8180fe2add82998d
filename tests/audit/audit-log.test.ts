/** Writing: one chain, whoever writes; nothing confirmed is lost; what is erased is gone. */
import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isLockstepError, ManualClock, sha256Hex, type ErrorCode } from "../../src/base/index.ts";
import { GENESIS, openAuditLog, refersTo, verifyLog } from "../../src/work/audit/index.ts";
import { fixture, holds, input, PROFILE, VERSION, write, type Fixture } from "./support/inputs.ts";

const coded =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code && message.test(error.message);

test("receipts are chained in the order of the calls, found again, and verify", async (t) => {
  const { folder, log, key } = await fixture(t);
  await using open = await openAuditLog(log, { keyPath: key, signEvery: 10 });
  assert.equal(open.head, GENESIS);
  const receipts = await Promise.all(Array.from({ length: 25 }, (_, i) => open.append(input(i))));
  receipts.forEach((receipt, i) => {
    assert.equal(receipt.index, i);
    assert.equal(receipt.previous, i === 0 ? GENESIS : receipts[i - 1]?.hash);
  });
  assert.equal(open.count, 25);
  assert.equal(open.head, receipts[24]?.hash);
  assert.deepEqual(await open.get("test-3"), receipts[3]);
  assert.deepEqual(await open.get(receipts[4]!.hash), receipts[4]);
  assert.equal(await open.get("nobody"), undefined);
  assert.deepEqual(
    (await open.list({ limit: 2, from: 1, newestFirst: true })).map(({ index }) => index),
    [23, 22],
  );
  assert.deepEqual(JSON.parse(receipts[0]!.profile), PROFILE);
  assert.ok(await open.refersTo(VERSION));
  assert.ok(!(await open.refersTo(sha256Hex("another"))));
  const during = await verifyLog(log);
  assert.deepEqual([during.ok, during.count, during.signed], [true, 25, 25], "one group of 25 passed the tenth");
  await open.close();
  await open.close();
  await assert.rejects(open.append(input(1)), coded("SHUTTING_DOWN", /closed/));
  assert.deepEqual(
    (await readdir(join(folder, "log"))).sort(),
    ["receipts.sqlite", "receipts.sqlite.head.json"],
    "closed, it is one plain file and its head",
  );
  assert.deepEqual(
    [...(await readFile(log)).subarray(18, 20)],
    [1, 1],
    "without a journal mode that needs a writable folder",
  );
  assert.ok(refersTo(log, VERSION));
  assert.ok(!refersTo(`${log}.none`, VERSION));
});

test("a log goes on where it ended, also without its writer's goodbye", async (t) => {
  const { log, key } = await fixture(t);
  write(log, 5, { keyPath: key });
  await using open = await openAuditLog(log, { keyPath: key });
  assert.equal(open.count, 5);
  assert.equal((await open.append(input(5))).index, 5);
  const report = await verifyLog(log, { publicKey: await readFile(`${key}.pub`, "utf8") });
  assert.deepEqual([report.ok, report.count, report.signed, report.signedBy], [true, 6, 6, "given-key"]);
  assert.equal(report.key, open.publicKey, "signed as soon as it was written");
});

test("what cannot be a receipt is refused, and the others of its group are written", async (t) => {
  const { log } = await fixture(t);
  await using open = await openAuditLog(log);
  const bad = [
    { version: "v1" },
    { answerDigest: "ABC" },
    { requestId: "" },
    { requestId: "two words" },
    { at: "yesterday" },
    { summary: { p: NaN } },
    { request: "\ud800" },
  ];
  const settled = await Promise.allSettled([
    open.append(input(0)),
    ...bad.map((change) => open.append({ ...input(1), ...change })),
    open.append(input(2)),
  ]);
  assert.deepEqual(
    settled.map(({ status }) => status),
    ["fulfilled", ...bad.map(() => "rejected"), "fulfilled"],
  );
  for (const result of settled)
    if (result.status === "rejected") assert.ok(coded("INPUT_INVALID", /./)(result.reason), String(result.reason));
  assert.equal(open.count, 2);
  await assert.rejects(openAuditLog(log, { signEvery: 0 }), coded("OPTION_INVALID", /signEvery/));
});

test("too many waiting receipts are refused, not gathered without end", async (t) => {
  const { log } = await fixture(t);
  await using open = await openAuditLog(log, { queueLimit: 10 });
  const settled = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => open.append(input(i))));
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 10);
  for (const result of settled)
    if (result.status === "rejected") assert.ok(coded("OVERLOADED", /10 receipts wait/)(result.reason));
  assert.equal((await open.append(input(30))).index, 10);
});

test("writing blocks the main thread hardly at all", async (t) => {
  const { log, key } = await fixture(t);
  await using open = await openAuditLog(log, { keyPath: key });
  const other = new DatabaseSync(log);
  other.exec("BEGIN IMMEDIATE"); // the writer must wait for this
  let turns = 0;
  const timer = setInterval(() => {
    turns++;
  }, 5);
  const appended = open.append(input(0));
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(open.count, 0);
  other.exec("ROLLBACK");
  other.close();
  await appended;
  clearInterval(timer);
  assert.ok(turns > 5, `${turns} turns`);
});

test("what is erased is in no file; the chain verifies, and the receipt no longer pins its version", async (t) => {
  const { folder, log, key } = await fixture(t);
  const secret = "Kontonummer 4711-0815";
  await using open = await openAuditLog(log, { keyPath: key, clock: new ManualClock(Date.UTC(2025, 0, 2)) });
  for (let i = 0; i < 40; i++)
    await open.append({ ...input(i), request: JSON.stringify({ text: i === 20 ? secret : "other" }) });
  const before = await open.get("test-20");
  assert.ok((await holds(folder, secret)) && (await holds(folder, before!.salt!)));
  const erasure = await open.erase("test-20");
  assert.deepEqual(erasure.erased, [before!.hash]);
  await assert.rejects(open.erase("test-20"), coded("NOT_FOUND", /no receipt/));
  assert.deepEqual(await open.get("test-20"), {
    ...before,
    request: null,
    summary: null,
    salt: null,
    erasedAt: "2025-01-02T00:00:00.000Z",
  });
  assert.ok(!(await holds(folder, secret)), "the text is still in a file");
  assert.ok(!(await holds(folder, before!.salt!)), "the salt is still in a file");
  const said = await open.get(erasure.receipt!);
  assert.deepEqual([said!.kind, said!.index, said!.at], ["erasure", 40, "2025-01-02T00:00:00.000Z"]);
  assert.deepEqual(JSON.parse(said!.request!), {
    receipts: [{ at: said!.at, hash: before!.hash, index: 20 }],
    why: "erased",
  });
  await assert.rejects(open.erase(said!.hash), coded("NOT_FOUND", /no receipt/), "what was erased stays said");
  assert.deepEqual([(await verifyLog(log)).ok, (await verifyLog(log)).erased], [true, 1]);
  for (let i = 0; i < 40; i++) if (i !== 20) await open.erase(`test-${i}`);
  assert.ok(!(await open.refersTo(VERSION)));
  assert.ok((await verifyLog(log)).ok);
});

test("the key: made once, for its owner only, and the log stays with it", async (t) => {
  const { folder, log, key } = await fixture(t);
  write(log, 3, { keyPath: key });
  assert.equal((await stat(key)).mode & 0o777, 0o600);
  assert.equal((await stat(log)).mode & 0o777, 0o600);
  assert.deepEqual((await readdir(join(folder, "keys"))).sort(), ["audit.pem", "audit.pem.pub"]);
  await assert.rejects(
    openAuditLog(log, { keyPath: join(folder, "another.pem") }),
    coded("FORBIDDEN", /signed with another key/),
  );
  await chmod(key, 0o644);
  await assert.rejects(openAuditLog(log, { keyPath: key }), coded("FORBIDDEN", /chmod 600/));
  await chmod(key, 0o600);
  await writeFile(key, "no key");
  await assert.rejects(openAuditLog(log, { keyPath: key }), coded("OPTION_INVALID", /Ed25519/));
});

test("a file that is no log is refused and left alone", async (t) => {
  const { folder } = await fixture(t);
  const text = join(folder, "text");
  await writeFile(text, "not a database, but long enough to look like the header of one ".repeat(20));
  await assert.rejects(openAuditLog(text), coded("LOG_CORRUPT", /not an audit log/));
  const other = join(folder, "other.sqlite");
  const database = new DatabaseSync(other);
  database.exec("CREATE TABLE t (x)");
  database.close();
  await assert.rejects(openAuditLog(other), coded("LOG_CORRUPT", /not an audit log/));
  await assert.rejects(openAuditLog(folder), coded("DISK_FAILED", /./));
  assert.match(await readFile(text, "utf8"), /^not a database/);
  await assert.rejects(verifyLog(join(folder, "none")), coded("NOT_FOUND", /no audit log/));
});

const CHILD = fileURLToPath(new URL("./support/writer-child.ts", import.meta.url));

function child({ log, key }: Fixture, name: string, count: number): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, ["--conditions=lockstep-source", CHILD, log, key, name, String(count)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function done(
  process_: ChildProcessByStdio<null, Readable, Readable>,
): Promise<{ hashes: string[]; errors: string; signal: NodeJS.Signals | null }> {
  let [output, errors] = ["", ""];
  process_.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  process_.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const signal = await new Promise<NodeJS.Signals | null>((resolve) =>
    process_.on("close", (_code, sig) => resolve(sig)),
  );
  return { hashes: output.split("\n").filter(({ length }) => length === 64), errors, signal };
}

test(
  "processes that write at once make one chain, and say nothing about experiments",
  { timeout: 60_000 },
  async (t) => {
    const files = await fixture(t);
    const results = await Promise.all(["one", "two"].map((name) => done(child(files, name, 60))));
    assert.deepEqual(
      results.map(({ errors }) => errors),
      ["", ""],
    );
    const report = await verifyLog(files.log, { publicKey: await readFile(`${files.key}.pub`, "utf8"), minCount: 120 });
    assert.deepEqual([report.ok, report.count, report.signed], [true, 120, 120], report.problem?.message);
    await using open = await openAuditLog(files.log, { keyPath: files.key });
    const all = (await open.list({ limit: 1000 })).map(({ hash }) => hash);
    assert.deepEqual(results.flatMap(({ hashes }) => hashes).sort(), all.sort());
  },
);

test("a killed writer loses nothing that it had confirmed", { timeout: 60_000 }, async (t) => {
  const files = await fixture(t);
  const writer = child(files, "victim", 100_000);
  writer.stdout.once("data", () => setTimeout(() => writer.kill("SIGKILL"), 150));
  const { hashes, signal } = await done(writer);
  assert.equal(signal, "SIGKILL");
  assert.ok(hashes.length > 0);
  assert.ok((await verifyLog(files.log, { expectedHead: hashes.at(-1)!, minCount: hashes.length })).ok);
  await using open = await openAuditLog(files.log, { keyPath: files.key });
  await open.append(input(0));
  assert.ok((await verifyLog(files.log, { expectedHead: hashes.at(-1)! })).ok);
});

test(
  "a full disk (a file-size limit stands in for it): typed, and what was confirmed is there",
  { skip: process.platform === "win32" ? "needs ulimit" : false },
  async (t) => {
    const { log } = await fixture(t);
    const script = fileURLToPath(new URL("./support/full-disk-child.ts", import.meta.url));
    const { stdout } = await promisify(execFile)("sh", [
      "-c",
      'ulimit -f 2000 && exec "$0" "$@"',
      process.execPath,
      "--conditions=lockstep-source",
      script,
      log,
    ]);
    const { confirmed, code } = JSON.parse(stdout) as { confirmed: number; code: string };
    assert.equal(code, "DISK_FAILED");
    const report = await verifyLog(log);
    assert.deepEqual([report.ok, report.count], [true, confirmed], report.problem?.message);
    assert.ok(confirmed > 0);
  },
);

test("a fork cannot be written, not even past us", async (t) => {
  const { log, key } = await fixture(t);
  write(log, 3, { keyPath: key });
  const database = new DatabaseSync(log);
  assert.throws(
    () =>
      database.exec(
        `INSERT INTO receipts SELECT 99, '${"f".repeat(64)}', previous, request_id, version, profile_id, ` +
          "profile, commitment, summary_commitment, seed, answer_digest, at, request, summary, salt, erased_at, kind " +
          "FROM receipts WHERE idx = 2",
      ),
    /UNIQUE/,
  );
  database.close();
});
