/** Folders as the Hugging Face Hub's tools leave them: links into a cache, weights in shards, other forms. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { encodeSafetensors, readSafetensors } from "../../src/numeric/tensor/index.ts";
import { checkWeightsSize, readVersion } from "../../src/work/infer/index.ts";
import { nodeFileSystem, openFolder, type FileSystem } from "../../src/work/store/index.ts";
import { tinyFiles } from "../infer/tiny.ts";

const FILES = tinyFiles({ pooling: "first", own: null });
const WEIGHTS = "model.safetensors";
const INDEX = "model.safetensors.index.json";

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-foreign-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function written(folder: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<string> {
  for (const [name, content] of files) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** A snapshot as the Hub's cache has it: every file a link to its content in `blobs`. */
async function cached(root: string, files: ReadonlyMap<string, Uint8Array>): Promise<string> {
  const snapshot = join(root, "models--someone--tiny", "snapshots", "0123abcd");
  await mkdir(join(root, "models--someone--tiny", "blobs"), { recursive: true });
  let number = 0;
  for (const [name, content] of files) {
    const blob = `${number++}`.padStart(40, "a");
    await writeFile(join(root, "models--someone--tiny", "blobs", blob), content);
    await mkdir(dirname(join(snapshot, name)), { recursive: true });
    await symlink(`${"../".repeat(1 + name.split("/").length)}blobs/${blob}`, join(snapshot, name));
  }
  return snapshot;
}

test("a snapshot of the Hub's cache, all links, is the folder with those files; also by a link to it", async (t) => {
  const root = await temporary(t);
  const files = new Map(FILES).set("1_Pooling/config.json", new TextEncoder().encode("{}"));
  const plain = await openFolder(await written(join(root, "plain"), files));
  const snapshot = await cached(root, files);
  assert.equal((await openFolder(snapshot)).name, plain.name);
  await symlink(snapshot, join(root, "current"));
  assert.equal((await openFolder(join(root, "current"))).name, plain.name);
  assert.deepEqual(readVersion(plain.files).labels, ["card", "cash", "loan"]);
  await assert.rejects(openFolder(join(root, "models--someone--tiny")), {
    code: "NOT_FOUND",
    message: /Hub's cache.*snapshots/,
  });
});

test("a link that leaves the cache, or looks like one of the cache somewhere else, is refused", async (t) => {
  const root = await temporary(t);
  const snapshot = await cached(root, FILES);
  const blobs = join(root, "models--someone--tiny", "blobs");
  await writeFile(join(root, "secret"), "{}");
  await symlink(join(root, "secret"), join(blobs, "link"));
  const config = join(snapshot, "config.json");
  for (const target of [
    "../../../secret",
    join(root, "secret"),
    "../../blobs/../../secret",
    "../../blobs/link",
    "../../blobs",
    "tokenizer.json",
    "../../blobs/gone",
  ]) {
    await rm(config, { force: true });
    await symlink(target, config);
    await assert.rejects(openFolder(snapshot), (error: Error & { code?: string }) => {
      assert.ok(["MODEL_INVALID", "NOT_FOUND", "DISK_FAILED"].includes(error.code ?? ""), `${target}: ${error.code}`);
      return true;
    });
  }
  const elsewhere = join(root, "a", "b");
  await mkdir(join(root, "blobs"));
  await writeFile(join(root, "blobs", "a".repeat(40)), "{}");
  await mkdir(elsewhere, { recursive: true });
  await symlink(`../../blobs/${"a".repeat(40)}`, join(elsewhere, "config.json"));
  await assert.rejects(openFolder(elsewhere), { code: "MODEL_INVALID", message: /symbolic link/ });
});

/** The weights of FILES in `count` shards and their index. */
function sharded(count: number): Map<string, Uint8Array | string> {
  const { tensors } = readSafetensors(FILES.get(WEIGHTS)!);
  const names = [...tensors.keys()].sort();
  const shardOf = (i: number): string =>
    `model-${String(1 + (i % count)).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`;
  const files = new Map<string, Uint8Array | string>([...FILES].filter(([name]) => name !== WEIGHTS));
  for (let shard = 0; shard < count; shard++)
    files.set(
      shardOf(shard),
      encodeSafetensors(new Map([...tensors].filter(([name]) => names.indexOf(name) % count === shard))),
    );
  const weight_map = Object.fromEntries(names.map((name, i) => [name, shardOf(i)]));
  return files.set(INDEX, JSON.stringify({ metadata: { total_size: 1 }, weight_map }));
}

