/** GGUF: values as Python's reader has them, and headers that lie. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { isLockstepError, type LockstepError } from "../../src/base/index.ts";
import { openGguf, readSafetensors, type GgufLimits, type HostTensor } from "../../src/numeric/tensor/index.ts";
import {
  bool,
  f32,
  floatTensor,
  ggufBytes,
  ints,
  Out,
  string,
  strings,
  u32,
  type Entry,
  type Info,
} from "./gguf-writer.ts";

const FIXTURE = join(import.meta.dirname, "../fixtures/gguf");
const folder = mkdtempSync(join(tmpdir(), "gguf-"));
after(() => rmSync(folder, { recursive: true }));

function readAll(source: string | Uint8Array, limits: GgufLimits = {}): Map<string, HostTensor<"float32">> {
  using file = openGguf(source, limits);
  return new Map([...file.tensors.keys()].map((name) => [name, file.read(name)]));
}

/** Asserts WEIGHTS_INVALID whose message matches, both for the bytes and for a file with them. */
function refused(bytes: Uint8Array, message: RegExp, details: Record<string, unknown> = {}): void {
  const path = join(folder, "bad.gguf");
  writeFileSync(path, bytes);
  for (const source of [bytes, path])
    assert.throws(
      () => readAll(source),
      (error) => {
        assert.ok(isLockstepError(error), String(error));
        assert.equal(error.code, "WEIGHTS_INVALID");
        assert.match(error.message, message);
        for (const [key, value] of Object.entries(details)) assert.equal(error.details[key], value);
        return true;
      },
    );
}

const one = (change: Partial<Info> = {}): Info => ({
  name: "x",
  dims: [8],
  type: 0,
  data: new Uint8Array(32),
  ...change,
});
const many = (type: number, length: bigint | number, rest: readonly number[] = []): Entry => [
  "k",
  9,
  (out) => out.u32(type).u64(length).raw(rest),
];

test("every type of tensor and metadata has the values that Python's own reader gives", () => {
  const { tensors: expected } = readSafetensors(join(FIXTURE, "expected.safetensors"));
  const path = join(FIXTURE, "types.gguf");
  const bytes = readFileSync(path);
  const shifted = new Uint8Array(bytes.length + 1).subarray(1);
  shifted.set(bytes);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  for (const source of [path, new Uint8Array(bytes), shifted, shared]) {
    const read = readAll(source);
    assert.equal(read.size, expected.size);
    for (const [name, { data, shape }] of expected) {
      const found = read.get(name)!;
      assert.deepEqual(found.shape, shape);
      assert.deepEqual(
        new Uint32Array(found.data.buffer),
        new Uint32Array((data as Float32Array).slice().buffer),
        name,
      );
    }
    using opened = openGguf(source);
    const { metadata, version } = opened;
    assert.equal(version, 3);
    assert.deepEqual(Object.fromEntries([...metadata].filter(([key]) => key.startsWith("one."))), {
      "one.uint8": 200,
      "one.int8": -100,
      "one.uint16": 60_000,
      "one.int16": -30_000,
      "one.uint32": 4_000_000_000,
      "one.int32": -2_000_000_000,
      "one.uint64": 2n ** 63n + 1n,
      "one.int64": -(2n ** 62n),
      "one.float32": Math.fround(0.1),
      "one.float64": 0.1,
      "one.bool": true,
      "one.string": "Grüße 👋",
    });
    assert.deepEqual(metadata.get("many.string"), ["a", "", "ü"]);
    assert.deepEqual(metadata.get("many.int32"), Int32Array.of(1, -2, 3));
    assert.deepEqual(metadata.get("many.float32"), Float32Array.of(0.5, -0.25));
    assert.deepEqual(metadata.get("many.bool"), Uint8Array.of(1, 0));
  }
});

