/**
 * Every SIMD kernel against its plain twin: equal bits for any values, sizes (tails included) and offsets, and nothing
 * written beside.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fillDropoutMask, isLockstepError, type ErrorCode } from "../../src/base/index.ts";
import {
  adamwConstants,
  BLOCK_LIMIT,
  createKernels,
  compileKernels,
  plain,
  type AdamwSettings,
} from "../../src/numeric/kernels/index.ts";
import { Arena } from "../../src/numeric/tensor/index.ts";

const MOST = 300;
const arena = new Arena({ capacityBytes: 1 << 20 });
const [w, g, m, v] = arena.allocateGroup([
  { name: "w", dtype: "float32", shape: [MOST + 16] },
  { name: "g", dtype: "float32", shape: [MOST + 16] },
  { name: "m", dtype: "float32", shape: [MOST + 16] },
  { name: "v", dtype: "float32", shape: [MOST + 16] },
]);
const ids = arena.allocate("ids", "int32", [64]);
const big = arena.allocate("big", "float32", [BLOCK_LIMIT]);
const memory = arena.memories[0] as NonNullable<(typeof arena.memories)[0]>;
const kernels = createKernels(memory, compileKernels());
const all = [w.data, g.data, m.data, v.data];

/**
 * Ordinary values, tiny ones, denormals, zeros of both signs and huge ones that overflow in sums and squares; no NaN,
 * whose bits WebAssembly leaves open.
 */
const value = fc.oneof(
  { weight: 6, arbitrary: fc.float({ min: -100, max: 100, noNaN: true }) },
  fc.float({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e-45, -1e-45, 1.1e-38, 1e-20),
);
const scalar = fc.float({ min: Math.fround(-1e3), max: Math.fround(1e3), noNaN: true });

/** Four arrays, a count and a start: the whole of memory around the region must stay as it was. */
const region = fc
  .record({
    n: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: MOST })),
    start: fc.integer({ min: 0, max: 15 }),
  })
  .chain(({ n, start }) =>
    fc.record({
      n: fc.constant(n),
      start: fc.constant(start),
      values: fc.array(fc.array(value, { minLength: 23, maxLength: 23 }), { minLength: 4, maxLength: 4 }),
    }),
  );
type Region = { readonly n: number; readonly start: number; readonly values: readonly (readonly number[])[] };

function bitsOf(data: Float32Array): Uint32Array {
  return new Uint32Array(data.slice().buffer);
}

/** Runs the kernel on the arena and the twin on copies, and compares all four arrays whole. NaNs count as equal. */
function compare(
  { n, start, values }: Region,
  kernel: (offsets: [number, number, number, number], n: number) => void,
  twin: (a: Float32Array, b: Float32Array, c: Float32Array, d: Float32Array) => void,
): void {
  all.forEach((data, k) =>
    data.forEach((_, i) => {
      data[i] = (values[k] as readonly number[])[(i * 7 + k) % 23] as number;
    }),
  );
  // Second moments are never negative.
  v.data.forEach((x, i) => {
    v.data[i] = Math.abs(x);
  });
  const copies = all.map((data) => data.slice());
  kernel(all.map((data) => data.byteOffset + 4 * start) as [number, number, number, number], n);
  twin(
    ...(copies.map((data) => data.subarray(start, start + n)) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ]),
  );
  all.forEach((data, k) => {
    const [mine, theirs] = [bitsOf(data), bitsOf(copies[k] as Float32Array)];
    for (let i = 0; i < mine.length; i++) {
      if (mine[i] !== theirs[i] && !Number.isNaN(data[i]))
        assert.fail(`array ${k}, element ${i} of ${start}..${start + n}: ${data[i]} against ${copies[k]?.[i]}`);
      if (Number.isNaN(data[i])) assert.ok(Number.isNaN(copies[k]?.[i]));
    }
  });
}

test("add, addTo, copy, zero", () => {
  fc.assert(
    fc.property(region, (r) => {
      compare(
        r,
        ([a, b], n) => kernels.add(a, b, n),
        (a, b) => plain.add(a, b),
      );
      compare(
        r,
        ([a, b, c], n) => kernels.addTo(a, b, c, n),
        (a, b, c) => plain.addTo(a, b, c),
      );
      compare(
        r,
        ([a, b], n) => kernels.addTo(a, a, b, n),
        (a, b) => plain.add(a, b),
      );
      compare(
        r,
        ([a, b], n) => kernels.copy(a, b, n),
        (a, b) => a.set(b),
      );
      compare(
        r,
        ([a], n) => kernels.zero(a, n),
        (a) => a.fill(0),
      );
    }),
  );
});