test("weights in shards are the same weights", async (t) => {
  const folder = await written(join(await temporary(t), "model"), sharded(3));
  const seen: number[] = [];
  const { files, ignored } = await openFolder(folder, {
    allocate: (_name, bytes) => new Uint8Array(new SharedArrayBuffer(bytes)),
    beforeWeights: (_files, bytes) => seen.push(bytes),
  });
  assert.deepEqual(readVersion(files).weights, readVersion(FILES).weights);
  assert.deepEqual([ignored, seen.length], [[], 1]);
  assert.ok(files.get(WEIGHTS)!.buffer instanceof SharedArrayBuffer);
  await assert.rejects(openFolder(folder, { maxWeightBytes: seen[0]! - 1 }), { code: "INPUT_TOO_LARGE" });
  await openFolder(folder, { beforeWeights: checkWeightsSize });
});

test("no byte of a shard is in memory twice", async (t) => {
  const folder = await written(join(await temporary(t), "model"), sharded(3));
  const taken: number[] = [];
  const whole: Uint8Array[] = [];
  const fs: FileSystem = {
    ...nodeFileSystem,
    readFile: async (path, options) => {
      const bytes = await nodeFileSystem.readFile(path, options);
      const placed = whole.some(({ buffer }) => buffer === bytes.buffer);
      if (path.endsWith(".safetensors") && !placed) taken.push(bytes.length);
      return bytes;
    },
  };
  const { files } = await openFolder(folder, {
    fs,
    allocate: (name, bytes) => {
      const made = new Uint8Array(bytes);
      if (name === WEIGHTS) whole.push(made);
      return made;
    },
  });
  assert.deepEqual(whole, [files.get(WEIGHTS)]);
  const headers = [...sharded(3)]
    .flatMap(([name, content]) => (name.endsWith(".safetensors") ? [content as Uint8Array] : []))
    .flatMap((bytes) => [8, 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))]);
  assert.deepEqual(taken, headers, "beside the whole, nothing but headers was read");
});

test("shards that do not fit their index are refused by name", async (t) => {
  const root = await temporary(t);
  const first = "model-00001-of-00002.safetensors";
  const index = JSON.parse(sharded(2).get(INDEX) as string) as { weight_map: Record<string, string> };
  const changed = (change: (map: Record<string, string>) => void): string => {
    const map = { ...index.weight_map };
    change(map);
    return JSON.stringify({ weight_map: map });
  };
  const cases: readonly (readonly [string, (files: Map<string, Uint8Array | string>) => void, RegExp])[] = [
    ["a shard is missing", (files) => files.delete(first), /model-00001-of-00002.*missing/],
    ["no JSON", (files) => files.set(INDEX, "{"), /not JSON/],
    ["no map", (files) => files.set(INDEX, "{}"), /weight_map/],
    ["an empty map", (files) => files.set(INDEX, '{"weight_map":{}}'), /0 files/],
    ["a way out", (files) => files.set(INDEX, '{"weight_map":{"a":"../secret"}}'), /not the name of a shard/],
    [
      "a tensor in another shard",
      (files) =>
        files.set(
          INDEX,
          changed((map) => (map["classifier.bias"] = Object.values(map).find((s) => s !== map["classifier.bias"])!)),
        ),
      /"classifier\.bias" is in/,
    ],
    [
      "a tensor that the index has not",
      (files) =>
        files.set(
          INDEX,
          changed((map) => delete map["classifier.bias"]),
        ),
      /"classifier\.bias" is in.*nothing of it/,
    ],
    [
      "a tensor that no shard has",
      (files) =>
        files.set(
          INDEX,
          changed((map) => (map["more"] = first)),
        ),
      /"more" is not in/,
    ],
    [
      "a damaged shard",
      (files) => files.set(first, (files.get(first) as Uint8Array).subarray(0, 500)),
      /00001-of-00002/,
    ],
  ];
  for (const [name, change, message] of cases) {
    const files = sharded(2);
    change(files);
    const folder = await written(join(root, name), files);
    await assert.rejects(openFolder(folder), (error: Error & { code?: string }) => {
      assert.ok(["MODEL_INVALID", "WEIGHTS_INVALID"].includes(error.code ?? ""), `${name}: ${error.code}`);
      assert.match(error.message, message, name);
      return true;
    });
  }
});

test("weights in another form alone are named, with the way to write them again", async (t) => {
  const files = new Map<string, Uint8Array | string>([...FILES].filter(([name]) => name !== WEIGHTS));
  files.set("pytorch_model.bin", "x");
  await assert.rejects(openFolder(await written(join(await temporary(t), "model"), files)), {
    code: "MODEL_INVALID",
    message: /pytorch_model\.bin is not read.*save_pretrained/,
  });
  files.delete("pytorch_model.bin");
  files.set("model-q8_0.gguf", "x");
  await assert.rejects(openFolder(await written(join(await temporary(t), "other"), files)), {
    code: "MODEL_INVALID",
    message: /to use model-q8_0\.gguf, name that file itself/,
  });
});