test("versions 2 and 3, any alignment, dimensions the other way round, any order, the caller's memory", () => {
  const x = floatTensor("x", [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));
  const scalar = floatTensor("scalar", [], Float32Array.of(7));
  const empty = floatTensor("empty", [0, 4], new Float32Array(0));
  for (const version of [2, 3]) {
    for (const alignment of [1, 8, 32, 4096]) {
      const bytes = ggufBytes({
        version,
        alignment,
        entries: [u32("general.alignment", alignment), f32("f", 0.5), bool("b", false), ints("i", [])],
        tensors: [x, scalar, empty],
      });
      const read = readAll(bytes);
      assert.deepEqual(
        { ...read.get("x") },
        { dtype: "float32", shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
      );
      assert.deepEqual({ ...read.get("scalar") }, { dtype: "float32", shape: [], data: Float32Array.of(7) });
      assert.equal(read.get("empty")?.data.length, 0);
    }
  }
  const swapped = ggufBytes({
    tensors: [
      { ...x, offset: 32 },
      { ...scalar, offset: 0 },
    ],
  });
  const into = new Float32Array(6);
  assert.equal(openGguf(swapped).read("x", into).data, into);
  // The data lies as the list has it: 24 bytes of x, padded, then the scalar's.
  assert.deepEqual(into, Float32Array.of(7, 0, 0, 0, 0, 0));
  assert.equal(readAll(ggufBytes({ entries: [string("general.architecture", "llama")] })).size, 0);
  const file = ggufBytes({ tensors: [x] });
  assert.equal(readAll(file.subarray(0, file.length - 8)).size, 1, "padding after the last tensor may be missing");
});

test("a tensor of several pieces is read whole", () => {
  const data = Float32Array.from({ length: 1_100_000 }, (_, i) => i);
  const path = join(folder, "large.gguf");
  writeFileSync(path, ggufBytes({ tensors: [floatTensor("x", [1_100_000], data)] }));
  assert.deepEqual(readAll(path).get("x")?.data, data);
});

test("counts, lengths and dimensions up to 2⁶⁴ are refused before anything is allocated", () => {
  for (const claim of [2n ** 60n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    refused(ggufBytes({ tensorCount: claim }), /number of tensors claims \d+/);
    refused(ggufBytes({ entryCount: claim }), /number of metadata entries claims \d+/);
    refused(ggufBytes({ entries: [many(8, claim)] }), /metadata "k" claims \d+/);
    refused(ggufBytes({ entries: [many(0, claim)] }), /metadata "k" claims \d+/);
    refused(ggufBytes({ entries: [["k", 8, (out) => out.u64(claim)]] }), /metadata "k" claims \d+/);
    refused(ggufBytes({ tensors: [one({ dims: [claim] })] }), /tensor "x" claims \d+/);
    refused(ggufBytes({ tensors: [one({ offset: claim })] }), /tensor "x" claims \d+/);
  }
  refused(ggufBytes({ tensorCount: 1_000_000n }), /claims 1000000 tensors; at most/);
  refused(ggufBytes({ entryCount: 1_000_000n }), /claims 1000000 metadata entries; at most/);
  refused(ggufBytes({ tensorCount: 1000n }), /claims 1000 tensors, and \d+ bytes cannot hold them/);
  refused(ggufBytes({ entryCount: 1000n }), /claims 1000 metadata entries, and \d+ bytes cannot hold them/);
  refused(ggufBytes({ entries: [many(8, 10_000_000)] }), /claims 10000000 elements; at most/);
  refused(ggufBytes({ entries: [many(8, 1000)] }), /claims 1000 elements, and the \d+ bytes that are left/);
  refused(ggufBytes({ entries: [many(4, 1000)] }), /claims 1000 elements, and the \d+ bytes that are left/);
  refused(
    ggufBytes({ entries: [["k", 8, (out) => out.u64(1000)]] }),
    /"k" takes 1000 bytes, and \d+ are left of the file/,
  );
  refused(ggufBytes({ tensors: [one({ dims: [2n ** 30n, 2n ** 30n, 2n ** 30n] })] }), /too large for any file/, {
    tensor: "x",
  });
  refused(ggufBytes({ tensors: [one({ dims: [2n ** 40n] })] }), /takes the bytes 0 to 4398046511104 of 32/, {
    tensor: "x",
  });
  refused(ggufBytes({ tensors: [one({ dims: [1, 1, 1, 1, 1] })] }), /has 5 dimensions/, { tensor: "x" });
});

test("a beginning that is no GGUF, or of a version that is not read", () => {
  refused(new Uint8Array(), /beginning of the file takes 4 bytes, and 0 are left/);
  refused(ggufBytes().subarray(0, 6), /cut off/);
  refused(ggufBytes({ magic: "GGML" }), /does not begin with "GGUF"/);
  refused(ggufBytes({ version: 1 }), /version 1 of the format, and 2 and 3 are read/);
  refused(ggufBytes({ version: 4 }), /version 4/);
  refused(ggufBytes({ version: 0x0300_0000 }), /big-endian/);
});

test("metadata that does not hold", () => {
  refused(ggufBytes({ entries: [u32("k", 1), u32("k", 2)] }), /metadata key "k" twice/, { key: "k" });
  refused(ggufBytes({ entries: [u32("", 1)] }), /entry 1 has no key/);
  refused(ggufBytes({ entries: [["k", 13, (out) => out.u32(0)]] }), /"k" has the type 13/);
  refused(ggufBytes({ entries: [many(13, 1, [0, 0])] }), /"k" has the type 13/);
  refused(ggufBytes({ entries: [many(9, 1, [...new Out().u32(0).u64(1).bytes, 0])] }), /array of arrays/);
  refused(ggufBytes({ entries: [["k", 7, (out) => out.int(2, 1)]] }), /"k" has 2 where true/);
  refused(ggufBytes({ entries: [many(7, 2, [1, 3])] }), /"k" has 3 where true/);
  refused(ggufBytes({ entries: [["k", 8, (out) => out.u64(2).raw([0xc3, 0x28])]] }), /"k" is not UTF-8/);
  refused(ggufBytes({ entries: [u32("x".repeat(70_000), 1)] }), /key of metadata entry 1 claims 70000 bytes/);
  for (const value of [0, 3, 48, 131_072])
    refused(ggufBytes({ entries: [u32("general.alignment", value)] }), new RegExp(`general.alignment is ${value}`));
  refused(ggufBytes({ entries: [string("general.alignment", "32")] }), /general.alignment is 32, and it must be/);
  refused(ggufBytes({ entries: [strings("general.alignment", [])] }), /general.alignment is an array/);
});

test("tensors that overlap, lie beside the alignment, leave gaps, or are not there", () => {
  const y = one({ name: "y" });
  refused(ggufBytes({ tensors: [one(), one()] }), /"x" is there twice/, { tensor: "x" });
  refused(ggufBytes({ tensors: [one({ dims: [16] }), y] }), /"y" overlaps "x"/, { tensor: "y" });
  refused(ggufBytes({ tensors: [one(), { ...y, offset: 0 }] }), /overlaps/);
  refused(ggufBytes({ tensors: [one({ offset: 4 })] }), /begins at byte 4, which is no multiple of the alignment 32/);
  refused(ggufBytes({ tensors: [one({ offset: 32 })] }), /begins at byte 32, and the bytes before it from 0/);
  refused(
    ggufBytes({ tensors: [one(), y] }).subarray(0, -4),
    /"y" takes the bytes 32 to 64 of 60; the file is cut off/,
  );
  refused(ggufBytes({ tensors: [one({ dims: [1], data: new Uint8Array(64) })] }), /60 bytes after the last tensor/);
  refused(ggufBytes({ tensors: [one({ type: 4 })] }), /"x" has the type 4, which is not known/);
  refused(ggufBytes({ tensors: [one({ type: 2 })] }), /rows of 8 values, which are not whole blocks of 32/);
  refused(ggufBytes({ tensors: [one({ type: 12, dims: [32] })] }), /not whole blocks of 256 \(Q4_K\)/);
  refused(ggufBytes({ tensors: [one({ name: "n".repeat(2000) })] }), /name of tensor 1 claims 2000 bytes/);
  const good = ggufBytes({ tensors: [one()] });
  assert.throws(() => openGguf(good).read("y"), /has no tensor "y"/);
  assert.throws(() => openGguf(good, { maxBytes: 64, name: "mine" }), /^LockstepError: mine is not .* limit of 64/);
  assert.throws(() => openGguf(good, { maxHeaderBytes: 40 }), /of what a header may have; raise maxHeaderBytes/);
  assert.throws(
    () => openGguf(join(folder, "missing.gguf")),
    (error) => isLockstepError(error) && error.code === "NOT_FOUND",
  );
});

test("a type whose values are not read is passed over until it is asked for", () => {
  const bytes = ggufBytes({ tensors: [one(), one({ name: "q", type: 10, dims: [256], data: new Uint8Array(84) })] });
  using opened = openGguf(bytes);
  assert.deepEqual(opened.read("x").shape, [8]);
  assert.throws(() => opened.read("q"), { code: "WEIGHTS_INVALID", message: /stored as Q2_K, which is not read/ });
});

test("a scale or a value that is NaN or infinite is named with its block", () => {
  for (const bits of [0x7e00, 0x7c00, 0xfc00]) {
    const data = new Uint8Array(3 * 34).fill(1);
    new DataView(data.buffer).setUint16(2 * 34, bits, true);
    refused(
      ggufBytes({ tensors: [one({ type: 8, dims: [96], data })] }),
      /"x" has NaN or infinity .*\(block 2 of Q8_0\)/,
      {
        tensor: "x",
        index: 64,
      },
    );
  }
  refused(ggufBytes({ tensors: [floatTensor("x", [2], Float32Array.of(1, NaN))] }), /element 1 \(block 1 of F32\)/);
});

test("no damage to a header crashes or reads outside: it is refused or it is another file", () => {
  const bytes = new Uint8Array(readFileSync(join(FIXTURE, "types.gguf")));
  const { dataStart } = openGguf(bytes);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: dataStart - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = bytes.slice();
      damaged[at] = byte;
      try {
        readAll(damaged);
      } catch (error) {
        assert.equal((error as LockstepError).code, "WEIGHTS_INVALID", String(error));
      }
    }),
    { numRuns: 500 },
  );
});
