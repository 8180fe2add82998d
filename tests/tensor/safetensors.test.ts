import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { isLockstepError, type LockstepError } from "../../src/base/index.ts";
import {
  digestTensors,
  encodeSafetensors,
  firstNonFinite,
  readSafetensors,
  readSafetensorsHeader,
  tensor,
  type HostTensor,
} from "../../src/numeric/tensor/index.ts";

const folder = mkdtempSync(join(tmpdir(), "safetensors-"));
after(() => rmSync(folder, { recursive: true }));

/** A file with this header (an object or raw text or bytes) and data. */
function file(header: object | string | Uint8Array, data: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const json =
    header instanceof Uint8Array
      ? header
      : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const body = typeof data === "number" ? new Uint8Array(data) : data;
  const bytes = new Uint8Array(8 + json.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(body, 8 + json.length);
  return bytes;
}
const f32 = (shape: unknown, begin: unknown, end: unknown): object => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});
const asMap = (entries: Record<string, HostTensor>): Map<string, HostTensor> => new Map(Object.entries(entries));

/** Asserts WEIGHTS_INVALID whose message matches, both for the bytes and for a file with them. */
function refused(bytes: Uint8Array, message: RegExp, tensorName?: string): void {
  const path = join(folder, "bad.safetensors");
  writeFileSync(path, bytes);
  for (const source of [bytes, path]) {
    assert.throws(
      () => readSafetensors(source),
      (error) => {
        assert.ok(isLockstepError(error), String(error));
        assert.equal(error.code, "WEIGHTS_INVALID");
        assert.match(error.message, message);
        if (tensorName !== undefined) assert.equal(error.details["tensor"], tensorName);
        return true;
      },
    );
  }
}

const example = asMap({
  weight: tensor("float32", [2, 3], new Float32Array([1, -2, 3.5, 1e-40, -0, 3e38])),
  "läyer.bias": tensor("float32", [], new Float32Array([7])),
  empty: tensor("float32", [0, 4], new Float32Array()),
  wide: tensor("float64", [2], new Float64Array([Math.PI, 1e300])),
  ids: tensor("int32", [3], new Int32Array([-1, 0, 2 ** 31 - 1])),
  positions: tensor("int64", [2], new BigInt64Array([-1n, 2n ** 62n])),
  bytes: tensor("uint8", [3], new Uint8Array([0, 127, 255])),
});

test("what is written is read back, from bytes at any offset and from a file", () => {
  const bytes = encodeSafetensors(example, { format: "pt", note: 'é"\n' });
  const path = join(folder, "good.safetensors");
  writeFileSync(path, bytes);
  const shifted = new Uint8Array(bytes.length + 3).subarray(3);
  shifted.set(bytes);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  for (const source of [bytes, path, shifted, shared]) {
    const { tensors, metadata } = readSafetensors(source);
    assert.deepEqual(metadata, { format: "pt", note: 'é"\n' });
    assert.deepEqual([...tensors.keys()].sort(), [...example.keys()].sort());
    for (const [name, expected] of example) assert.deepEqual({ ...tensors.get(name) }, { ...expected });
    assert.equal(digestTensors(tensors), digestTensors(example));
    assert.deepEqual(encodeSafetensors(tensors, metadata), bytes);
  }
});

test("the bytes are those of the format: sorted, header padded with spaces to eight, little-endian", () => {
  const bytes = encodeSafetensors(
    asMap({ b: tensor("float32", [1], new Float32Array([2])), a: tensor("float32", [1], new Float32Array([1])) }),
  );
  const header =
    '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}';
  const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
  assert.deepEqual([...bytes.subarray(0, 8)], [padded.length, 0, 0, 0, 0, 0, 0, 0]);
  assert.equal(new TextDecoder().decode(bytes.subarray(8, 8 + padded.length)), padded);
  assert.deepEqual([...bytes.subarray(8 + padded.length)], [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40]);
});

test("any set of tensors survives, in the same bytes whatever the order", () => {
  const one = fc.tuple(
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 3 }),
    fc.double(),
  );
  fc.assert(
    fc.property(fc.uniqueArray(one, { selector: ([name]) => name }), (list) => {
      const entries = list.map(
        ([name, shape, x]) =>
          [name, tensor("float64", shape, new Float64Array(shape.reduce((p, d) => p * d, 1)).fill(x))] as const,
      );
      const bytes = encodeSafetensors(new Map(entries));
      assert.deepEqual(encodeSafetensors(new Map([...entries].reverse())), bytes);
      const { tensors } = readSafetensors(bytes);
      for (const [name, expected] of entries) assert.deepEqual({ ...tensors.get(name) }, { ...expected });
    }),
  );
});

