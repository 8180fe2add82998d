/**
 * A store with a log as it was written before receipts named their task (`tests/fixtures/classify-log`): one version,
 * five answers of the portable executor, one of them erased. It is verified and replayed as what it is, for good.
 */
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { cpSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { replay, requireReplayed, serve } from "../../src/edge/api/index.ts";
import { LogReader } from "../../src/work/audit/reader.ts";

const STORED = join(import.meta.dirname, "../fixtures/classify-log");
/** Of the key that signed it: a test's, whose private half is in the tests. */
const KEY = "MCowBQYDK2VwAyEA6f1/CPIsS5EdaipgrYr7YaNv3HS9o4RchLJ73z0+2SA=";
const HASHES = [
  "1bce5c6204bd481dd98d07935a85711a3e6c1b8beb4b34f5f2a6a04f22a75eb5",
  "c874cd505355fc8394c7934f739bd43373d213021ad7ea47e3441dbd0067a86d",
  "e39ac6bc12546e0ecfceffdc0d03dba1e4a80fd3f362d8eaaaa23c2871694e59",
  "2436b06cfbdaa839b8e3ae322d66bb85b86a70968ac23935ba5d8870f42a82af",
  "e6df0332123ae701a623d6e0eb9457c1ff93bc3d0978c252ef11dcd7e05ab9d0",
  "4f85c5a0a511fe4fd4e19bbd6f607d9d87b158109f0d6f7115b4c589235642ca",
];

/** Header of an Ed25519 key in PKCS #8; the key itself follows. */
const PKCS8 = "302e020100300506032b657004220420";
const SECRET = "a test's key, which signs no log";

async function key(store: string): Promise<string> {
  const der = Buffer.concat([Buffer.from(PKCS8, "hex"), Buffer.from(SECRET)]);
  const pem = createPrivateKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "pem", type: "pkcs8" });
  const path = join(store, "..", "key.pem");
  await writeFile(path, pem, { mode: 0o600 });
  return path;
}

async function stored(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-log-"));
  const home = process.env["LOCKSTEP_HOME"];
  process.env["LOCKSTEP_HOME"] = join(folder, "home");
  t.after(async () => {
    if (home === undefined) delete process.env["LOCKSTEP_HOME"];
    else process.env["LOCKSTEP_HOME"] = home;
    await rm(folder, { recursive: true, force: true });
  });
  cpSync(STORED, join(folder, "store"), { recursive: true });
  return join(folder, "store");
}

test("a log whose receipts name no task verifies and replays to the bit", async (t) => {
  const store = await stored(t);
  const report = await replay(store, { publicKey: KEY });
  const { same, different, withinTolerance, erased, notReplayable, count } = report;
  assert.deepEqual(
    { count, same, different, withinTolerance, erased, notReplayable },
    { count: 5, same: 4, different: 0, withinTolerance: 0, erased: 1, notReplayable: 0 },
    JSON.stringify(report.details),
  );
  assert.equal(report.log.signedBy, "given-key");
  requireReplayed(report);
});

test("its hashes are what they were when it was written", async (t) => {
  using reader = new LogReader(join(await stored(t), "receipts.sqlite"));
  const hashes = [...reader.pages()].flat().map((receipt) => receipt?.hash);
  assert.deepEqual(hashes, HASHES);
});

test("answers that are added to it name their task, and all of them replay", async (t) => {
  const store = await stored(t);
  const server = await serve(store, {
    executor: "portable",
    threads: 1,
    http: { port: 0 },
    auditKey: await key(store),
  });
  const response = await fetch(`${server.url}/v1/classify`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text: "my card has not arrived", top_k: 2 }),
  });
  await response.arrayBuffer();
  await server.close();
  using reader = new LogReader(join(store, "receipts.sqlite"));
  const [old, ...rest] = [...reader.pages()].flat();
  const added = rest.at(-1);
  assert.deepEqual(JSON.parse(added!.request!), {
    task: "classify",
    format: 1,
    text: "my card has not arrived",
    top_k: 2,
  });
  assert.equal(added!.answerDigest, old!.answerDigest, "the same bits as when it was first asked");
  const { same, different, erased, notReplayable } = await replay(store, { publicKey: KEY });
  assert.deepEqual({ same, different, erased, notReplayable }, { same: 5, different: 0, erased: 1, notReplayable: 0 });
});
