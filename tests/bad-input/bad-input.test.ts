/** What comes from outside and is wrong: each gets a typed error that names the problem, and leaves the store as it was. */
import assert from "node:assert/strict";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isLockstepError, list, loadModel, train, type ErrorCode, type StoreListing } from "../../src/edge/api/index.ts";
import { encodeSafetensors, readSafetensors, tensor } from "../../src/numeric/tensor/index.ts";
import { TINY, tinyStore, type TinyStore } from "../stress/tiny-store.ts";

let tiny: TinyStore;
let listing: StoreListing;
let folder: string;

before(async () => {
  tiny = await tinyStore([1]);
  listing = await list(tiny.store);
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
  assert.deepEqual((await readdir(join(tiny.store, "versions"))).length, listing.versions.length, "nothing half-written");
}

const row = (i: number): string => `is this question number ${i},${i % 2 === 0 ? "even" : "odd"}\n`;
const rows = (count: number): string => Array.from({ length: count }, (_, i) => row(i)).join("");
const TABLES: readonly (readonly [string, string | Uint8Array, ErrorCode, RegExp])[] = [
  ["an empty file", "", "DATA_INVALID", /empty/],
  ["a header and no rows", "text,label\n", "DATA_INVALID", /row/],
  ["no column of labels", `text,other\n${rows(20)}`, "DATA_INVALID", /label/],
  ["no column of texts", `foo,label\n${rows(20)}`, "DATA_INVALID", /text/],
  ["one class", `text,label\n${Array.from({ length: 20 }, (_, i) => `question ${i},same\n`).join("")}`, "DATA_INVALID", /same|class|label/],
  ["binary garbage", Uint8Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) & 255), "DATA_INVALID", /UTF-8|binary|NUL/i],
  ["a cell of 10 MB", `text,label\n${rows(20)}${"x".repeat(10_000_000)},even\n`, "DATA_INVALID", /line 22|row 2[0-2]|record/i],
  ["invalid UTF-8", Buffer.concat([Buffer.from(`text,label\n${rows(20)}caf`), Buffer.from([0xe9]), Buffer.from(",even\n")]), "DATA_INVALID", /UTF-8/],
];

for (const [name, content, code, message] of TABLES) {
  test(`a table: ${name}`, async () => {
    const data = join(folder, "table.csv");
    await writeFile(data, content);
    await refused(train({ ...TINY, data }, { out: tiny.store, threads: 1 }), code, message);
  });
}

/** A copy of the version, changed. */
async function changed(change: (model: string) => Promise<void>): Promise<string> {
  const model = join(folder, "model");
  await rm(model, { recursive: true, force: true });
  await mkdir(model);
  for (const name of await readdir(listing.versions[0]!.folder)) {
    await cp(join(listing.versions[0]!.folder, name), join(model, name));
    await chmod(join(model, name), 0o644);
  }
  await change(model);
  return model;
}

const weightsOf = (model: string): string => join(model, "model.safetensors");
const FOLDERS: readonly (readonly [string, (model: string) => Promise<void>, ErrorCode, RegExp])[] = [
  ["NaN in a weight", async (model) => {
    const { tensors } = readSafetensors(await readFile(weightsOf(model)));
    const [name, first] = [...tensors][0]!;
    const data = Float32Array.from(first.data as Float32Array);
    data[3] = NaN;
    await writeFile(weightsOf(model), encodeSafetensors(new Map([...tensors, [name, tensor("float32", first.shape, data)]])));
  }, "WEIGHTS_INVALID", /NaN.*element 3/],
  ["a header cut off", async (model) => writeFile(weightsOf(model), (await readFile(weightsOf(model))).subarray(0, 100)), "WEIGHTS_INVALID", /header/],
  ["data cut off", async (model) => { const bytes = await readFile(weightsOf(model)); await writeFile(weightsOf(model), bytes.subarray(0, bytes.length - 8)); }, "WEIGHTS_INVALID", /byte|end/],
  ["a header that says it is 2^60 bytes long", async (model) => { const bytes = await readFile(weightsOf(model)); bytes.writeBigUInt64LE(2n ** 60n, 0); await writeFile(weightsOf(model), bytes); }, "WEIGHTS_INVALID", /header/],
  ["overlapping tensors", (model) => writeFile(weightsOf(model), raw({ a: { dtype: "F32", shape: [2], data_offsets: [0, 8] }, b: { dtype: "F32", shape: [2], data_offsets: [4, 12] } }, 12)), "WEIGHTS_INVALID", /overlap/],
  ["a tensor twice", (model) => writeFile(weightsOf(model), raw('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4)), "WEIGHTS_INVALID", /twice|duplicate/],
  ["a shape that its bytes do not have", (model) => writeFile(weightsOf(model), raw({ a: { dtype: "F32", shape: [3], data_offsets: [0, 8] } }, 8)), "WEIGHTS_INVALID", /"a"/],
  ["a link", async (model) => { await rename(weightsOf(model), join(folder, "elsewhere")); await symlink(join(folder, "elsewhere"), weightsOf(model)); }, "MODEL_INVALID", /link/],
];

function raw(header: object | string, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.alloc(dataBytes)]);
}

for (const [name, change, code, message] of FOLDERS) {
  test(`a folder: ${name}`, async () => {
    const model = await changed(change);
    await refused(loadModel(model, { threads: 1 }), code, message);
    await refused(train({ ...TINY, from: model }, { out: tiny.store, threads: 1 }), code, message);
  });
}

test("a folder: a tokenizer whose regular expression never ends", { timeout: 30_000 }, async () => {
  const model = await changed(async (path) => {
    const file = join(path, "tokenizer.json");
    const json = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
    json["pre_tokenizer"] = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated", invert: false };
    await writeFile(file, JSON.stringify(json));
  });
  await refused(train({ ...TINY, from: model }, { out: tiny.store, threads: 1 }), "TOKENIZER_INVALID", /regular expression/);
});

test("a version: one changed byte in any of its files", async () => {
  const { folder: version, name } = listing.versions[0]!;
  for (const file of await readdir(version)) {
    const path = join(version, file);
    const bytes = await readFile(path);
    const other = Buffer.from(bytes);
    other[bytes.length >> 1]! ^= 1;
    await chmod(version, 0o755);
    await chmod(path, 0o644);
    await writeFile(path, other);
    await assert.rejects(loadModel(tiny.store, { version: name, threads: 1 }), (error) => isLockstepError(error) && error.code === "VERSION_CORRUPT" && error.message.includes(file), file);
    await writeFile(path, bytes);
  }
  await using model = await loadModel(tiny.store, { version: name, threads: 1 });
  assert.equal((await model.classify("is my parcel here")).version, name);
});
