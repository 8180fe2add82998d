/** Folders level by level: all kinds of paths, and those that no folder can be made in, without a wait. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isLockstepError, makeFolder } from "../../src/base/index.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-folder-"));
after(() => rmSync(folder, { recursive: true }));

test("makes what is missing with its mode, and nothing where all is there", () => {
  const deep = join(folder, "a", "b", "c");
  makeFolder(deep, 0o700);
  for (const level of [deep, join(folder, "a", "b"), join(folder, "a")])
    assert.equal(statSync(level).mode & 0o777, 0o700);
  makeFolder(deep);
  makeFolder("/");
  assert.equal(statSync(deep).mode & 0o777, 0o700);
  mkdirSync(join(folder, "real"));
  symlinkSync(join(folder, "real"), join(folder, "link"));
  makeFolder(join(folder, "link", "in"));
  assert.ok(existsSync(join(folder, "real", "in")));
});

test("a file, or a link to nothing, in the way is said", () => {
  writeFileSync(join(folder, "file"), "");
  symlinkSync(join(folder, "nowhere", "x"), join(folder, "dangling"));
  for (const path of [join(folder, "file"), join(folder, "file", "x", "y"), join(folder, "dangling", "x")])
    assert.throws(() => makeFolder(path), { code: "OPTION_INVALID", message: /cannot be made: .* is no folder/ }, path);
});

test(
  "where the parent is there and takes no children, it is DISK_FAILED at once",
  { skip: !existsSync("/proc/self") && "there is no /proc" },
  () => {
    for (const path of ["/proc/nowhere", "/proc/nowhere/at/all"])
      assert.throws(
        () => makeFolder(path),
        (error) => isLockstepError(error) && error.code === "DISK_FAILED" && error.details["path"] === path,
      );
  },
);
