import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLockstepError } from "../../src/base/index.ts";
import {
  addDims,
  bindShapes,
  bindSymbols,
  canonicalDim,
  type Dim,
  dimsEqual,
  divDims,
  evalDim,
  mulDims,
  shapesEqual,
  subDims,
  symbolsOf,
} from "../../src/numeric/graph/index.ts";

const SYMBOLS = { B: 3, T: 5, P: 7, heads_2: 2 };
const part = fc.oneof(fc.constantFrom(...Object.keys(SYMBOLS)), fc.integer({ min: 1, max: 9 }).map(String));
/** Written in any order, with repeated symbols and factors. */
const term = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("*"));
const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 1, max: 99 }),
  term,
  fc.array(term, { minLength: 2, maxLength: 4 }).map((terms) => terms.join("+")),
);
const refused =
  (code: string) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code;

test("a product of dimensions is the product of their values, in one canonical form", () => {
  fc.assert(
    fc.property(dim, dim, dim, (a, b, c) => {
      assert.equal(evalDim(mulDims(a, b), SYMBOLS), evalDim(a, SYMBOLS) * evalDim(b, SYMBOLS));
      assert.equal(mulDims(a, b), mulDims(b, a));
      assert.equal(mulDims(mulDims(a, b), c), mulDims(a, mulDims(b, c)));
      assert.equal(mulDims(a, 1), canonicalDim(a));
      assert.equal(canonicalDim(canonicalDim(a)), canonicalDim(a));
    }),
  );
});

test("division undoes multiplication and refuses what is not divisible", () => {
  fc.assert(
    fc.property(dim, dim, (a, b) => {
      assert.equal(divDims(mulDims(a, b), b), canonicalDim(a));
    }),
  );
  for (const [a, b] of [
    ["B", "T"],
    [3, 2],
    ["2*B", 4],
    ["B", 0],
    ["B*B", "T*B"],
    ["B*P+B*T", "P"],
    ["P+T", "P+B"],
    ["B*P+T", "B"],
    ["2*P+T", 2],
  ] as const)
    assert.throws(() => divDims(a, b), refused("GRAPH_INVALID"), `${a} / ${b}`);
  assert.equal(divDims(0, "B"), 0);
  assert.equal(divDims("B*P+B*T", "B"), "P+T");
  assert.equal(divDims("B*P+B*T", "P+T"), "B");
});

test("a sum of dimensions is the sum of their values; a difference undoes it", () => {
  fc.assert(
    fc.property(dim, dim, dim, (a, b, c) => {
      assert.equal(evalDim(addDims(a, b), SYMBOLS), evalDim(a, SYMBOLS) + evalDim(b, SYMBOLS));
      assert.equal(addDims(a, b), addDims(b, a));
      assert.equal(addDims(addDims(a, b), c), addDims(a, addDims(b, c)));
      assert.equal(mulDims(addDims(a, b), c), addDims(mulDims(a, c), mulDims(b, c)));
      assert.equal(subDims(addDims(a, b), b), canonicalDim(a));
    }),
  );
  assert.equal(addDims(), 0);
  assert.equal(addDims("T", 0), "T");
  assert.equal(subDims("P+T", "P+T"), 0);
  for (const [a, b] of [
    ["T", "P"],
    ["T", 1],
    ["P+T", "2*T"],
    [3, 4],
  ] as const)
    assert.equal(subDims(a, b), undefined, `${a} − ${b}`);
});

test("equal values as dimensions are equal texts", () => {
  assert.equal(mulDims("T*B", 2), "2*B*T");
  assert.equal(canonicalDim(" 3 * T*2* B"), "6*B*T");
  assert.equal(canonicalDim("12"), 12);
  assert.equal(canonicalDim("0*B"), 0);
  assert.equal(canonicalDim("1 + T*B + 2*P + B*T"), "2*B*T+2*P+1");
  assert.equal(canonicalDim("T+0*B+T"), "2*T");
  assert.deepEqual(symbolsOf("B*B*T+T+B+4"), ["B", "B", "T"]);
  assert.equal(mulDims(), 1);
  assert.ok(dimsEqual("B*T", "T*B"));
  assert.ok(!dimsEqual("B", "T"));
  assert.ok(shapesEqual(["T*B", 2], ["B*T", 2]) && !shapesEqual(["B"], ["B", 1]));
});

