/**
 * Random programs of smooth operators: what single-operator cases cannot show is how rules, sums and simplification
 * work together.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { broadcastShapes, type GraphBuilder, type ValueId } from "../../src/numeric/graph/index.ts";
import { RULES } from "../../src/numeric/autodiff/rules.ts";
import { gradientError } from "./check.ts";

const STEPS = [
  "add",
  "sub",
  "mul",
  "matmul",
  "neg",
  "tanh",
  "gelu",
  "softmax",
  "logSoftmax",
  "expand",
  "reshape",
  "transpose",
  "sum",
  "half",
] as const;
type Step = readonly [(typeof STEPS)[number], number, number];

function write(steps: readonly Step[]): (b: GraphBuilder) => ValueId {
  return (b) => {
    const values = [
      b.input("x", "real", ["B", 3]),
      b.parameter("w", [3, 3]),
      b.parameter("row", [3]),
      b.input("s", "real", []),
    ];
    for (const [step, i, j] of steps) {
      const x = values[i % values.length] ?? 0;
      const y = values[j % values.length] ?? 0;
      const next = apply(b, step, x, y, j);
      if (next !== null) values.push(b.tanh(next)); // bounded, so that differences stay exact
    }
    return values
      .map((value) => b.tanh(b.reduceSum(b.reshape(value, [1, -1]), [0, 1])))
      .reduce((sum, value) => b.add(sum, value));
  };
}

/** One step, or null where the operands do not fit. */
function apply(b: GraphBuilder, step: Step[0], x: ValueId, y: ValueId, j: number): ValueId | null {
  const shape = b.shapeOf(x);
  switch (step) {
    case "add":
    case "sub":
    case "mul":
      return broadcastShapes(shape, b.shapeOf(y)) === null ? null : b[step](x, y);
    case "matmul":
      return shape.length >= 2 && shape.at(-1) === 3
        ? b.matmul(x, 1, { transB: j % 2 === 0, alpha: 0.5 })
        : shape.length === 2
          ? b.matmul(x, x, { transA: true, alpha: 0.5 })
          : null;
    case "neg":
    case "tanh":
    case "gelu":
      return b[step](x);
    case "softmax":
    case "logSoftmax":
      return shape.length === 0 ? null : b[step](x);
    case "expand":
      return shape.length < 2 ? b.expand(x, ["B", shape[0] ?? 3]) : null;
    case "reshape":
      return b.reshape(x, j % 2 === 0 ? [1, ...shape] : [-1]);
    case "transpose":
      return b.transpose(x, [...shape.keys()].toReversed());
    case "sum":
      return shape.length === 0 ? null : b.reduceSum(x, [j % shape.length], { keepDims: j % 3 === 0 });
    case "half":
      return b.mul(b.constant(0.5), x);
  }
}

test("random programs agree with central differences", async () => {
  const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(99), fc.nat(99));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      const error = await gradientError(
        { name: "random", build: write(steps), symbols: { B: 2 }, domain: [-1, 1] },
        RULES,
        1,
      );
      assert.ok(error < 1e-7, `off by ${error}`);
    }),
    { numRuns: 40, seed: 20 },
  );
});
