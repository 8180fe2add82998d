/**
 * Each kind of access to shared memory is told to the sink, before it happens and with its exact range; nothing else
 * ever is. And what the replaced built-ins do is what the native ones do, down to name, length and identity.
 */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";
import { runInThisContext } from "node:vm";
import { access, forgetBetweenSchedules } from "../../src/base/index.ts";
import { installAccess } from "../../src/threads/explore/instrument/builtins.ts";
import { transform } from "../../src/threads/explore/instrument/transform.ts";

/** Kept before anything is replaced. */
const native = {
  typedArray: Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as object),
  buffer: Object.getOwnPropertyDescriptors(Buffer.prototype as object),
  dataView: Object.getOwnPropertyDescriptors(DataView.prototype),
  Int32Array,
  Float64Array,
};

const buffer = new SharedArrayBuffer(64);
const other = new SharedArrayBuffer(32);
/** Elements at bytes 8, 12, 16, 20 of `buffer`. */
const words = new Int32Array(buffer, 8, 4);
const bytes = Buffer.from(other, 4, 16);
const view = new DataView(buffer, 16, 16);
const big = new BigInt64Array(other, 0, 2);
const plain = new Int32Array(4);
const wasm = new Uint8Array(
  new (
    globalThis as unknown as { WebAssembly: { Memory: new (limits: object) => { buffer: SharedArrayBuffer } } }
  ).WebAssembly.Memory({ initial: 1, maximum: 1, shared: true }).buffer,
);
const world = { words, bytes, view, big, plain, wasm, buffer, other, Buffer, key: { toString: () => "1" } };

let told: string[] = [];
let resets: readonly (() => void)[];
let during = (): void => {};
before(() => {
  resets = installAccess({
    plain: (shared, byteOffset, byteLength, write) => {
      const name = shared === buffer ? "b" : shared === other ? "o" : shared === wasm.buffer ? "wasm" : "unknown";
      told.push(`${write ? "w" : "r"} ${name} ${byteOffset}+${byteLength}`);
      during();
    },
  });
});
function reset(): void {
  words.set([40, 10, 30, 20]);
  bytes.write("sixteen letters.", "latin1");
  told = [];
}
beforeEach(() => {
  during = () => {};
  reset();
});

/** What is told when code runs transformed. */
function seen(code: string): string[] {
  const source = `"use strict"; ({ ${Object.keys(world).join(", ")} }) => { ${code} }`;
  const compiled = runInThisContext(transform(source, "code.js", "commonjs")) as (given: typeof world) => unknown;
  reset();
  compiled(world);
  return told;
}

const WHOLE = "r b 8+16";
const EACH = ["r b 8+4", "r b 12+4", "r b 16+4", "r b 20+4"];