test("what is not a dimension is refused", () => {
  for (const bad of [-1, 1.5, NaN, 2 ** 60, "", "B+", "+T", "B-T", "2B", "B**T", "-2*B"])
    assert.throws(() => canonicalDim(bad), refused("GRAPH_INVALID"), String(bad));
  assert.throws(() => evalDim("B*T", { B: 2 }), /symbol T/);
  assert.throws(() => evalDim("constructor", {}), refused("GRAPH_INVALID"));
});

test("symbols are bound from actual shapes, and must agree", () => {
  const bindings: Record<string, number> = {};
  assert.deepEqual(bindSymbols(["B", "T", 4], [2, 3, 4], bindings), []);
  assert.deepEqual({ ...bindings }, { B: 2, T: 3 });
  assert.deepEqual(bindSymbols(["2*B*P"], [20], bindings), []);
  assert.equal(bindings["P"], 5);
  assert.throws(() => bindSymbols(["B"], [3], bindings, "labels"), /labels has shape \[3\].*B = 2/);
  assert.throws(() => bindSymbols(["B", 4], [2, 5], bindings), refused("INPUT_INVALID"));
  assert.throws(() => bindSymbols(["B"], [2, 1], bindings), refused("INPUT_INVALID"));
  assert.throws(() => bindSymbols(["2*Q"], [3], {}), refused("INPUT_INVALID"));
});

test("a sum decides its one open symbol, where that has one value", () => {
  const bindings: Record<string, number> = { T: 4 };
  assert.deepEqual(bindSymbols(["P+T"], [9], bindings), []);
  assert.equal(bindings["P"], 5);
  assert.throws(() => bindSymbols(["P+T"], [10], bindings), refused("INPUT_INVALID"));
  const none: Record<string, number> = { T: 4 };
  bindSymbols(["P+T"], [4], none);
  assert.equal(none["P"], 0, "nothing came before");
  assert.throws(() => bindSymbols(["P+T"], [3], { T: 4 }), refused("INPUT_INVALID"), "less than nothing came before");
  const inEveryTerm: Record<string, number> = { B: 2 };
  bindSymbols(["B*T+T+1"], [10], inEveryTerm);
  assert.equal(inEveryTerm["T"], 3);
  assert.throws(() => bindSymbols(["B*T+T+1"], [9], { B: 2 }), refused("INPUT_INVALID"), "8 is no multiple of 3");
  assert.deepEqual(bindSymbols(["P+T"], [9], {}), [0], "two open symbols");
  assert.deepEqual(bindSymbols(["T*T+T"], [6], {}), [0], "a square");
  assert.throws(() => bindShapes([{ what: "keys", shape: ["P+T"], actual: [6] }]), /cannot be told apart/);
  assert.deepEqual(
    {
      ...bindShapes([
        { what: "keys", shape: ["P+T"], actual: [6] },
        { what: "ids", shape: ["T"], actual: [2] },
      ]),
    },
    { T: 2, P: 4 },
  );
});

test("shapes help each other to bind, in any order", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.boolean(), (B, T, swapped) => {
      const shapes = [
        { what: "rows", shape: ["B*T", 2], actual: [B * T, 2] },
        { what: "lengths", shape: ["B"], actual: [B] },
      ];
      assert.deepEqual({ ...bindShapes(swapped ? shapes.toReversed() : shapes) }, { B, T });
    }),
  );
  assert.throws(() => bindShapes([{ what: "rows", shape: ["B*T"], actual: [6] }]), /cannot be told apart/);
});
