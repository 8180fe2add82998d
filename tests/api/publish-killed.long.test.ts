/**
 * A server killed right after its first answer of a version that has just been published from a folder: the version is
 * in the store, and every receipt that was handed out is replayed to the same answer. @concurrent
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { replay } from "../../src/edge/api/index.ts";
import { openAuditLog, verifyLog } from "../../src/work/audit/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import { madeStore, served } from "./support.ts";

const CHILD = fileURLToPath(new URL("./publishing-child.ts", import.meta.url));
const KILLS = 6;

interface Handed {
  readonly version: string;
  readonly receipt: string;
}

/** Runs a server until its `fresh`-th version has answered once, and kills it then. What it handed out. */
async function killedAfter(args: readonly string[], fresh: number): Promise<Handed[]> {
  const child = spawn(process.execPath, ["--conditions=lockstep-source", CHILD, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const handed: Handed[] = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    handed.push(
      ...lines.map((line) => line.split(" ")).map(([, version, receipt]) => ({ version: version!, receipt: receipt! })),
    );
    // the first of them is the version that it began with
    if (new Set(handed.map(({ version }) => version)).size > fresh) child.kill("SIGKILL");
  });
  const signal = await new Promise((resolve) => child.on("close", (_code, how) => resolve(how)));
  assert.equal(signal, "SIGKILL", "it ended by itself");
  return handed;
}

test("killed at its first answer, a published version is there, and its receipts are replayed", async (t) => {
  await using made = await madeStore([1]);
  const receipts = join(made.folder, "receipts.sqlite");
  const all: Handed[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const folder = join(made.folder, `folder-${kill}`);
    const handed = await killedAfter([made.store, receipts, folder, String(100 * kill + 2)], 1 + (kill % 3));
    all.push(...handed);
    await rm(folder, { recursive: true }); // a version stands by itself
    const store = await openStore(made.store);
    const { version } = handed.at(-1)!;
    await store.open(version);
    const named = await store.alias("champion");
    const former = new Set(handed.map((one) => one.version));
    former.delete(version);
    assert.ok(named !== undefined && !former.has(named), "the alias names it, or one that was published after it");
    assert.ok((await verifyLog(receipts, { minCount: all.length })).ok);
    {
      await using again = await served(made.store, { receipts });
      assert.equal(again.model.version, named, "and the next server begins with it");
      const [answer] = await again.ask("my card has not arrived");
      all.push({ version: answer!.version, receipt: answer!.receipt! });
    }
  }
  const versions = new Set(all.map(({ version }) => version));
  t.diagnostic(`${all.length} answers of ${versions.size} versions`);
  assert.ok(versions.size > KILLS);
  const report = await replay(made.store, { log: receipts });
  assert.equal(report.same, report.count);
  assert.ok(report.same >= all.length);
  await using log = await openAuditLog(receipts);
  for (const { version, receipt } of all) assert.equal((await log.get(receipt))?.version, version);
});
