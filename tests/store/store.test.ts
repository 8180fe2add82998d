/** The store on a real disk: names, aliases, damage, limits and failing disks. */
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import {
  nodeFileSystem,
  openFolder,
  openStore,
  withSteps,
  type FileSystem,
  type Store,
} from "../../src/work/store/index.ts";
import { KillTest } from "./support/kill.ts";
import { bytes, FIRST, SECOND } from "./support/state.ts";

/** Without the locks of who works there. */
async function contentsOf(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.endsWith(".lock"));
}

const PAUSED_WRITER = fileURLToPath(new URL("./support/paused-writer.ts", import.meta.url));

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-store-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function newStore(t: TestContext): Promise<Store> {
  return await openStore(join(await temporary(t), "models"), { create: true });
}

const coded =
  (code: ErrorCode, message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(isLockstepError(error), String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  };

test("a version is named by its contents, and read back as it was", async (t) => {
  const store = await newStore(t);
  const first = await store.publish(FIRST, { alias: "champion" });
  assert.match(first.name, /^[0-9a-f]{64}$/);
  assert.deepEqual(
    await store.publish(new Map([...FIRST].reverse())),
    first,
    "order does not matter, and again is success",
  );
  const second = await store.publish(SECOND);
  assert.notEqual(second.name, first.name);
  const loaded = await store.open("champion");
  assert.equal(loaded.name, first.name);
  assert.deepEqual(
    new Map([...loaded.files].map(([name, content]) => [name, Buffer.from(content).toString()])),
    new Map([...FIRST].map(([name, content]) => [name, Buffer.from(content).toString()])),
  );
  assert.deepEqual(
    [...(await store.open(second.name)).files.keys()],
    ["1_Pooling/config.json", "config.json", "model.safetensors"],
  );
  const listed = await store.list();
  assert.deepEqual(
    listed.map(({ name, aliases }) => ({ name, aliases })).sort((a, b) => b.aliases.length - a.aliases.length),
    [
      { name: first.name, aliases: ["champion"] },
      { name: second.name, aliases: [] },
    ],
  );
  assert.equal(
    listed.find(({ name }) => name === first.name)?.bytes,
    [...FIRST.values()].reduce((sum, { length }) => sum + length, 0),
  );
  assert.deepEqual(await contentsOf(join(store.root, "tmp")), []);
});

test("versions are found by alias, name and prefix; otherwise it is said what there is", async (t) => {
  const store = await newStore(t);
  await assert.rejects(store.resolve("champion"), coded("NOT_FOUND", /no version yet/));
  const { name } = await store.publish(FIRST, { alias: "champion" });
  for (const ref of ["champion", name, name.slice(0, 12), name.slice(0, 4)])
    assert.equal((await store.resolve(ref)).name, name);
  for (const ref of [name.slice(0, 3), "nobody", "../champion", `${name}0`, ""]) {
    await assert.rejects(store.resolve(ref), coded("NOT_FOUND", new RegExp(`champion.*${name.slice(0, 12)}`)));
  }
  for (const prefix of ["aaaa", "aaaab"]) await mkdir(join(store.root, "versions", prefix.padEnd(64, "0")));
  await assert.rejects(store.resolve("aaaa"), coded("NOT_FOUND", /fits 2 versions.*more characters/));
});

test("aliases: validated, compared and set, removed", async (t) => {
  const store = await newStore(t);
  const { name: first } = await store.publish(FIRST);
  const { name: second } = await store.publish(SECOND);
  for (const alias of ["", "Champion", "../x", "a/b", ".hidden", "x".repeat(65), "ümlaut"])
    await assert.rejects(store.setAlias(alias, first), coded("OPTION_INVALID", /not an alias/));
  await assert.rejects(store.setAlias("beef", first), coded("OPTION_INVALID", /reads like/));
  await assert.rejects(store.publish(FIRST, { alias: "A" }), coded("OPTION_INVALID", /not an alias/));
  await store.setAlias("champion", first, { expected: null });
  await assert.rejects(
    store.setAlias("champion", second, { expected: null }),
    coded("CONFLICT", /names [0-9a-f]{64} now, not nothing/),
  );
  // Of many who have seen the first, exactly one moves it.
  const moves = await Promise.allSettled(
    Array.from({ length: 8 }, async () => store.setAlias("champion", second, { expected: first })),
  );
  assert.equal(moves.filter(({ status }) => status === "fulfilled").length, 1);
  await store.removeAlias("champion");
  await assert.rejects(store.removeAlias("champion"), coded("NOT_FOUND", /no alias/));
});

test("a version in use is not removed", async (t) => {
  const store = await newStore(t);
  const { name, folder } = await store.publish(SECOND, { alias: "champion" });
  await assert.rejects(store.remove(name), coded("CONFLICT", /champion names it/));
  await store.removeAlias("champion");
  await assert.rejects(store.remove(name, { isPinned: (version) => version === name }), coded("CONFLICT", /receipt/));
  const files = await readdir(folder, { recursive: true, withFileTypes: true });
  const inside = files.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)));
  const bytes = (await Promise.all(inside)).reduce((sum, { size }) => sum + size, 0);
  assert.deepEqual(await store.remove(name.slice(0, 8)), { name, bytes });
  assert.deepEqual(await store.list(), []);
});

