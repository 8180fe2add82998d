/**
 * Elementary functions against Math.*, which in this engine is itself within an ulp or so; and against values from
 * 60-digit arithmetic (Python's decimal and mpmath's formulas), where the bound is tight.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bits,
  cos,
  erf,
  exp,
  expm1,
  isLockstepError,
  log,
  log1p,
  pow,
  PURPOSE,
  sha256Hex,
  sin,
  tanh,
} from "../../src/base/index.ts";

/** Distance in units in the last place; 0 and -0 differ. */
function ulps(a: number, b: number): number {
  if (Object.is(a, b)) return 0;
  const [x, y] = [a, b].map((value) => new BigInt64Array(new Float64Array([value]).buffer)[0] as bigint) as [
    bigint,
    bigint,
  ];
  return Number.isNaN(a) || Number.isNaN(b) || x < 0n !== y < 0n ? Infinity : Number(x > y ? x - y : y - x);
}

/** Deterministic doubles in [0, 1) with 53 bits. */
function draw(stream: number, i: number): number {
  return (
    (bits([1, 2], PURPOSE.test, stream, 0, 2 * i) * 2 ** 21 +
      (bits([1, 2], PURPOSE.test, stream, 0, 2 * i + 1) >>> 11)) /
    2 ** 53
  );
}

const N = 20_000;
const cases: readonly [
  name: string,
  mine: (x: number) => number,
  reference: (x: number) => number,
  argument: (u: number) => number,
  bound: number,
][] = [
  ["exp", exp, Math.exp, (u) => -708 + 1417 * u, 1],
  ["exp near 0", exp, Math.exp, (u) => u - 0.5, 1],
  ["exp into subnormals", exp, Math.exp, (u) => -745 + 37 * u, 1],
  ["expm1", expm1, Math.expm1, (u) => 4 * u - 2, 3],
  ["expm1 near 0", expm1, Math.expm1, (u) => (u - 0.5) * 1e-6, 1],
  ["log", log, Math.log, (u) => Math.exp(1400 * u - 700), 1],
  ["log near 1", log, Math.log, (u) => 0.5 + 1.5 * u, 1],
  ["log of subnormals", log, Math.log, (u) => u * 1e-310, 1],
  ["log1p", log1p, Math.log1p, (u) => 2 * u - 0.9, 2],
  ["sin", sin, Math.sin, (u) => 8e6 * u - 4e6, 1],
  ["sin near 0", sin, Math.sin, (u) => 2 * u - 1, 1],
  ["cos", cos, Math.cos, (u) => 8e6 * u - 4e6, 1],
  ["cos of one turn", cos, Math.cos, (u) => 2 * Math.PI * u, 1],
  ["tanh", tanh, Math.tanh, (u) => 10 * u - 5, 3],
  ["tanh near 0", tanh, Math.tanh, (u) => 0.4 * u - 0.2, 3],
];
for (const [i, [name, mine, reference, argument, bound]] of cases.entries()) {
  test(`${name}: within ${bound} ulp of Math over ${N} arguments`, () => {
    for (let k = 0; k < N; k++) {
      const x = argument(draw(i, k));
      const distance = ulps(mine(x), reference(x));
      assert.ok(distance <= bound, `at ${x}: ${mine(x)} against ${reference(x)}, ${distance} ulp`);
    }
  });
}

test("pow: within 1 ulp of Math over the whole range, for decay rates to large powers and for rotary bases", () => {
  const pairs: readonly ((u: number, v: number) => [number, number])[] = [
    (u, v) => [100 * u, 200 * v - 100],
    (u, v) => [0.9 + 0.1 * u, Math.floor(v * 1e5)],
    (u, v) => [u < 0.5 ? 10_000 : 500_000, -v],
    (u, v) => [1 + (u - 0.5) * 1e-9, v * 1e11],
    (u, v) => [u * 1e-308, v],
  ];
  for (const [stream, pair] of pairs.entries()) {
    for (let k = 0; k < N / 2; k++) {
      const [x, y] = pair(draw(100 + stream, k), draw(200 + stream, k));
      assert.ok(ulps(pow(x, y), x ** y) <= 1, `pow(${x}, ${y}) is ${pow(x, y)}, not ${x ** y}`);
    }
  }
});

