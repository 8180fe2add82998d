/**
 * Each kind of access to shared memory is told to the sink, before it happens and with its exact range; nothing else
 * ever is. And what the replaced built-ins do is what the native ones do, down to name, length and identity.
 */
import assert from "node:assert/strict";
import { strict } from "node:assert";
import { createHash, createHmac, hash, randomFillSync, timingSafeEqual } from "node:crypto";
import { before, beforeEach, describe, test } from "node:test";
import { format, inspect, isDeepStrictEqual } from "node:util";
import { serialize } from "node:v8";
import { runInThisContext } from "node:vm";
import { crc32, deflateSync } from "node:zlib";
import { access, forgetBetweenSchedules } from "../../src/base/index.ts";
import { installAccess } from "../../src/threads/explore/instrument/builtins.ts";
import { transform } from "../../src/threads/explore/instrument/transform.ts";
import { ACCESSES, WHOLE } from "./accesses.ts";

/** Kept before anything is replaced. */
const native = {
  typedArray: Object.getOwnPropertyDescriptors(Object.getPrototypeOf(Uint8Array.prototype) as object),
  buffer: Object.getOwnPropertyDescriptors(Buffer.prototype as object),
  dataView: Object.getOwnPropertyDescriptors(DataView.prototype),
  array: Object.getOwnPropertyDescriptors(Array.prototype),
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

describe("what the sink is told", () => {
  for (const [name, cases] of Object.entries(ACCESSES)) {
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

  test("functions of Node that look into what they are given, or fill it", () => {
    const shared = new Uint8Array(buffer, 0, 8);
    const nested = { a: [new Map([[1, shared]])], shared };
    nested.a.push(nested as never);
    const reads = "r b 0+8";
    const writes = "w b 0+8";
    const cases: readonly (readonly [act: () => unknown, told: readonly string[]])[] = [
      [() => inspect(nested), [reads]],
      [() => format("%s", shared), [reads]],
      [() => isDeepStrictEqual(shared, new Uint8Array(8)), [reads]],
      [() => assert.notDeepEqual(nested, {}), [reads]],
      [() => strict.notDeepStrictEqual({}, nested), [reads]],
      [() => serialize(shared), [reads]],
      [() => hash("sha256", shared), [reads]],
      [() => timingSafeEqual(shared, new Uint8Array(8)), [reads]],
      [() => randomFillSync(shared), [writes]],
      [() => deflateSync(shared), [reads]],
      [() => crc32(shared), [reads]],
      [() => inspect(new Uint8Array(8)), []],
    ];
    for (const [act, expected] of cases) {
      told = [];
      act();
      assert.deepEqual([...new Set(told)], expected, String(act));
    }
  });

  test("what would make elements reachable unseen is refused, and says what to write instead", () => {
    for (const [code, message] of [
      ["new Proxy(words, {})", /a Proxy of a typed array .*: use the typed array itself/],
      ["Object.create(words)", /an object whose prototype is a typed array .*: keep the typed array in a property/],
      ["Object.setPrototypeOf({}, words)", /an object whose prototype/],
      ["Reflect.setPrototypeOf({}, words)", /an object whose prototype/],
      ["({ __proto__: words })", /an object whose prototype/],
      ["({}).__proto__ = words", /an object whose prototype/],
      [
        "class A { #w = words; m() { eval('this.#w[0]') } } new A().m()",
        /code in a string that can only be read where/,
      ],
    ] as const)
      assert.throws(() => seen(code), { code: "INPUT_INVALID", message }, code);
    for (const [code, message] of [
      [
        "(a?.b[0].c)()",
        /^code\.js:1: an element within an optional chain that is called .*: write it in two statements/,
      ],
      ["delete a?.b[0].c", /^code\.js:1: an element within an optional chain/],
      [
        "class B extends A { m() {\nreturn super.m?.()[0] } }",
        /^code\.js:2: an element of what is returned by a method/,
      ],
      ["async () => o[await k]?.()[0]", /^code\.js:1: an element of what is returned by a method/],
      ["(a?.b)?.()[0]", /^code\.js:1: an element of what is returned by a method/],
      ["eval(...x)", /^code\.js:1: eval\(\.\.\.\) of a spread/],
    ] as const)
      assert.throws(() => transform(code, "code.js"), { code: "INPUT_INVALID", message }, code);
    assert.deepEqual(
      seen("new Proxy(plain, {})[0]; Object.create(plain); ({ __proto__: plain }); (plain?.map)?.name"),
      [],
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
      [Array.prototype, native.array],
    ];
    let replaced = 0;
    for (const [owner, descriptors] of now) {
      // Two getters for patterns are new.
      const known = Reflect.ownKeys(owner).filter((key) => !String(key).startsWith("Symbol(lockstep: "));
      assert.deepEqual(known, Reflect.ownKeys(descriptors));
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