test("one changed byte, a missing or longer file, or another manifest is VERSION_CORRUPT and named", async (t) => {
  const store = await newStore(t);
  const { name, folder } = await store.publish(SECOND, { alias: "champion" });
  for (const file of ["config.json", "model.safetensors", "1_Pooling/config.json", "manifest.json"]) {
    const path = join(folder, file);
    const original = await readFile(path);
    const escaped = new RegExp(file.replace(".", "\\."));
    for (let at = 0; at < original.length; at += 7) {
      const changed = Buffer.from(original);
      changed[at]! ^= 1;
      await writeFile(path, changed);
      await assert.rejects(store.open("champion"), coded("VERSION_CORRUPT", escaped));
    }
    await writeFile(path, Buffer.concat([original, bytes(" ")]));
    await assert.rejects(store.open(name), coded("VERSION_CORRUPT", escaped));
    await rename(path, `${path}.away`);
    await assert.rejects(store.open(name), coded("VERSION_CORRUPT", /missing/));
    await symlink(`${path}.away`, path);
    await assert.rejects(store.open(name), coded("VERSION_CORRUPT", escaped));
    await rm(path);
    await rename(`${path}.away`, path);
    await writeFile(path, original);
  }
  await store.open(name);
  await writeFile(join(folder, "config.json"), "{}");
  assert.equal((await store.list())[0]?.problem, undefined);
  await store.publish(SECOND);
  await store.open(name); // publishing it again has mended it
  await writeFile(join(folder, "manifest.json"), "{}");
  assert.match((await store.list())[0]?.problem ?? "", /manifest\.json/);
});

test("damaged aliases are reported, strangers' files passed over", async (t) => {
  const store = await newStore(t);
  const { name } = await store.publish(FIRST);
  await writeFile(join(store.root, "aliases", ".DS_Store"), "x");
  await writeFile(join(store.root, "versions", ".DS_Store"), "x");
  assert.equal((await store.list()).length, 1);
  await writeFile(join(store.root, "aliases", "gone"), `${"0".repeat(64)}\n`);
  await assert.rejects(store.resolve("gone"), coded("STORE_CORRUPT", /not in/));
  await writeFile(join(store.root, "aliases", "bad"), "../../etc/passwd");
  await assert.rejects(store.resolve("bad"), coded("STORE_CORRUPT", /set the alias again/));
  await store.setAlias("bad", name);
  assert.equal((await store.resolve("bad")).name, name);
});

test("opening: what is not a store is refused, and left as it is", async (t) => {
  const folder = await temporary(t);
  await assert.rejects(openStore(join(folder, "none")), coded("NOT_FOUND", /nothing there/));
  await writeFile(join(folder, "config.json"), "{}");
  await assert.rejects(openStore(folder), coded("NOT_FOUND", /plain model folder/));
  await assert.rejects(openStore(folder, { create: true }), coded("OPTION_INVALID", /not empty/));
  await assert.rejects(openStore(join(folder, "config.json"), { create: true }), coded("DISK_FAILED", /ENOTDIR/));
  assert.deepEqual(await readdir(folder), ["config.json"]);
});

test("leftovers are removed once nobody writes; names of 0.1, whose writers held no lock, after a day", async (t) => {
  const store = await newStore(t);
  const tmp = join(store.root, "tmp");
  const left = `tmp-${"0".repeat(32)}`;
  const former = `tmp-00000000-1-0000000000000000`;
  const old = `tmp-00000000-1-0000000000000001`;
  for (const name of [left, former, old, "notes"]) await mkdir(join(tmp, name));
  await writeFile(join(tmp, left, "model.safetensors"), "half");
  await utimes(join(tmp, old), 0, 0);
  const writer = await nodeFileSystem.share(join(tmp, "writing.lock"));
  await openStore(store.root);
  assert.deepEqual(await readdir(tmp), ["notes", former, left, old, "writing.lock"].sort(), "somebody writes");
  await writer[Symbol.asyncDispose]();
  await openStore(store.root);
  assert.deepEqual(await readdir(tmp), ["notes", former, "writing.lock"].sort());
});

