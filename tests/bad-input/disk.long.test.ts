/**
 * A full disk from a checkpoint on, and while a version is written: the checkpoint stops nothing, the version is
 * DISK_FAILED; nothing half-written, and with room again it goes on from where it stood. @concurrent
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isLockstepError, list, train } from "../../src/edge/api/index.ts";
import { trainOn } from "../../src/edge/api/train.ts";
import { nodeFileSystem, withSteps, type FileSystem } from "../../src/work/store/index.ts";
import { BRIEF } from "../train/brief.ts";

/** Full from the `count`-th step that fits `step` on. */
function fullDisk(root: string, step: RegExp, count: number): FileSystem {
  let seen = 0;
  return withSteps(nodeFileSystem, root, (name) => {
    if (step.test(name)) seen++;
    if (seen >= count && name.startsWith("write"))
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  });
}

test("a disk that fills up", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-full-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const whole = await train(BRIEF, { out: join(folder, "whole"), threads: 1 });
  for (const [what, step, count, checkpoints] of [
    ["checkpoint", /^rename runs/, 2, 2],
    ["version", /^write the rest of tmp.*safetensors/, 1, 2],
  ] as const) {
    const out = join(folder, what);
    const warnings: string[] = [];
    await assert.rejects(
      trainOn({ fs: fullDisk(out, step, count), checkpointSeconds: 0 }, BRIEF, {
        out,
        threads: 1,
        onProgress: (event) => {
          if (event.kind === "warning") warnings.push(event.message);
        },
      }),
      (error) => {
        assert.ok(isLockstepError(error) && error.code === "DISK_FAILED" && error.exitCode === 1, String(error));
        assert.match(error.message, /could not write the version .*ENOSPC.*free some space/);
        return true;
      },
    );
    const isWarned = /no checkpoint was written at step .*ENOSPC.*free some space/.test(warnings.join("\n"));
    assert.equal(isWarned, what === "checkpoint", warnings.join("\n"));
    assert.deepEqual((await list(out)).versions, []);
    assert.deepEqual((await readdir(join(out, "tmp"))).filter(isNoLock), []);
    const [run] = await readdir(join(out, "runs"));
    const left = (await readdir(join(out, "runs", run!))).filter(isNoLock);
    assert.equal(left.length, checkpoints, left.join());
    assert.ok(
      left.every((name) => name.endsWith(".checkpoint")),
      left.join(),
    );
    assert.equal((await train(BRIEF, { out, threads: 1, resume: true })).version, whole.version, "with room again");
  }
});

/** Locks are empty files that stay. */
function isNoLock(name: string): boolean {
  return !name.endsWith(".lock");
}
