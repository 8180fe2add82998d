import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isLockstepError } from "../../src/base/index.ts";
import {
  bindShapes,
  bindSymbols,
  canonicalDim,
  type Dim,
  dimsEqual,
  divDims,
  evalDim,
  mulDims,
  shapesEqual,
} from "../../src/numeric/graph/index.ts";

const SYMBOLS = { B: 3, T: 5, P: 7, heads_2: 2 };
const part = fc.oneof(fc.constantFrom(...Object.keys(SYMBOLS)), fc.integer({ min: 1, max: 9 }).map(String));
/** Written in any order, with repeated symbols and factors. */
const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 1, max: 99 }),
  fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("*")),
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
  ] as const)
    assert.throws(() => divDims(a, b), refused("GRAPH_INVALID"), `${a} / ${b}`);
  assert.equal(divDims(0, "B"), 0);
});

test("equal values as dimensions are equal texts", () => {
  assert.equal(mulDims("T*B", 2), "2*B*T");
  assert.equal(canonicalDim(" 3 * T*2* B"), "6*B*T");
  assert.equal(canonicalDim("12"), 12);
  assert.equal(canonicalDim("0*B"), 0);
  assert.equal(mulDims(), 1);
  assert.ok(dimsEqual("B*T", "T*B"));
  assert.ok(!dimsEqual("B", "T"));
  assert.ok(shapesEqual(["T*B", 2], ["B*T", 2]) && !shapesEqual(["B"], ["B", 1]));
});

test("what is not a dimension is refused", () => {
  for (const bad of [-1, 1.5, NaN, 2 ** 60, "", "B+T", "2B", "B**T", "-2*B"])
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
