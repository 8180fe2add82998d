/**
 * `Atomics` with the arguments that the language takes: indexes and values that it converts, counts and limits that are
 * no whole numbers, elements of every size.
 */
import assert from "node:assert/strict";
import { program } from "../../src/threads/explore/index.ts";

type Ints =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;
type Words = Int32Array<SharedArrayBuffer>;
const words = (count: number): Words => new Int32Array(new SharedArrayBuffer(4 * count));

export interface Arrays {
  readonly views: readonly Ints[];
  readonly others: readonly unknown[];
}

export function makeArrays(): Arrays {
  const kinds = [
    Int8Array,
    Uint8Array,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    BigInt64Array,
    BigUint64Array,
  ];
  return {
    views: kinds.map(
      (Kind) =>
        new (Kind as new (buffer: SharedArrayBuffer, at: number, length: number) => Ints)(
          new SharedArrayBuffer(64),
          16,
          4,
        ),
    ),
    others: [
      new Float32Array(new SharedArrayBuffer(16)),
      new Uint8ClampedArray(new SharedArrayBuffer(16)),
      new Int32Array(4),
      new DataView(new SharedArrayBuffer(16)),
      null,
      [1, 2],
    ],
  };
}

/**
 * Every function of `Atomics` on every kind of array with many arguments: what it returns or throws, what is converted
 * in which order, and what is in memory afterwards.
 */
export function callAll({ views, others }: Arrays): string[] {
  const told: string[] = [];
  let noted: string[] = [];
  const noting = (name: string, value: unknown): unknown => ({
    valueOf: () => {
      noted.push(name);
      return value;
    },
  });
  const functions = Atomics as unknown as Record<string, (...args: unknown[]) => unknown>;
  const tell = (name: string, array: unknown, ...args: unknown[]): void => {
    noted = [];
    let outcome: string;
    try {
      const result = functions[name]!(array, ...args);
      outcome = typeof result === "object" ? JSON.stringify(result) : `${typeof result} ${String(result)}`;
    } catch (thrown) {
      outcome = `${(thrown as Error).name}: ${(thrown as Error).message}`;
    }
    const memory = ArrayBuffer.isView(array) ? Buffer.from(array.buffer).toString("hex") : "";
    told.push(`${name}/${args.length} ${outcome} [${noted.join()}] ${memory}`);
  };
  const numbers = [
    0,
    1,
    -1,
    255,
    256,
    -129,
    0x8000_0000,
    0xffff_ffff,
    -0,
    2.7,
    -2.7,
    NaN,
    Infinity,
    2 ** 53,
    "12",
    "x",
  ];
  const others64 = [0n, 1n, -1n, 2n ** 63n, -(2n ** 63n), 2n ** 64n + 5n, 2n ** 32n];
  const values: unknown[] = [...numbers, ...others64, null, undefined, true, {}, Symbol.iterator];
  const modifiers = ["store", "add", "sub", "and", "or", "xor", "exchange"];
  for (const array of [...views, ...others]) {
    for (const index of [0, 3, 4, -1, 1.9, -0.5, "2", "x", NaN, undefined, null, Infinity, 2 ** 53, 1n]) {
      tell("load", array, index);
      tell("store", array, noting("index", index), noting("value", 1));
      tell("notify", array, noting("index", index), noting("count", 1));
    }
    for (const value of values) {
      for (const name of modifiers) tell(name, array, 1, value);
      tell("exchange", array, noting("index", 1), noting("value", value));
      // From what is there, as it is and as the other sign would write it.
      tell("store", array, 2, value);
      tell("compareExchange", array, noting("index", 2), noting("expected", value), noting("new", 7));
      tell("store", array, 2, value);
      tell("compareExchange", array, 2, value, value);
      tell("store", array, 2, value);
      tell("wait", array, 2, noting("expected", value), noting("limit", 0));
      tell("waitAsync", array, 2, noting("expected", value), noting("limit", 0));
    }
    for (const big of [0, 0n]) {
      tell("store", array, 0, big);
      for (const limit of [0, -0, -1, -Infinity, null, "0", 0n, Symbol.iterator]) {
        tell("wait", array, 0, big, limit);
        tell("waitAsync", array, 0, big, limit);
      }
    }
    for (const count of [0, 1, 1.5, -1, NaN, "1", null, undefined, Infinity, -Infinity, 1n])
      tell("notify", array, 0, count);
    for (const one of [1, 1n]) tell("store", array, 0, one); // what the waits below do not find
    for (const name of ["load", "wait", "waitAsync", "notify", "compareExchange", ...modifiers]) tell(name, array);
  }
  for (const size of [0, 1, 2, 3, 4, 8, "4", undefined]) tell("isLockFree", size);
  for (const pause of [undefined, 0, 3, -1, 1.5, "1", null, NaN]) tell("pause", pause);
  for (const name of Object.getOwnPropertyNames(Atomics).sort())
    told.push(`${name} ${functions[name]!.name} ${functions[name]!.length}`);
  told.push(Object.prototype.toString.call(Atomics));
  return told;
}

