/**
 * The whole of `verify`: every batch size and position, mates of other lengths, 1, 2 and 4 threads, both profiles.
 * @concurrent
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { requireVerified, verify } from "../../src/edge/api/index.ts";
import { tinyFiles } from "../serve/tiny-version.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-verify-"));
after(() => {
  rmSync(folder, { recursive: true, force: true });
});

test("a tiny version passes the whole verification", async (t) => {
  for (const [name, bytes] of tinyFiles(2)) writeFileSync(join(folder, name), bytes);
  const report = await verify(folder);
  requireVerified(report);
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.checks.map(({ executor, check }) => `${executor} ${check}`),
    ["native", "portable"].flatMap((executor) => [
      ...[8, 24, 80].map((tokens) => `${executor} batches of rows of ${tokens} tokens`),
      `${executor} mates of other lengths`,
      ...(executor === "native" ? ["native two threads inside an operator"] : []),
      ...["1 thread", "2 threads", "4 threads"].map((threads) => `${executor} through the scheduler on ${threads}`),
    ]),
  );
  t.diagnostic(
    `${report.checks.reduce((sum, { rows }) => sum + rows, 0)} rows compared in ${report.seconds.toFixed(1)} s`,
  );
});
