/** Erasing while a reader holds an old view: five seconds of waiting, so not among the quick tests. @concurrent */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { openAuditLog } from "../../src/work/audit/index.ts";
import { fixture, holds, input } from "./support/inputs.ts";

test(
  "erasing while somebody reads says that old bytes are still there, and a later one takes them away",
  { timeout: 30_000 },
  async (t) => {
    const { folder, log } = await fixture(t);
    await using open = await openAuditLog(log);
    const salt = (await open.append(input(0))).salt!;
    await open.append(input(1));
    const reader = new DatabaseSync(log, { readOnly: true });
    reader.exec("BEGIN");
    reader.prepare("SELECT COUNT(*) FROM receipts").get();
    await assert.rejects(
      open.erase("test-0"),
      (error) =>
        isLockstepError(error) && error.code === "TIMEOUT" && /1 receipts are erased.*old bytes/.test(error.message),
    );
    assert.equal((await open.get("test-0"))?.request, null);
    reader.close();
    await open.erase("test-1");
    assert.ok(!(await holds(folder, salt)));
  },
);
