import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  bits,
  fillDropoutMask,
  fillNormal,
  isLockstepError,
  normal,
  permutation,
  philox4x32,
  PURPOSE,
  seedFrom,
  uniform,
  type Seed,
} from "../../src/base/index.ts";

const seed: Seed = [0x12345678, 0x9abcdef0];

test("philox4x32-10 gives the published answers of Random123", () => {
  const hex = (counter: [number, number, number, number], key: [number, number]): string =>
    [...philox4x32(...counter, ...key, new Uint32Array(4))].map((word) => word.toString(16).padStart(8, "0")).join(" ");
  const ones = 0xffffffff;
  assert.equal(hex([0, 0, 0, 0], [0, 0]), "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
  assert.equal(hex([ones, ones, ones, ones], [ones, ones]), "408f276d 41c83b0e a20bc7c6 6d5451fd");
  assert.equal(
    hex([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    "d16cfe09 94fdcceb 5001e420 24126ea1",
  );
});

test("a 64-bit index reaches the whole stream and purposes do not share one", () => {
  assert.notEqual(bits(seed, PURPOSE.split, 1, 2, 3), bits(seed, PURPOSE.split, 1, 2, 3 + 4 * 2 ** 32));
  const firsts = Object.values(PURPOSE).map((purpose) => bits(seed, purpose, 0, 0, 0));
  assert.equal(new Set(firsts).size, firsts.length);
  assert.equal(new Set(Object.values(PURPOSE)).size, Object.keys(PURPOSE).length);
});

test("seeds: integers are their own words, texts their hash, anything else is refused", () => {
  assert.deepEqual(seedFrom(0), [0, 0]);
  assert.deepEqual(seedFrom(2 ** 32 * 5 + 7), [7, 5]);
  // sha256("") = e3b0c442 98fc1c14 …
  assert.deepEqual(seedFrom(""), [0x42c4b0e3, 0x141cfc98]);
  for (const bad of [-1, 0.5, NaN, 2 ** 53])
    assert.throws(
      () => seedFrom(bad),
      (error) => isLockstepError(error) && error.code === "OPTION_INVALID",
    );
});

test("uniform is the upper 24 bits", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (a, b, i) => {
      assert.equal(uniform(seed, PURPOSE.sample, a, b, i), (bits(seed, PURPOSE.sample, a, b, i) >>> 8) * 2 ** -24);
    }),
  );
});

test("permutations are permutations, depend on all they are given, and each order of four is equally likely", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.nat(), (n, epoch) => {
      assert.deepEqual(
        [...permutation(n, seed, PURPOSE.shuffle, epoch, 0)].sort((x, y) => x - y),
        Array.from({ length: n }, (_, i) => i),
      );
    }),
    { numRuns: 50 },
  );
  assert.notDeepEqual(permutation(50, seed, PURPOSE.shuffle, 0, 0), permutation(50, seed, PURPOSE.shuffle, 1, 0));
  assert.notDeepEqual(permutation(50, seed, PURPOSE.shuffle, 0, 0), permutation(50, [1, 2], PURPOSE.shuffle, 0, 0));
  const counts = new Map<string, number>();
  const draws = 24_000;
  for (let i = 0; i < draws; i++) {
    const order = permutation(4, seed, PURPOSE.test, i, 0).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 24);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - draws / 24) ** 2 / (draws / 24), 0);
  // 99.9 % of chi-square with 23 degrees of freedom is under 49.7; the draws are fixed, so this cannot fail by chance
  // later.
  assert.ok(chiSquare < 49.7, `chi-square ${chiSquare}`);
});

test("normals have the moments and the distribution of a normal, and filling equals calling", () => {
  const n = 40_000;
  const values = new Float64Array(n);
  fillNormal(values, 0, 1, seed, PURPOSE.init, 3, 4);
  for (const i of [0, 1, 2, 3, 4, 17, n - 1]) assert.equal(values[i], normal(seed, PURPOSE.init, 3, 4, i));
  const mean = (power: number): number => values.reduce((sum, x) => sum + x ** power, 0) / n;
  for (const [power, expected, spread] of [
    [1, 0, 1],
    [2, 1, Math.SQRT2],
    [3, 0, Math.sqrt(15)],
    [4, 3, Math.sqrt(96)],
  ] as const) {
    assert.ok(Math.abs(mean(power) - expected) < (4 * spread) / Math.sqrt(n), `moment ${power}: ${mean(power)}`);
  }
  // Kolmogorov-Smirnov against the quartiles and tails
  for (const [z, p] of [
    [-2, 0.02275],
    [-0.6745, 0.25],
    [0, 0.5],
    [0.6745, 0.75],
    [2, 0.97725],
  ] as const) {
    const share = values.reduce((count, x) => count + (x < z ? 1 : 0), 0) / n;
    assert.ok(Math.abs(share - p) < 4 * Math.sqrt((p * (1 - p)) / n), `share below ${z}: ${share}`);
  }
  const short = new Float32Array(3);
  fillNormal(short, 5, 0.02, seed, PURPOSE.init, 3, 4);
  assert.deepEqual(
    [...short],
    [0, 1, 2].map((i) => Math.fround(5 + 0.02 * (values[i] as number))),
  );
});

test("a dropout mask is a function of its key; kept share and scale follow the rate", () => {
  const key = { seed, step: 9, shard: 2 };
  const mask = new Float32Array(100_000);
  fillDropoutMask(mask, 0.1, 5, key);
  const again = new Float32Array(1_001);
  fillDropoutMask(again, 0.1, 5, key);
  assert.deepEqual(again, mask.slice(0, 1_001));
  const words = philox4x32(3, 5, 9, 2, ...seed, new Uint32Array(4));
  for (let lane = 0; lane < 4; lane++)
    assert.equal(mask[12 + lane], (words[lane] as number) >= Math.floor(0.1 * 2 ** 32) ? Math.fround(1 / 0.9) : 0);
  const kept = mask.reduce((count, x) => count + (x > 0 ? 1 : 0), 0) / mask.length;
  assert.ok(Math.abs(kept - 0.9) < 4 * Math.sqrt(0.09 / mask.length), `kept ${kept}`);
  for (const [site, other] of [
    [6, key],
    [5, { ...key, step: 10 }],
    [5, { ...key, shard: 3 }],
    [5, { ...key, seed: [1, 2] as const }],
  ] as const) {
    fillDropoutMask(again, 0.1, site, other);
    assert.notDeepEqual(again, mask.slice(0, 1_001));
  }
  const none = new Float64Array(10);
  fillDropoutMask(none, 0, 1, key);
  assert.deepEqual([...none], new Array(10).fill(1));
  for (const rate of [1, -0.1, NaN])
    assert.throws(
      () => fillDropoutMask(none, rate, 1, key),
      (error) => isLockstepError(error) && error.code === "OPTION_INVALID",
    );
});
