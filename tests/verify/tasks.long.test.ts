/**
 * `verify` of a version of every kind of head: no bit of a row depends on its mates, and the control is caught.
 * @concurrent
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { requireVerified, verify } from "../../src/edge/api/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import { filesOf, VERSION_TASKS } from "../tasks/versions.ts";

for (const task of VERSION_TASKS)
  test(`a version made for ${task}`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "lockstep-verify-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const store = await openStore(folder, { create: true });
    await store.setAlias("champion", (await store.publish(filesOf(task))).name);
    const report = await verify(folder, { quick: true, threads: [1, 2] });
    requireVerified(report);
    assert.deepEqual(
      report.controls.map(({ executor, caught }) => [executor, caught]),
      [
        ["native", true],
        ["portable", true],
      ],
    );
  });