test("a writer whose process number nobody else sees keeps what it writes", async (t) => {
  const store = await newStore(t);
  const node = [process.execPath, "--conditions=lockstep-source", PAUSED_WRITER, store.root];
  const unshare = spawnSync("unshare", ["-p", "-f", "true"]).status === 0 ? ["unshare", "-p", "-f"] : [];
  t.diagnostic(unshare.length > 0 ? "the writer has process numbers of its own" : "no other process numbers here");
  const [command = "", ...rest] = [...unshare, ...node];
  const writer = spawn(command, rest, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: writer.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, "paused");
  await openStore(store.root);
  assert.equal((await contentsOf(join(store.root, "tmp"))).length, 1);
  writer.stdin.end("go on\n");
  assert.equal((await lines.next()).value, "done");
  assert.equal((await store.open("champion")).files.size, SECOND.size);
});

test("a version that is damaged while it gets its name is no success", async (t) => {
  const store = await newStore(t);
  const fs: FileSystem = {
    ...nodeFileSystem,
    rename: async (from, to) => {
      if (to.includes("versions")) await rm(join(from, "config.json"));
      await nodeFileSystem.rename(from, to);
    },
  };
  await assert.rejects(
    (await openStore(store.root, { fs })).publish(FIRST, { alias: "champion" }),
    coded("VERSION_CORRUPT", /config.json/),
  );
  assert.equal(await store.alias("champion"), undefined);
});

test("a disk that fails at any step: DISK_FAILED, the old state, nothing half-written", async (t) => {
  const store = await newStore(t);
  const { name } = await store.publish(FIRST, { alias: "champion" });
  for (const code of ["ENOSPC", "EIO", "EROFS"]) {
    let failures = 0;
    for (let fatal = 0; ; fatal++) {
      let step = -1;
      const fs = withSteps(nodeFileSystem, store.root, (doing) => {
        step++;
        // A failing disk can still remove, and after the rename the new version is whole.
        if (step === fatal && !doing.startsWith("remove") && !doing.startsWith("sync folder versions"))
          throw Object.assign(new Error(code), { code });
      });
      const attempt = (await openStore(store.root, { fs })).publish(SECOND);
      const error: unknown = await attempt.then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      if (error !== undefined) {
        failures++;
        assert.ok(coded("DISK_FAILED", new RegExp(code))(error));
        assert.deepEqual(
          (await store.list()).map((version) => version.name),
          [name],
        );
      } else {
        const [added] = (await store.list()).filter(({ aliases }) => aliases.length === 0);
        if (added !== undefined) await store.remove(added.name);
      }
      assert.deepEqual(await contentsOf(join(store.root, "tmp")), []);
      if (error === undefined && step < fatal) break;
    }
    assert.ok(failures > 15);
  }
});

test(
  "a real write that the system refuses (a file-size limit stands in for a full disk)",
  { skip: process.platform === "win32" ? "needs ulimit" : false },
  async (t) => {
    const store = await newStore(t);
    const { name } = await store.publish(FIRST, { alias: "champion" });
    const child = fileURLToPath(new URL("./support/full-disk-child.ts", import.meta.url));
    const { stdout } = await promisify(execFile)("sh", [
      "-c",
      'ulimit -f 2000 && exec "$0" "$@"',
      process.execPath,
      "--conditions=lockstep-source",
      child,
      store.root,
    ]);
    assert.equal(stdout, "DISK_FAILED\nDISK_FAILED\n");
    assert.equal((await store.resolve("champion")).name, name);
    assert.deepEqual(
      [
        (await store.list()).length,
        await contentsOf(join(store.root, "tmp")),
        await contentsOf(join(store.root, "runs/one")),
      ],
      [1, [], []],
    );
  },
);

test(
  "a folder without permission is a typed error",
  { skip: process.platform === "win32" ? "folders have no mode there" : false },
  async (t) => {
    const store = await newStore(t);
    const folders = ["..", "versions", "tmp"].map((name) => join(store.root, name));
    // root may write anywhere: then it is somebody else who tries
    const other = process.getuid?.() === 0;
    for (const [readOnly, message] of [
      ["tmp", /lock .*check that its folder may be written to/],
      ["versions", /EACCES.*permission/],
    ] as const) {
      for (const folder of folders) await chmod(folder, folder.endsWith(readOnly) ? 0o555 : 0o777);
      if (other) process.seteuid!(65_534);
      try {
        await assert.rejects(store.publish(FIRST), coded("DISK_FAILED", message));
      } finally {
        if (other) process.seteuid!(0);
        for (const folder of folders) await chmod(folder, 0o755);
      }
    }
    await store.publish(FIRST);
  },
);