/** Alone, it does what the platform does: `check` runs outside of the explored threads. */
export const likeThePlatform = program<Arrays>(import.meta.url, {
  setup: makeArrays,
  threads: [(arrays) => callAll(arrays)],
  check: (_, { results: [told] }) => assert.deepEqual(told, callAll(makeArrays())),
});

/** A lock whose taken state is written one way and expected another, around data that is not atomic. */
function lockOf<T extends Ints>(make: () => T, free: number | bigint, expected: number | bigint) {
  return program<{ lock: T; data: Words }>(import.meta.url, {
    setup: () => {
      const lock = make();
      (lock as unknown as (number | bigint)[])[0] = free;
      return { lock, data: words(1) };
    },
    threads: [0, 1].map(() => ({ lock, data }: { lock: T; data: Words }) => {
      const taken = typeof free === "bigint" ? 1n : 1;
      const cells = lock as unknown as Int32Array;
      for (;;) {
        const before = Atomics.compareExchange(cells, 0, expected as number, taken as number) as number | bigint;
        if (before !== taken) break;
      }
      data[0] = data[0]! + 1;
      Atomics.store(cells, 0, free as number);
    }),
    check: ({ data }) => assert.equal(data[0], 2),
  });
}

export const locks = {
  signed32: lockOf(() => new Int32Array(new SharedArrayBuffer(4)), 0x8000_0000, 0x8000_0000),
  unsigned8: lockOf(() => new Uint8Array(new SharedArrayBuffer(4)), -1, -1),
  signed16: lockOf(() => new Int16Array(new SharedArrayBuffer(4)), 0xffff, 0xffff),
  unsigned32: lockOf(() => new Uint32Array(new SharedArrayBuffer(4)), -2, -2),
  signed64: lockOf(() => new BigInt64Array(new SharedArrayBuffer(8)), 2n ** 63n, 2n ** 63n),
  unsigned64: lockOf(() => new BigUint64Array(new SharedArrayBuffer(8)), -1n, -1n),
};

/** Sleeps on a word that is written without its sign. */
export const sleeps = program<{ w: Words }>(import.meta.url, {
  setup: () => {
    const w = words(1);
    w[0] = 0x8000_0001;
    return { w };
  },
  threads: [
    ({ w }) => Atomics.wait(w, 0, 0x8000_0001),
    ({ w }) => {
      Atomics.store(w, 0, 0);
      return Atomics.notify(w, 0);
    },
  ],
  check: (_, { results: [slept, woken] }) => assert.equal(slept, woken === 1 ? "ok" : "not-equal"),
});

/** Half a wake-up is none. */
export const counts = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(2) }),
  threads: [
    ({ w }) => Atomics.wait(w, 0, 0),
    ({ w }) => Atomics.wait(w, 0, 0),
    ({ w }) => {
      const woken = [1.5, 0.9, NaN, -1].map((count) => Atomics.notify(w, 0, count));
      Atomics.store(w, 0, 1);
      Atomics.notify(w, 0);
      return woken;
    },
  ],
  check: (_, { results: [, , woken] }) => {
    const [first, ...others] = woken as number[];
    assert.ok(first! <= 1);
    assert.deepEqual(others, [0, 0, 0]);
  },
});

/** A limit of nothing passes at once: nobody can come in between. */
export const noLimit = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(1) }),
  threads: [({ w }) => Atomics.wait(w, 0, 0, 0), ({ w }) => Atomics.notify(w, 0)],
  check: (_, { results }) => assert.deepEqual(results, ["timed-out", 0]),
});

/** An index that is no number is an index all the same. */
export const indexes = program<{ w: Words }>(import.meta.url, {
  setup: () => ({ w: words(2) }),
  threads: [0, 1].map(() => ({ w }: { w: Words }) => {
    const index = "1" as unknown as number;
    Atomics.store(w, index, Atomics.load(w, index) + 1);
  }),
  check: ({ w }) => assert.equal(w[1], 2),
});

/** Goes wrong, and its trace shows values of 64 bits, and unsigned ones. */
export const wide = program<{ big: BigInt64Array<SharedArrayBuffer>; small: Uint32Array<SharedArrayBuffer> }>(
  import.meta.url,
  {
    setup: () => ({
      big: new BigInt64Array(new SharedArrayBuffer(8)),
      small: new Uint32Array(new SharedArrayBuffer(4)),
    }),
    threads: [
      ({ big, small }) => {
        Atomics.store(big, 0, 2n ** 40n + 1n);
        Atomics.store(small, 0, 0xffff_fffe);
        Atomics.compareExchange(big, 0, -1n, 5n);
        Atomics.wait(big, 0, 2n ** 40n + 1n);
      },
      ({ big }) => {
        Atomics.add(big, 0, 2n ** 41n);
      },
    ],
  },
);