test("special cases are those of Math", () => {
  const edges = [
    0,
    -0,
    1,
    -1,
    NaN,
    Infinity,
    -Infinity,
    0.5,
    -2,
    3,
    -3,
    2,
    1e300,
    -1e300,
    1e-300,
    5e-324,
    Number.MAX_VALUE,
    2 ** 53 + 2,
    1 - 2 ** -53,
  ];
  for (const x of edges) {
    for (const [mine, reference] of [
      [exp, Math.exp],
      [expm1, Math.expm1],
      [log, Math.log],
      [log1p, Math.log1p],
      [tanh, Math.tanh],
    ] as const) {
      assert.ok(ulps(mine(x), reference(x)) <= 1, `${reference.name}(${x}): ${mine(x)} against ${reference(x)}`);
    }
    for (const y of edges) assert.ok(ulps(pow(x, y), x ** y) <= 1, `pow(${x}, ${y}): ${pow(x, y)} against ${x ** y}`);
    if (!(Math.abs(x) > 0x400000) || Math.abs(x) === Infinity) {
      assert.ok(ulps(sin(x), Math.sin(x)) <= 1);
      assert.ok(ulps(cos(x), Math.cos(x)) <= 1);
    }
  }
  assert.throws(
    () => sin(1e9),
    (error) => isLockstepError(error),
  );
});

test("erf: within 4 ulp of reference values, odd, 1 in the limit", () => {
  const reference = [
    [1e-300, 1.1283791670955126e-300],
    [1e-9, 1.1283791670955127e-9],
    [0.01, 0.011283415555849618],
    [0.1, 0.1124629160182849],
    [0.3, 0.3286267594591274],
    [0.5, 0.5204998778130465],
    [0.7071067811865476, 0.682689492137086],
    [0.9, 0.7969082124228322],
    [1.0, 0.8427007929497149],
    [1.1, 0.8802050695740817],
    [1.25, 0.9229001282564583],
    [1.5, 0.9661051464753108],
    [1.75, 0.9866716712191824],
    [1.9, 0.9927904292352575],
    [1.9999999, 0.9953222629522538],
    [2.0, 0.9953222650189527],
    [2.0000001, 0.9953222670856509],
    [2.2, 0.9981371537020182],
    [2.5, 0.999593047982555],
    [2.75, 0.9998993780778803],
    [3.0, 0.9999779095030014],
    [3.3, 0.9999969422902035],
    [3.7, 0.9999998328489421],
    [4.2, 0.9999999971445058],
    [4.9, 0.999999999995781],
    [5.5, 0.9999999999999927],
    [5.9, 0.9999999999999999],
  ] as const;
  for (const [x, expected] of reference) {
    assert.ok(ulps(erf(x), expected) <= 4, `erf(${x}): ${erf(x)} against ${expected}, ${ulps(erf(x), expected)} ulp`);
    assert.equal(erf(-x), -erf(x));
  }
  assert.deepEqual([erf(0), erf(-0), erf(7), erf(-Infinity), erf(NaN)], [0, -0, 1, -1, NaN]);
});

test("exact landmarks", () => {
  for (let k = -1022; k <= 1023; k++) {
    assert.equal(pow(2, k), 2 ** k);
    assert.ok(ulps(log(2 ** k), Math.LN2 * k) <= 1);
  }
  assert.deepEqual([exp(0), log(1), cos(0), sin(0), tanh(0)], [1, 0, 1, 0, 0]);
});

test("the bits are pinned: these arguments gave these results when the functions were written", () => {
  const functions = [
    exp,
    (x: number) => log(Math.abs(x)),
    sin,
    cos,
    tanh,
    erf,
    (x: number) => pow(Math.abs(x), x),
    expm1,
    (x: number) => log1p(Math.abs(x)),
  ];
  const values = Float64Array.from({ length: 4000 }, (_, i) => functions[i % 9]?.((i - 2000) / 97 + 1 / 3) ?? NaN);
  assert.equal(
    sha256Hex(new Uint8Array(values.buffer)),
    "86be42dd7ee6143e01f04637c9c156c8bff4a570f9bd331c95052c38068b328e",
  );
});
