/**
 * Writers killed at any moment, one after another on one log, and what is done to the files afterwards: nothing that
 * was confirmed is lost unseen. @concurrent
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isLockstepError } from "../../src/base/index.ts";
import { verifyLog } from "../../src/work/audit/index.ts";
import { LogWriter } from "../../src/work/audit/writer.ts";
import { fixture } from "./support/inputs.ts";

const CHILD = fileURLToPath(new URL("./support/writer-child.ts", import.meta.url));
const KILLS = 6;

test("nothing confirmed is lost unseen", { timeout: 300_000 }, async (t) => {
  const { folder, log, key } = await fixture(t);
  const keptHeads = join(folder, "heads");
  const confirmed: string[] = [];
  let noticed = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const child = spawn(
      process.execPath,
      ["--conditions=lockstep-source", CHILD, log, key, `w${kill}`, "100000", keptHeads],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (said === "") setTimeout(() => child.kill("SIGKILL"), (kill * 37) % 150);
      said += text;
    });
    await new Promise((resolve) => child.on("close", resolve));
    confirmed.push(...said.split("\n").filter(({ length }) => length === 64));

    const report = await verifyLog(log, { keptHeads, minCount: confirmed.length, expectedHead: confirmed.at(-1)! });
    assert.ok(report.ok, report.problem?.message);
    assert.equal(report.signed, report.count, "and every receipt is signed");
    noticed += await damage(log, keptHeads, join(folder, "copy"), confirmed);
  }
  assert.ok(noticed > KILLS, `${noticed} damaged journals that had lost something confirmed were refused`);
});

/** Cuts the journal and flips a bit in it, in a few places; then puts everything back. How often that was refused. */
async function damage(log: string, keptHeads: string, copy: string, confirmed: readonly string[]): Promise<number> {
  const wal = `${log}-wal`;
  if (!existsSync(wal)) return 0;
  cpSync(dirname(log), copy, { recursive: true });
  const journal = readFileSync(wal);
  const putBack = (): void => {
    for (const name of readdirSync(dirname(log))) rmSync(join(dirname(log), name));
    cpSync(copy, dirname(log), { recursive: true });
    rmSync(`${log}-shm`, { force: true });
  };
  let refused = 0;
  for (const share of [0, 0.5, 0.95]) {
    for (const cut of [true, false]) {
      putBack();
      const at = Math.floor(journal.length * share);
      if (cut) truncateSync(wal, at);
      else if (at < journal.length)
        writeFileSync(
          wal,
          journal.map((byte, i) => (i === at ? byte ^ 4 : byte)),
        );
      const report = await verifyLog(log, { keptHeads });
      const whole = (await verifyLog(log, { minCount: confirmed.length, expectedHead: confirmed.at(-1)! })).ok;
      assert.ok(whole || !report.ok, `lost unseen: cut ${cut} at ${at} of ${journal.length}`);
      if (report.ok) continue;
      refused++;
      assert.throws(
        () => new LogWriter({ path: log, keyPath: undefined, signEvery: 100, keptHeads }),
        (error) => isLockstepError(error),
      );
    }
  }
  putBack();
  rmSync(copy, { recursive: true });
  return refused;
}