const CASES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  elements: {
    "words[1]": ["r b 12+4"],
    "words[key]": ["r b 12+4"],
    "words['3']": ["r b 20+4"],
    "words[2n]": ["r b 16+4"],
    "words?.[0]": ["r b 8+4"],
    "words[-0]": ["r b 8+4"],
    "wasm[70]": ["r wasm 70+1"],
    "words[1] = 2": ["w b 12+4"],
    "words[1] += 2": ["r b 12+4", "w b 12+4"],
    "words[1]++": ["r b 12+4", "w b 12+4"],
    "words[0] ||= 3": ["r b 8+4"],
    "words[0] &&= 3": ["r b 8+4", "w b 8+4"],
    "big[1] = 3n": ["w o 8+8"],
    "[words[0], words[1]] = [1, 2]": ["w b 8+4", "w b 12+4"],
    "[words[0], words[1]] = [words[1], words[0]]": ["r b 12+4", "r b 8+4", "w b 8+4", "w b 12+4"],
    "({ x: words[2] } = { x: 1 })": ["w b 16+4"],
    "for (words[0] of [1, 2]);": ["w b 8+4", "w b 8+4"],
    "words[words[1] - 7]": ["r b 12+4", "r b 20+4"],
    "words.subarray(1)[0]": ["r b 12+4"],
    "words[1] = { valueOf() { return words[3] } }": ["r b 20+4", "w b 12+4"],
    "const f = (i) => words[i]; [0, 1].map(f)": ["r b 8+4", "r b 12+4"],
    "words[4]; words[-1]; words[1.5]; words['x']; words['-0']; words.length; words[9] = 1; words[Symbol.iterator]": [],
    "plain[1]; plain[1] = 2; plain[1]++; [plain[0]] = [1]; plain.fill(0).set([1], 1); [...plain]": [],
    "[1, 2][0]; 'abc'[1]; Buffer.alloc(4)[2] = 3; new DataView(new ArrayBuffer(8)).getInt8(0)": [],
    "words.subarray(1, 2); new Int32Array(buffer, 0, 2); bytes.subarray(2); bytes.slice(1)": [],
    "structuredClone; buffer.byteLength; words.keys().next()": [],
  },
  ranges: {
    "words.set([1, 2])": ["w b 8+8"],
    "words.set([1, 2], 2)": ["w b 16+8"],
    "words.set(plain)": ["w b 8+16"],
    "plain.set(words)": [WHOLE],
    "words.set(words.subarray(2))": ["r b 16+8", "w b 8+8"],
    "plain.set(words.subarray(1, 2), 3)": ["r b 12+4"],
    "try { words.set([1], 4) } catch {}": [],
    "words.set({ length: 2, 0: 1, 1: 2 })": ["w b 8+16"],
    "words.fill(1)": ["w b 8+16"],
    "words.fill(1, 1, -1)": ["w b 12+8"],
    "words.fill(1, 3, 1)": [],
    "words.fill(0, -1)": ["w b 20+4"],
    "words.fill(1, key)": ["w b 8+16"],
    "words.copyWithin(0, 2)": ["r b 16+8", "w b 8+8"],
    "words.copyWithin(3, 0, 2)": ["r b 8+4", "w b 20+4"],
    "words.slice()": [WHOLE],
    "words.slice(1, 2)": ["r b 12+4"],
    "words.slice(-1)": ["r b 20+4"],
    "words.at(-1)": ["r b 20+4"],
    "words.at(2)": ["r b 16+4"],
    "words.at(4)": [],
    "words.at()": ["r b 8+4"],
    "words.sort()": [WHOLE, "w b 8+16"],
    "words.reverse()": [WHOLE, "w b 8+16"],
    "words.indexOf(1, 1)": ["r b 12+12"],
    "words.includes(1)": [WHOLE],
    "words.lastIndexOf(1)": [WHOLE],
    "words.join()": [WHOLE],
    "String(words)": [WHOLE],
    "words.toLocaleString()": [WHOLE],
    "words.toSorted()": [WHOLE],
    "words.toReversed()": [WHOLE],
    "words.with(0, 1)": [WHOLE],
    "new Int32Array(words)": [WHOLE],
    "new Float64Array(words.subarray(1))": ["r b 12+12"],
    "Float32Array.of(words[0])": ["r b 8+4"],
    "buffer.slice(4, -4)": ["r b 4+56"],
  },
  "one by one": {
    "[...words]": EACH,
    "for (const x of words);": EACH,
    "for (const x of words) break": ["r b 8+4"],
    "const [x, y] = words": ["r b 8+4", "r b 12+4"],
    "const [x, ...rest] = words.subarray(2)": ["r b 16+4", "r b 20+4"],
    "Math.max(...words)": EACH,
    "new Set(words)": EACH,
    "Array.from(words)": EACH,
    "Int32Array.from(words)": EACH,
    "Int32Array.from(words, (x) => x)": EACH,
    "for (const [i, x] of words.entries()) if (i === 1) break": ["r b 8+4", "r b 12+4"],
    "words.values().next()": ["r b 8+4"],
    "words.values().take(2).toArray()": ["r b 8+4", "r b 12+4"],
    "words.forEach(() => {})": EACH,
    "words.map((x) => x)": EACH,
    "words.filter((x) => x > 10)": EACH,
    "words.every((x) => x > 10)": ["r b 8+4", "r b 12+4"],
    "words.some((x) => x === 30)": EACH.slice(0, 3),
    "words.find((x) => x === 10)": EACH.slice(0, 2),
    "words.findIndex((x) => x < 0)": EACH,
    "words.findLast((x) => x === 30)": ["r b 20+4", "r b 16+4"],
    "words.findLastIndex(() => false)": [...EACH].reverse(),
    "words.reduce((x, y) => x + y)": EACH,
    "words.reduce((x, y) => x + y, 0)": EACH,
    "words.reduce((x, y, i) => { if (i === 1) view.getInt8(9); return x })": [
      "r b 8+4",
      "r b 12+4",
      "r b 25+1",
      "r b 16+4",
      "r b 20+4",
    ],
    "words.reduce((x, y, i) => { if (i === 1) view.getInt8(9); return x }, 0)": [
      "r b 8+4",
      "r b 12+4",
      "r b 25+1",
      "r b 16+4",
      "r b 20+4",
    ],
    "words.reduceRight((x, y) => x + y)": [...EACH].reverse(),
    "words.subarray(4).forEach(() => {})": [],
    "words.forEach((_, i) => { if (i === 1) plain[0] = words[3] })": [
      "r b 8+4",
      "r b 12+4",
      "r b 20+4",
      "r b 16+4",
      "r b 20+4",
    ],
    "try { words.map((x) => { throw x }) } catch {}": ["r b 8+4"],
  },
  "DataView and Buffer": {
    "view.getInt8(1)": ["r b 17+1"],
    "view.setFloat64(8, 1)": ["w b 24+8"],
    "view.getUint16(2, true)": ["r b 18+2"],
    "view.setBigInt64(0, 1n)": ["w b 16+8"],
    "view.getInt32()": ["r b 16+4"],
    "try { view.getInt32(13) } catch {}": [],
    "view.setFloat16(0, 1)": ["w b 16+2"],
    "bytes.readUInt8(1)": ["r o 5+1"],
    "bytes.readUint8()": ["r o 4+1"],
    "bytes.readInt32LE(4)": ["r o 8+4"],
    "bytes.readDoubleBE(8)": ["r o 12+8"],
    "bytes.readBigUInt64LE()": ["r o 4+8"],
    "bytes.readUIntBE(1, 3)": ["r o 5+3"],
    "bytes.writeInt16BE(1, 2)": ["w o 6+2"],
    "bytes.writeFloatLE(1)": ["w o 4+4"],
    "bytes.writeIntLE(1, 2, 6)": ["w o 6+6"],
    "try { bytes.readInt32LE(13) } catch {}": [],
    "bytes.copy(words, 4, 0, 8)": ["r o 4+8", "w b 12+8"],
    "bytes.copy(Buffer.alloc(8), 4)": ["r o 4+4"],
    "Buffer.from('xyz').copy(bytes, 2)": ["w o 6+3"],
    "bytes.compare(Buffer.from('x'))": ["r o 4+16"],
    "bytes.compare(bytes, 0, 2, 4, 8)": ["r o 8+4", "r o 4+2"],
    "bytes.equals(bytes.subarray(1))": ["r o 4+16", "r o 5+15"],
    "Buffer.compare(bytes, Buffer.from('y'))": ["r o 4+16"],
    "bytes.toString()": ["r o 4+16"],
    "bytes.toString('hex', 2, 4)": ["r o 6+2"],
    "bytes.fill('ab', 1, 3)": ["w o 5+2"],
    "bytes.fill(0)": ["w o 4+16"],
    "bytes.fill('a', 'latin1')": ["w o 4+16"],
    "bytes.write('hello')": ["w o 4+5"],
    "bytes.write('hello', 3)": ["w o 7+5"],
    "bytes.write('hello', 14)": ["w o 18+2"],
    "bytes.write('hello', 0, 2)": ["w o 4+2"],
    "bytes.write('6869', 'hex')": ["w o 4+2"],
    "bytes.indexOf(1)": ["r o 4+16"],
    "bytes.includes('x')": ["r o 4+16"],
    "bytes.swap32()": ["r o 4+16", "w o 4+16"],
    "bytes.toJSON()": ["r o 4+16"],
    "Buffer.from(bytes)": ["r o 4+16"],
    "Buffer.concat([Buffer.from('a'), bytes.subarray(2)])": ["r o 6+14"],
    "bytes.set([1], 2)": ["w o 6+1"],
    "bytes[3] = bytes[2]": ["r o 6+1", "w o 7+1"],
  },
};