test("names of files: nothing that leaves the folder", async (t) => {
  const store = await newStore(t);
  for (const name of ["../x", "/etc/x", "a/../b", "a/b/c", "", ".git", "manifest.json", "a\\b", "a\0"]) {
    await assert.rejects(store.publish(new Map([[name, bytes("x")]])), coded("INPUT_INVALID", /cannot be the name/));
  }
  await assert.rejects(store.publish(new Map()), coded("INPUT_INVALID", /at least one file/));
  assert.deepEqual(
    [await store.list(), await contentsOf(join(store.root, "tmp")), await readdir(join(store.root, "versions"))],
    [[], [], []],
  );
});

test("files in shared memory are published and read", async (t) => {
  const store = await newStore(t);
  const shared = new Uint8Array(new SharedArrayBuffer(9_000_000)).fill(7);
  const { name } = await store.publish(new Map([["model.safetensors", shared]]));
  const { files } = await store.open(name, {
    allocate: (_file, length) => new Uint8Array(new SharedArrayBuffer(length)),
  });
  const read = files.get("model.safetensors")!;
  assert.ok(read.buffer instanceof SharedArrayBuffer);
  assert.equal(Buffer.compare(read, shared), 0);
});

test("a foreign folder: known files only, and no links", async (t) => {
  const store = await newStore(t);
  const folder = join(await temporary(t), "theirs");
  await mkdir(join(folder, "1_Pooling"), { recursive: true });
  for (const [name, content] of SECOND) await writeFile(join(folder, name), content);
  await writeFile(join(folder, "README.md"), "x");
  const loaded = await openFolder(folder);
  assert.deepEqual(loaded.ignored, ["README.md"]);
  assert.equal((await store.publish(loaded.files)).name, loaded.name);

  const secret = join(folder, "..", "secret");
  await writeFile(secret, "secret");
  for (const name of ["vocab.txt", "model.safetensors", "config.json"]) {
    for (const [make, message] of [
      [symlink, /symbolic link/],
      [link, /hard link/],
    ] as const) {
      await rm(join(folder, name), { force: true });
      await make(secret, join(folder, name));
      await assert.rejects(openFolder(folder), coded("MODEL_INVALID", message));
    }
    await rm(join(folder, name));
    await mkdir(join(folder, name));
    await assert.rejects(openFolder(folder), coded("MODEL_INVALID", /a folder/));
    await rm(join(folder, name), { recursive: true });
    await writeFile(join(folder, name), SECOND.get(name) ?? "x");
  }
  if (process.platform !== "win32") {
    await promisify(execFile)("mkfifo", [join(folder, "merges.txt")]);
    await assert.rejects(openFolder(folder), coded("MODEL_INVALID", /merges\.txt.*not a regular file/));
    await rm(join(folder, "merges.txt"));
  }
  await rm(join(folder, "1_Pooling"), { recursive: true });
  await symlink(join(folder, ".."), join(folder, "1_Pooling"));
  await assert.rejects(openFolder(folder), coded("MODEL_INVALID", /1_Pooling.*symbolic link/));
});

test("a foreign folder: limits, before memory is taken", async (t) => {
  const folder = await temporary(t);
  await assert.rejects(openFolder(join(folder, "none")), coded("NOT_FOUND", /no such folder/));
  await assert.rejects(openFolder(folder), coded("NOT_FOUND", /no config\.json/));
  await writeFile(join(folder, "config.json"), "{}");
  await assert.rejects(openFolder(join(folder, "config.json")), coded("NOT_FOUND", /not a folder/));
  await writeFile(join(folder, "model.safetensors"), "0123456789");
  await assert.rejects(openFolder(folder, { maxWeightBytes: 9 }), coded("INPUT_TOO_LARGE", /10 B; the limit is 9 B/));
  const seen: unknown[] = [];
  await openFolder(folder, {
    beforeWeights: (files, weightBytes) => {
      seen.push([...files.keys()], weightBytes);
    },
  });
  assert.deepEqual(seen, [["config.json"], 10]);
  await writeFile(join(folder, "config.json"), Buffer.alloc(16 * 1024 * 1024 + 1));
  await assert.rejects(openFolder(folder), coded("INPUT_TOO_LARGE", /config\.json/));
  await rm(join(folder, "config.json"));
  const sub = join(folder, "many");
  await mkdir(sub);
  await Promise.all(Array.from({ length: 1001 }, (_, i) => writeFile(join(sub, `f${i}`), "")));
  await assert.rejects(openFolder(sub), coded("INPUT_TOO_LARGE", /1000 entries/));
});

test("killed while writing a version, the store goes on; all steps are in kill.long.test.ts", async () => {
  await using kills = await KillTest.prepare();
  assert.ok(await kills.canGoOn(6));
});
