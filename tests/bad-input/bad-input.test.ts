/**
 * What comes from outside and is wrong, through the public door: each gets a typed error that names the problem, and
 * leaves the store as it was.
 */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import {
  isLockstepError,
  list,
  loadModel,
  publish,
  train,
  type ErrorCode,
  type StoreListing,
} from "../../src/edge/api/index.ts";
import { openStore } from "../../src/work/store/index.ts";
import { TINY, tinyStore, type TinyStore } from "../stress/tiny-store.ts";
import { changedCopy, FOLDERS, GGUFS, TABLES } from "./cases.ts";

let tiny: TinyStore;
let listing: StoreListing;
let version: string;
let folder: string;

before(async () => {
  tiny = await tinyStore([1]);
  listing = await list(tiny.store);
  version = listing.versions[0]!.folder;
  folder = await mkdtemp(join(tmpdir(), "lockstep-bad-"));
});
after(async () => {
  await rm(folder, { recursive: true, force: true });
  await tiny[Symbol.asyncDispose]();
});

async function refused(work: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(isLockstepError(error), String(error instanceof Error ? error.stack : error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });
  assert.deepEqual(await list(tiny.store), listing, "the store is as it was");
  for (const [name, count] of [
    ["versions", 1],
    ["tmp", 0],
    ["runs", 0],
  ] as const)
    assert.equal(
      (await readdir(join(tiny.store, name))).filter((entry) => entry !== "writing.lock").length,
      count,
      `half-written: ${name}`,
    );
}

for (const [name, content, code, message] of TABLES) {
  test(`a table: ${name}`, async () => {
    const data = join(folder, "table.csv");
    await writeFile(data, content);
    await refused(train({ ...TINY, data }, { out: tiny.store, threads: 1 }), code, message);
  });
}

for (const [name, change, code, message] of FOLDERS) {
  test(`a folder: ${name}`, async () => {
    const model = await changedCopy(version, join(folder, "model"), change);
    const before = process.memoryUsage.rss();
    // Weights are read by a replica's thread, which takes a while to start: the long tests load every one of these
    // folders.
    if (code !== "WEIGHTS_INVALID" || name.startsWith("NaN"))
      await refused(loadModel(model, { threads: 1 }), code, message);
    await refused(train({ ...TINY, from: model }, { out: tiny.store, threads: 1 }), code, message);
    await refused(publish(tiny.store, model), code, message);
    assert.ok(process.memoryUsage.rss() - before < 512 * 2 ** 20, "no memory is taken on the word of a file");
  });
}

for (const [name, content, code, message] of GGUFS) {
  test(`a GGUF file: ${name}`, async () => {
    const model = join(folder, "model.gguf");
    await writeFile(model, content);
    await refused(loadModel(model, { threads: 1 }), code, message);
    await refused(train({ ...TINY, from: model }, { out: tiny.store, threads: 1 }), code, message);
    await refused(publish(tiny.store, model), code, message);
  });
}

test(
  "a version that a stranger wrote into the store is not trusted either: its regular expression is not run",
  { timeout: 20_000 },
  async () => {
    const [, change] = FOLDERS.find(([name]) => name.includes("regular expression"))!;
    const model = await changedCopy(version, join(folder, "model"), change);
    const files = new Map(
      await Promise.all(
        (await readdir(model))
          .filter((name) => name !== "manifest.json")
          .map(async (name) => [name, await readFile(join(model, name))] as const),
      ),
    );
    const other = join(folder, "other-store");
    const { name } = await (await openStore(other, { create: true })).publish(files, { alias: "champion" });
    await assert.rejects(loadModel(other, { threads: 1 }), {
      code: "TOKENIZER_INVALID",
      message: /regular expression/,
    });
    await assert.rejects(publish(other, name, { alias: "next" }), { code: "TOKENIZER_INVALID" });
    await assert.rejects(train({ ...TINY, from: other }, { out: join(folder, "never"), threads: 1 }), {
      code: "TOKENIZER_INVALID",
    });
  },
);

test("a version: one changed byte in any of its files", async () => {
  const { name } = listing.versions[0]!;
  await chmod(version, 0o755);
  for (const file of await readdir(version)) {
    const path = join(version, file);
    const bytes = await readFile(path);
    const other = Buffer.from(bytes);
    other[bytes.length >> 1]! ^= 1;
    await chmod(path, 0o644);
    await writeFile(path, other);
    await assert.rejects(
      loadModel(tiny.store, { version: name, threads: 1 }),
      (error) => isLockstepError(error) && error.code === "VERSION_CORRUPT" && error.message.includes(file),
      file,
    );
    await writeFile(path, bytes);
  }
  await using model = await loadModel(tiny.store, { version: name, threads: 1 });
  assert.equal((await model.classify("is my parcel here")).version, name);
});