describe("what the sink is told", () => {
  for (const [name, cases] of Object.entries(CASES)) {
    test(name, () => {
      for (const [code, expected] of Object.entries(cases)) assert.deepEqual(seen(code), expected, code);
    });
  }

  test("text, hashes, declared accesses", () => {
    const shared = new Uint8Array(buffer, 0, 8);
    const tells = (act: () => unknown): string[] => {
      told = [];
      act();
      return told;
    };
    assert.deepEqual(
      tells(() => new TextDecoder().decode(shared)),
      ["r b 0+8"],
    );
    assert.deepEqual(
      tells(() => new TextDecoder().decode(new Uint8Array(4))),
      [],
    );
    assert.deepEqual(
      tells(() => new TextEncoder().encodeInto("é", shared)),
      ["w b 0+2"],
    );
    assert.deepEqual(
      tells(() => createHash("sha256").update(shared.subarray(2)).update("text").digest()),
      ["r b 2+6"],
    );
    assert.deepEqual(
      tells(() => createHmac("sha256", "key").update(shared).digest()),
      ["r b 0+8"],
    );
    assert.deepEqual(
      tells(() => {
        access(words, "r");
        access(view, "w");
        access(plain, "w");
        access(words.subarray(4), "r");
      }),
      ["r b 8+16", "w b 16+16"],
    );
  });

  test("before it happens: what the sink sees is the old value, and what it writes is read", () => {
    const values: number[] = [];
    const code = "words[1] = 77; plain[0] = words[0]";
    const compiled = runInThisContext(transform(`(words, plain) => { ${code} }`, "code.js", "commonjs")) as (
      words: Int32Array,
      plain: Int32Array,
    ) => void;
    during = () => {
      values.push(Atomics.load(words, 1));
      Atomics.store(words, 0, 99);
    };
    compiled(words, plain);
    assert.deepEqual(told, ["w b 12+4", "r b 8+4"]);
    assert.deepEqual(values, [10, 77]);
    assert.equal(plain[0], 99);
    told = [];
    during = () => {
      words.fill(3);
    };
    plain.set(words);
    assert.deepEqual(told, [WHOLE], "and what the sink itself does is not told");
    assert.deepEqual([...plain], [3, 3, 3, 3]);
  });

  test("state of modules is forgotten by the functions that it hands back", () => {
    let forgotten = 0;
    forgetBetweenSchedules(() => forgotten++);
    for (const reset of resets) reset();
    assert.equal(forgotten, 1);
  });

  test("control: the same code untransformed tells nothing of its elements", () => {
    told = [];
    (runInThisContext("(words) => { words[1] += words[2]; [words[0]] = [1] }") as (given: Int32Array) => void)(words);
    assert.deepEqual(told, []);
  });
});

