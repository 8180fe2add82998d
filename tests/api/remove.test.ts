/** What is removed is gone, and what an alias names or a receipt needs stays, whole. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import { remove, removeAlias } from "../../src/edge/api/index.ts";
import { receiptsPath } from "../../src/edge/api/receipts.ts";
import { prepareReceipt } from "../../src/work/audit/receipt.ts";
import { LogWriter } from "../../src/work/audit/writer.ts";
import { openStore, type Store } from "../../src/work/store/index.ts";
import { input } from "../audit/support/inputs.ts";
import { FIRST, SECOND } from "../store/support/state.ts";

const coded = (code: ErrorCode, message: RegExp, exit: number) => (error: unknown) => {
  assert.ok(isLockstepError(error), String(error));
  assert.deepEqual([error.code, error.exitCode], [code, exit], error.message);
  assert.match(error.message, message);
  return true;
};

interface Made {
  readonly store: Store;
  /** The champion. */
  readonly first: string;
  /** What no alias names. */
  readonly second: string;
}

async function made(t: TestContext): Promise<Made> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-remove-"));
  t.after(() => rm(folder, { recursive: true }));
  const store = await openStore(join(folder, "store"), { create: true });
  const { name: first } = await store.publish(FIRST, { alias: "champion" });
  const { name: second } = await store.publish(SECOND);
  return { store, first, second };
}

/** A log with one receipt for each version; the i-th has the request id "test-i". */
function recorded(path: string, versions: readonly string[]): LogWriter {
  const writer = new LogWriter({ path, keyPath: undefined, signEvery: 100, keptHeads: undefined });
  writer.append(versions.map((version, i) => prepareReceipt({ ...input(i), version })));
  return writer;
}

test("a version that nothing needs is removed, whole or damaged, and its bytes are told", async (t) => {
  const { store, first, second } = await made(t);
  await writeFile(join(store.root, "versions", second, "manifest.json"), "{}");
  const { bytes } = (await store.list()).find(({ name }) => name === second)!;
  assert.equal(bytes, 0, "what a damaged manifest says");
  const sizes = [...SECOND.values()].reduce((sum, { length }) => sum + length, "{}".length);
  assert.deepEqual(await remove(store.root, second.slice(0, 8)), { store: store.root, version: second, bytes: sizes });
  assert.deepEqual(await readdir(join(store.root, "versions")), [first]);
  await assert.rejects(remove(store.root, second), coded("NOT_FOUND", /there is no version/, 2));
});

test("what an alias names stays, by whatever name it is called, until the alias is moved", async (t) => {
  const { store, first, second } = await made(t);
  await store.setAlias("challenger", first);
  for (const ref of ["champion", first, first.slice(0, 4)])
    await assert.rejects(
      remove(store.root, ref),
      coded("CONFLICT", /challenger, champion name it; move them .*`lockstep publish/, 1),
    );
  await store.open(first);
  for (const alias of ["challenger", "champion"]) await store.setAlias(alias, second);
  assert.equal((await remove(store.root, first)).version, first);
});

test("what a kept receipt refers to stays, in the store's log or another, until the receipt is erased", async (t) => {
  const { store, first, second } = await made(t);
  const elsewhere = join(store.root, "..", "elsewhere.sqlite");
  for (const [path, options] of [
    [receiptsPath(store.root), {}],
    [elsewhere, { log: elsewhere }],
  ] as const) {
    const log = recorded(path, [first, second]);
    await assert.rejects(remove(store.root, second, options), coded("CONFLICT", /receipt.*`lockstep erase`/, 1));
    await store.open(second);
    log.erase("test-1", new Date(1_800_000_000_000).toISOString());
    log.close();
  }
  assert.equal((await remove(store.root, second, { log: elsewhere })).version, second);
});

test("where it cannot be told whether a version is needed, it stays", async (t) => {
  const { store, second } = await made(t);
  await writeFile(receiptsPath(store.root), "no log of receipts, whatever else");
  await assert.rejects(remove(store.root, second), coded("LOG_CORRUPT", /receipts\.sqlite/, 1));
  const none = join(store.root, "none.sqlite");
  await assert.rejects(remove(store.root, second, { log: none }), coded("NOT_FOUND", /none\.sqlite/, 2));
  await assert.rejects(remove(store.root, second, { force: true } as never), coded("OPTION_INVALID", /force/, 2));
  await assert.rejects(remove(join(store.root, "none"), second), coded("NOT_FOUND", /not a store/, 2));
  await store.open(second);
});

test("an alias is taken away, also a damaged one, and its version stays until it is removed", async (t) => {
  const { store, first } = await made(t);
  await store.setAlias("challenger", first);
  assert.deepEqual(await removeAlias(store.root, "challenger"), {
    store: store.root,
    alias: "challenger",
    version: first,
  });
  assert.deepEqual([...(await store.aliases())], [["champion", first]]);
  await store.open(first);
  await assert.rejects(removeAlias(store.root, "challenger"), coded("NOT_FOUND", /no alias .* it has champion/, 2));
  await assert.rejects(remove(store.root, first), coded("CONFLICT", /`lockstep remove STORE --alias NAME`/, 1));
  await writeFile(join(store.root, "aliases", "champion"), "no name of a version");
  await assert.rejects(store.aliases(), coded("STORE_CORRUPT", /champion/, 1));
  assert.equal((await removeAlias(store.root, "champion")).version, undefined);
  assert.deepEqual([...(await store.aliases())], []);
  assert.equal((await remove(store.root, first)).version, first);
  for (const bad of ["", "../champion", "A", 7])
    await assert.rejects(removeAlias(store.root, bad as string), coded("OPTION_INVALID", /alias/, 2));
  await assert.rejects(removeAlias(join(store.root, "none"), "champion"), coded("NOT_FOUND", /not a store/, 2));
});
