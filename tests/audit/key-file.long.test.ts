/** A signing key that is no plain file is refused, and nothing waits for whoever might write into it. @concurrent */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openAuditLog } from "../../src/work/audit/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-key-"));
after(() => rmSync(folder, { recursive: true }));

test(
  "a FIFO and a folder in the place of the signing key",
  { skip: process.platform === "win32" && "Windows has no FIFOs", timeout: 60_000 },
  async () => {
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", ["-m", "600", fifo]);
    const inner = join(folder, "folder");
    mkdirSync(inner, { mode: 0o700 });
    for (const keyPath of [fifo, inner])
      await assert.rejects(openAuditLog(join(folder, "receipts.sqlite"), { keyPath }), {
        code: "OPTION_INVALID",
        message: /no plain file/,
      });
  },
);