test("every float16 and bfloat16 becomes the float32 of the same value, and a NaN keeps its payload", () => {
  const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
  const read = (dtype: string): Float32Array =>
    readSafetensors(
      file({ x: { dtype, shape: [65_536], data_offsets: [0, 131_072] } }, new Uint8Array(halves.buffer)),
    ).tensors.get("x")?.data as Float32Array;
  const bitsOf = (data: Float32Array): Int32Array => new Int32Array(data.buffer, data.byteOffset, data.length);
  const [half, brain] = [read("F16"), read("BF16")];
  for (let i = 0; i < 65_536; i++) {
    const [sign, exponent, fraction] = [i >> 15 ? -1 : 1, (i >> 10) & 31, i & 1023];
    const expected =
      exponent === 31
        ? fraction === 0
          ? sign * Infinity
          : NaN
        : exponent === 0
          ? sign * fraction * 2 ** -24
          : sign * (1024 + fraction) * 2 ** (exponent - 25);
    assert.ok(Object.is(half[i], expected), `float16 ${i}`);
    const [exponent8, fraction7] = [(i >> 7) & 255, i & 127];
    const expectedBrain =
      exponent8 === 255
        ? fraction7 === 0
          ? sign * Infinity
          : NaN
        : exponent8 === 0
          ? sign * fraction7 * 2 ** -133
          : sign * (128 + fraction7) * 2 ** (exponent8 - 134);
    assert.ok(Object.is(brain[i], expectedBrain), `bfloat16 ${i}`);
    if (Number.isNaN(expected))
      assert.equal(bitsOf(half)[i], ((i & 0x8000) << 16) | 0x7f80_0000 | (fraction << 13), `float16 ${i}`);
    assert.equal(bitsOf(brain)[i], i << 16, `bfloat16 ${i}`);
  }
});

test("a file that is cut off or lies about its header", () => {
  refused(new Uint8Array(), /it has 0 bytes/);
  refused(new Uint8Array(7), /it has 7 bytes/);
  refused(file({}, 0, 3n), /only 2 follow/);
  refused(file({}, 0, 2n ** 63n), /claims a header of 9223372036854775808 bytes/);
  refused(file({}, 0, 17n * 2n ** 20n), /more than the limit of 16777216/);
  const bytes = encodeSafetensors(example);
  for (const length of [8, 20, bytes.length - 1, bytes.length - 40]) refused(bytes.slice(0, length), /cut off/);
  assert.throws(() => readSafetensors(bytes, { maxHeaderBytes: 10 }), /limit of 10/);
  assert.throws(() => readSafetensors(bytes, { maxBytes: 10 }), /limit of 10/);
});

test("a header that is not a JSON object of tensors", () => {
  refused(file(new Uint8Array([0x7b, 0xff, 0x7d])), /not UTF-8/);
  refused(file("{"), /not JSON/);
  refused(file(""), /not JSON/);
  refused(file("[".repeat(200_000)), /not JSON/);
  for (const header of ["[]", "null", "3", '"x"']) refused(file(header), /not an object/);
  refused(file({ x: 3 }), /"x" is not described by an object/, "x");
  refused(file({ x: [] }), /"x" is not described by an object/, "x");
  refused(file({ __metadata__: [] }), /"__metadata__" is not an object/);
  refused(file({ __metadata__: { a: 1 } }), /metadata "a" is not a string/);
  refused(file({ x: { ...f32([1], 0, 4), extra: 1 } }, 4), /unknown field "extra"/, "x");
});

test("a name twice, which JSON.parse would hide, at every level and however it is written", () => {
  const x = '{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';
  refused(file(`{"x":${x},"x":${x}}`, 4), /name "x" twice/, "x");
  refused(file(`{"x":${x}, "\\u0078" :${x}}`, 4), /name "x" twice/, "x");
  refused(file('{"x":{"dtype":"F32","shape":[1],"dtype":"F32","data_offsets":[0,4]}}', 4), /name "dtype" twice/);
  refused(file('{"__metadata__":{"a":"1","a":"2"}}'), /name "a" twice/);
  const quoted =
    '{"a\\"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},' +
    '"a\\\\":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"__metadata__":{"x":"{\\"x\\":1,\\"x\\":2}"}}';
  assert.deepEqual([...readSafetensors(file(quoted, 4)).tensors.keys()], ['a"b', "a\\"]);
  const long = "y".repeat(5_000_000);
  assert.equal(readSafetensors(file({ __metadata__: { long } })).metadata["long"], long);
  assert.deepEqual([...readSafetensors(file(`{"__proto__":${x}}`, 4)).tensors.keys()], ["__proto__"]);
});