test("scale, divide, addScaled", () => {
  fc.assert(
    fc.property(region, scalar, (r, s) => {
      compare(
        r,
        ([a], n) => kernels.scale(a, s, n),
        (a) => plain.scale(a, s),
      );
      compare(
        r,
        ([a], n) => kernels.divide(a, s, n),
        (a) => plain.divide(a, s),
      );
      compare(
        r,
        ([a, b], n) => kernels.addScaled(a, b, s, n),
        (a, b) => plain.addScaled(a, b, s),
      );
    }),
  );
  // A factor that is no float32 is rounded once, in both.
  compare(
    { n: 21, start: 1, values: all.map(() => Array.from({ length: 23 }, (_, i) => i / 3)) },
    ([a], n) => kernels.divide(a, 0.1, n),
    (a) => plain.divide(a, 0.1),
  );
});

const settings = fc.record<AdamwSettings>({
  learningRate: fc.double({ min: 1e-6, max: 0.1, noNaN: true }),
  beta1: fc.double({ min: 0, max: 0.99, noNaN: true }),
  beta2: fc.double({ min: 0.5, max: 0.9999, noNaN: true }),
  epsilon: fc.constantFrom(1e-8, 1e-6),
  weightDecay: fc.constantFrom(0, 0.01, 0.1),
  correction1: fc.double({ min: 0.01, max: 1, noNaN: true }),
  correction2: fc.double({ min: 1e-4, max: 1, noNaN: true }),
  gradScale: fc.constantFrom(1, 0.3, 1e-3),
});

test("adamw", () => {
  fc.assert(
    fc.property(region, settings, (r, s) => {
      compare(
        r,
        ([a, b, c, d], n) => kernels.adamw({ w: a, g: b, m: c, v: d, n }, s),
        (a, b, c, d) => plain.adamw(a, b, c, d, adamwConstants(s)),
      );
    }),
    { numRuns: 300 },
  );
});

test("adamw follows the textbook formula in float64", () => {
  const [lr, b1, b2, eps, wd] = [1e-3, 0.9, 0.999, 1e-8, 0.01];
  const state = { w: 0.5, m: 0, v: 0 };
  w.data[0] = 0.5;
  m.data[0] = 0;
  v.data[0] = 0;
  for (let t = 1; t <= 50; t++) {
    const gradient = Math.fround(((t * 37) % 11) / 10 - 0.4);
    g.data[0] = gradient;
    const s = {
      learningRate: lr,
      beta1: b1,
      beta2: b2,
      epsilon: eps,
      weightDecay: wd,
      correction1: 1 - b1 ** t,
      correction2: 1 - b2 ** t,
      gradScale: 0.5,
    };
    kernels.adamw({ w: w.data.byteOffset, g: g.data.byteOffset, m: m.data.byteOffset, v: v.data.byteOffset, n: 1 }, s);
    const scaled = gradient * 0.5;
    state.m = b1 * state.m + (1 - b1) * scaled;
    state.v = b2 * state.v + (1 - b2) * scaled * scaled;
    state.w -= lr * wd * state.w;
    state.w -= (lr * (state.m / s.correction1)) / (Math.sqrt(state.v / s.correction2) + eps);
  }
  assert.ok(Math.abs(w.data[0] - state.w) < 1e-6, `${w.data[0]} against ${state.w}`);
});

test("sumSquares: fixed lanes in float64, near the exact sum, at most a block", () => {
  fc.assert(
    fc.property(region, (r) => {
      const found: number[] = [];
      compare(
        r,
        ([a], n) => found.push(kernels.sumSquares(a, n)),
        (a) => found.push(plain.sumSquares(a)),
      );
      assert.ok(Object.is(found[0], found[1]), `${found[0]} against ${found[1]}`);
    }),
  );
  big.data.forEach((_, i) => {
    big.data[i] = Math.sin(i);
  });
  const sum = kernels.sumSquares(big.data.byteOffset, BLOCK_LIMIT);
  assert.equal(sum, plain.sumSquares(big.data));
  assert.ok(Math.abs(sum / big.data.reduce((total, x) => total + x * x, 0) - 1) < 1e-13);
  refused("INTERNAL", () => kernels.sumSquares(1024, BLOCK_LIMIT + 1));
});

