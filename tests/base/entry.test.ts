/** Inside a bundle the package's own files are not found, and that is said. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { ownFile } from "../../src/base/index.ts";

test("a module outside the package finds none of its files: one typed error with the remedy", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-bundled-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, "bundle.mjs");
  await writeFile(join(folder, "package.json"), '{"name":"program"}');
  await writeFile(file, 'export const find = () => import.meta.resolve("#entry/work/serve/replica-worker");');
  const { find } = (await import(pathToFileURL(file).href)) as { find: () => string };
  assert.throws(() => ownFile(find), { code: "RUNTIME_MISSING", message: /bundled.*--external:lockstep/ });
  const commonJs = {} as { readonly resolve: (specifier: string) => string };
  assert.throws(() => ownFile(() => commonJs.resolve("#entry/work/train/worker")), { code: "RUNTIME_MISSING" });
  const other = new RangeError("something else");
  assert.throws(
    () =>
      ownFile(() => {
        throw other;
      }),
    (thrown) => thrown === other,
  );
  assert.equal(
    ownFile(() => "file:///a"),
    "file:///a",
  );
});