test("types, shapes and offsets that do not hold", () => {
  for (const dtype of ["F4", "F6_E2M3", "f32", "", 3, null, "constructor"])
    refused(file({ x: { dtype, shape: [1], data_offsets: [0, 4] } }, 4), /"x" has the type .* not one of/, "x");
  for (const shape of [[-1], [1.5], ["1"], [null], 3, null, "1", {}, [2 ** 53]])
    refused(file({ x: f32(shape, 0, 4) }, 4), /"x" has the shape/, "x");
  refused(file({ x: f32([2 ** 50, 2 ** 50], 0, 4) }, 4), /too large for any file/, "x");
  refused(file({ x: { dtype: "F32", shape: [1] } }, 4), /"x" has the offsets undefined/, "x");
  for (const [begin, end] of [
    [-4, 0],
    [0.5, 4.5],
    ["0", 4],
    [null, 4],
  ])
    refused(file({ x: f32([1], begin, end) }, 4), /"x" has the offsets/, "x");
  for (const offsets of [[], [0], [0, 4, 8], 4])
    refused(file({ x: { dtype: "F32", shape: [1], data_offsets: offsets } }, 4), /"x" has the offsets/, "x");
  for (const [begin, end] of [
    [0, 8],
    [4, 0],
    [8, 12],
    [0, 2 ** 53 - 1],
  ])
    refused(file({ x: f32([1], begin, end) }, 4), /"x" claims the bytes/, "x");
  refused(file({ x: f32([2], 0, 4) }, 4), /has 4 bytes, but its shape \[2\] of F32 takes 8/, "x");
  refused(file({ x: { dtype: "BF16", shape: [1], data_offsets: [0, 4] } }, 4), /of BF16 takes 2/, "x");
});

test("tensors that overlap, gaps between them, bytes before and after", () => {
  refused(file({ x: f32([2], 0, 8), y: f32([2], 4, 12) }, 12), /"y" overlaps "x"/, "y");
  refused(file({ x: f32([1], 0, 4), y: f32([1], 0, 4) }, 4), /overlaps/);
  refused(file({ x: f32([1], 0, 4), y: f32([1], 8, 12) }, 12), /the bytes 4 to 8 before tensor "y"/, "y");
  refused(file({ x: f32([1], 4, 8) }, 8), /the bytes 0 to 4/, "x");
  refused(file({ x: f32([1], 0, 4) }, 5), /1 bytes after the last tensor "x"/);
  refused(file({}, 5), /5 bytes after the last tensor belong to none/);
  assert.equal(readSafetensors(file({ b: f32([0], 4, 4), x: f32([1], 0, 4), a: f32([0], 0, 0) }, 4)).tensors.size, 3);
  assert.equal(readSafetensors(file("{}   ")).tensors.size, 0);
});

test("no damage to a header crashes or reads outside: it is refused or it is another valid file", () => {
  const bytes = encodeSafetensors(example, { format: "pt" });
  const headerEnd = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: headerEnd - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
      const damaged = bytes.slice();
      damaged[at] = byte;
      try {
        for (const { shape, data } of readSafetensors(damaged).tensors.values())
          assert.equal(
            data.length,
            shape.reduce((p, d) => p * d, 1),
          );
      } catch (error) {
        assert.equal((error as LockstepError).code, "WEIGHTS_INVALID", String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("the header alone gives types and shapes, and a missing file is its own error", () => {
  const path = join(folder, "header.safetensors");
  writeFileSync(path, encodeSafetensors(example));
  const { entries } = readSafetensorsHeader(path);
  assert.deepEqual([entries.get("weight")?.dtype, entries.get("weight")?.shape], ["float32", [2, 3]]);
  assert.throws(
    () => readSafetensors(join(folder, "missing")),
    (error) => isLockstepError(error) && error.code === "NOT_FOUND",
  );
  assert.throws(
    () => readSafetensors(folder),
    (error) => isLockstepError(error) && error.code !== "INTERNAL",
  );
});

test("what cannot be written is refused", () => {
  const x = tensor("float32", [1], new Float32Array(1));
  assert.throws(() => encodeSafetensors(asMap({ __metadata__: x })), /cannot be called/);
  assert.throws(() => encodeSafetensors(asMap({ x: { ...x, shape: [2] } })), /"x" has 1 elements, not the 2/);
});

test("the first element that is not finite is found, with its tensor", () => {
  assert.equal(firstNonFinite(example), undefined);
  for (const bad of [NaN, Infinity, -Infinity]) {
    assert.deepEqual(
      firstNonFinite(
        asMap({
          a: tensor("float32", [2], new Float32Array(2)),
          b: tensor("float64", [3], new Float64Array([1, 2, bad])),
        }),
      ),
      { name: "b", index: 2 },
    );
  }
  assert.deepEqual(firstNonFinite([["x", tensor("float32", [1], new Float32Array([NaN]))]]), { name: "x", index: 0 });
});

test("the digest depends on names, types, shapes and bytes, and not on the order", () => {
  const x = tensor("float32", [2, 1], new Float32Array([1, 2]));
  const y = tensor("float32", [1], new Float32Array([3]));
  const digest = digestTensors(asMap({ x, y }));
  assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(
    digestTensors([
      ["y", y],
      ["x", x],
    ]),
    digest,
  );
  const others = [
    asMap({ x: y, y: x }),
    asMap({ x, z: y }),
    asMap({ x: { ...x, shape: [1, 2] }, y }),
    asMap({ x: tensor("int32", [2, 1], new Int32Array(x.data.buffer)), y }),
    asMap({ x: tensor("float32", [2, 1], new Float32Array([1, -2])), y }),
    asMap({ x }),
  ];
  assert.equal(new Set([digest, ...others.map(digestTensors)]).size, 7);
});