describe("replaced built-ins", () => {
  test("keep names, lengths, descriptors and identities", () => {
    const now: [object, PropertyDescriptorMap][] = [
      [Object.getPrototypeOf(Uint8Array.prototype) as object, native.typedArray],
      [Buffer.prototype as object, native.buffer],
      [DataView.prototype, native.dataView],
    ];
    let replaced = 0;
    for (const [owner, descriptors] of now) {
      assert.deepEqual(Reflect.ownKeys(owner), Reflect.ownKeys(descriptors));
      for (const key of Reflect.ownKeys(descriptors)) {
        const [old, current] = [descriptors[key as string]!, Object.getOwnPropertyDescriptor(owner, key)!];
        assert.deepEqual(
          [current.enumerable, current.writable, current.configurable],
          [old.enumerable, old.writable, old.configurable],
        );
        if (typeof old.value !== "function" || old.value === current.value) continue;
        replaced++;
        assert.deepEqual(
          [current.value.name, current.value.length, Object.hasOwn(current.value, "prototype")],
          [old.value.name, old.value.length, Object.hasOwn(old.value, "prototype") && key === "constructor"],
          String(key),
        );
      }
    }
    assert.ok(replaced > 100, `${replaced} are replaced`);
    assert.equal(Int32Array.prototype[Symbol.iterator], Int32Array.prototype.values);
    assert.equal(Buffer.prototype.readUint8, Buffer.prototype.readUInt8);
  });

  test("constructors stay what they are wherever one looks", () => {
    assert.notEqual(Int32Array, native.Int32Array);
    assert.ok(
      words instanceof Int32Array &&
        words instanceof native.Int32Array &&
        new Int32Array(2) instanceof native.Int32Array,
    );
    assert.equal(words.constructor, Int32Array);
    assert.equal(words.slice().constructor, Int32Array);
    assert.equal(Int32Array.BYTES_PER_ELEMENT, 4);
    assert.equal(Int32Array.name, "Int32Array");
    class Mine extends Float64Array {
      sum(): number {
        return this.reduce((a, b) => a + b, 0);
      }
    }
    const mine = Mine.from([1, 2, 3]);
    assert.ok(mine instanceof Mine && mine.map((x) => x) instanceof Mine);
    assert.equal(mine.sum(), 6);
    assert.throws(() => (Int32Array as unknown as () => void)(), TypeError);
  });

  test("do what the native ones do", () => {
    const shared = Float64Array.from([3, 1, 2]);
    const copy = new Float64Array(new SharedArrayBuffer(24));
    copy.set(shared);
    for (const act of [
      (x: Float64Array) => x.reduce((a, b) => a * 10 + b),
      (x) => x.reduceRight((a, b) => a * 10 + b),
      (x) => x.reduce((a, b) => a + b, "s"),
      (x) => [...x.entries()],
      (x) => x.find((v, i, all) => all === x && i === 1 && v === 1),
      (x) =>
        x.map(
          function (this: { by: number }, v) {
            return v * this.by;
          },
          { by: 2 },
        ),
      (x) => x.filter((v) => v > 1).sort((a, b) => b - a),
      (x) => x.indexOf(2, -1),
      (x) => x.copyWithin(0, 1).toReversed(),
      (x) => [x.at(-1), x.at(7)],
      (x) => x.every(Boolean),
      (x) => [...x.values().map((v) => v + 1)],
      (x) => {
        const it = x.values();
        return [it.next(), it[Symbol.toStringTag], it[Symbol.iterator]() === it];
      },
      (x) => JSON.stringify(x),
      (x) => x.toString(),
      (x) => {
        x.forEach(null as never);
      },
      (x) => x.find(undefined as never),
      (x) => x.subarray(3).reduce((a) => a),
    ] as ((x: Float64Array) => unknown)[]) {
      const outcome = (x: Float64Array): unknown => {
        try {
          return act(x);
        } catch (error) {
          return String(error);
        }
      };
      assert.deepEqual(outcome(copy), outcome(shared), act.toString());
    }
  });
});
