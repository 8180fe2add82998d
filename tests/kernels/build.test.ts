/** kernels.wasm is what its sources compile to, and uses nothing but the shared memory that it is given. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));

test("building again gives the committed bytes", async () => {
  const folder = await mkdtemp(join(tmpdir(), "kernels-"));
  try {
    await promisify(execFile)(process.execPath, [
      join(root, "scripts/build-kernels.mjs"),
      join(folder, "kernels.wasm"),
    ]);
    const [built, committed] = await Promise.all([
      readFile(join(folder, "kernels.wasm")),
      readFile(join(root, "src/numeric/kernels/kernels.wasm")),
    ]);
    assert.ok(
      built.equals(committed),
      "src/numeric/kernels/kernels.wasm is stale: run node scripts/build-kernels.mjs and commit it",
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});