test("dropoutMask gives the bits of fillDropoutMask", () => {
  const word = fc.integer({ min: 0, max: 0xffffffff });
  const rate = fc.oneof(fc.constantFrom(0, 0.1, 0.5, 0.999999), fc.double({ min: 0, max: 0.99, noNaN: true }));
  fc.assert(
    fc.property(region, rate, fc.tuple(word, word, word, word, word), (r, p, [s0, s1, site, step, shard]) => {
      const key = { seed: [s0, s1] as const, step, shard };
      compare(
        r,
        ([a], n) => kernels.dropoutMask(a, n, p, site, key),
        (a) => fillDropoutMask(a, p, site, key),
      );
    }),
    { numRuns: 200 },
  );
  refused("OPTION_INVALID", () => kernels.dropoutMask(w.data.byteOffset, 4, 1, 0, { seed: [0, 0], step: 0, shard: 0 }));
});

const rowCase = fc.record({
  width: fc.integer({ min: 0, max: 23 }),
  rows: fc.integer({ min: 1, max: 12 }),
  ids: fc.array(fc.nat(), { maxLength: 12 }),
  padding: fc.integer({ min: -1, max: 3 }),
  values: fc.array(fc.array(value, { minLength: 23, maxLength: 23 }), { minLength: 4, maxLength: 4 }),
});

test("gatherRows and scatterAddRows: in order of the ids, the padding row skipped", () => {
  fc.assert(
    fc.property(rowCase, ({ width, rows, ids: wanted, padding, values }) => {
      const chosen = Int32Array.from(wanted, (id) => id % rows);
      const common = { table: w.data.byteOffset, rows, width, ids: ids.data.byteOffset, count: chosen.length };
      const whole = { n: MOST, start: 0, values };
      ids.data.set(chosen);
      compare(
        whole,
        ([, dst]) => kernels.gatherRows({ ...common, dst }),
        (table, dst) => plain.gatherRows(dst, table, chosen, width),
      );
      compare(
        whole,
        ([, dy]) => kernels.scatterAddRows({ ...common, dy, paddingId: padding }),
        (table, dy) => plain.scatterAddRows(table, dy, chosen, width, padding),
      );
    }),
  );
});

test("an id outside the table is refused before anything is written", () => {
  for (const bad of [-1, 3, 2 ** 31 - 1]) {
    ids.data.set([0, bad]);
    w.data.fill(1);
    g.data.fill(2);
    const common = { table: w.data.byteOffset, rows: 3, width: 4, ids: ids.data.byteOffset, count: 2 };
    assert.match(
      refused("INPUT_INVALID", () => kernels.gatherRows({ ...common, dst: g.data.byteOffset })),
      new RegExp(`id ${bad} at position 1`),
    );
    refused("INPUT_INVALID", () => kernels.scatterAddRows({ ...common, dy: g.data.byteOffset, paddingId: -1 }));
    assert.ok(w.data.every((x) => x === 1) && g.data.every((x) => x === 2));
  }
});

test("a region outside the memory, unaligned or of a strange size is a typed error", () => {
  const end = memory.buffer.byteLength;
  for (const [offset, n] of [
    [end, 1],
    [end - 4, 2],
    [-4, 1],
    [2, 1],
    [1.5, 1],
    [NaN, 1],
    [0, -1],
    [0, 0.5],
    [0, 2 ** 40],
    [2 ** 32, 1],
    [0, NaN],
  ] as const) {
    assert.match(
      refused("INTERNAL", () => kernels.zero(offset, n)),
      /zero: .* elements at byte/,
    );
    refused("INTERNAL", () => kernels.add(1024, offset, n));
    refused("INTERNAL", () =>
      kernels.adamw(
        { w: 1024, g: 1024, m: 1024, v: offset, n },
        {
          learningRate: 1,
          beta1: 0,
          beta2: 0,
          epsilon: 1,
          weightDecay: 0,
          correction1: 1,
          correction2: 1,
          gradScale: 1,
        },
      ),
    );
  }
  kernels.zero(end, 0);
  kernels.zero(end - 4, 1);
  refused("INTERNAL", () =>
    adamwConstants({
      learningRate: 1,
      beta1: 0.9,
      beta2: 0.9,
      epsilon: 1,
      weightDecay: 0,
      correction1: 0,
      correction2: 1,
      gradScale: 1,
    }),
  );
});

/** Asserts the code of what is thrown, and returns its message. */
function refused(code: ErrorCode, run: () => unknown): string {
  let message = "";
  assert.throws(run, (error) => {
    assert.ok(isLockstepError(error), String(error));
    message = error.message;
    return error.code === code;
  });
  return message;
}
