import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  broadcastShapes,
  evalShape,
  type Graph,
  GraphBuilder,
  print,
  simplify,
  type ValueId,
} from "../../src/numeric/graph/index.ts";
import { createReferenceExecutor } from "../../src/numeric/runtime/reference.ts";
import { elements, tensor } from "../../src/numeric/tensor/index.ts";

/** The operators that are left, without declarations, in order. */
function operators(write: (b: GraphBuilder, x: ValueId, row: ValueId) => ValueId): string {
  const b = new GraphBuilder();
  b.output("y", write(b, b.input("x", "real", ["B", 4]), b.input("row", "real", [4])));
  return simplify(b.build())
    .nodes.filter((node) => node.op !== "input")
    .map((node) => node.op)
    .join(" ");
}

test("what does nothing goes away", () => {
  assert.equal(
    operators((b, x) => b.mul(b.mul(b.constant(1), x), b.expand(b.reshape(b.constant(1), [1, 1]), ["B", 4]))),
    "",
  );
  assert.equal(
    operators((b, x) => b.div(x, b.constant(1))),
    "",
  );
  assert.equal(
    operators((b, x) => b.neg(b.neg(x))),
    "",
  );
  assert.equal(
    operators((b, x) => b.reshape(b.reshape(x, ["B", 2, 2]), ["B", 4])),
    "",
  );
  assert.equal(
    operators((b, x) => b.reshape(b.reshape(x, ["B", 2, 2]), ["4*B"])),
    "reshape",
  );
  assert.equal(
    operators((b, x) => b.transpose(b.transpose(x, [1, 0]), [1, 0])),
    "",
  );
  assert.equal(
    operators((b, x) => b.transpose(b.transpose(b.reshape(x, ["B", 2, 2]), [1, 2, 0]), [0, 2, 1])),
    "reshape transpose",
  );
  assert.equal(
    operators((b, x) => b.expand(x, ["B", 4])),
    "",
  );
});

test("what broadcasts anyway is not expanded, and negation moves into subtraction", () => {
  assert.equal(
    operators((b, x, row) => b.mul(b.expand(row, ["B", 4]), x)),
    "mul",
  );
  assert.equal(
    operators((b, x, row) => b.mul(b.expand(row, ["B", 4]), b.expand(row, ["B", 4]))),
    "expand mul",
  );
  assert.equal(
    operators((b, x, row) => b.add(b.neg(row), x)),
    "sub",
  );
  assert.equal(
    operators((b, x, row) => b.add(x, b.neg(row))),
    "sub",
  );
});

test("what changes the result stays", () => {
  assert.equal(
    operators((b, x) => b.add(x, b.constant(0))),
    "constant add",
  );
  assert.equal(
    operators((b, _, row) => b.mul(row, b.expand(b.constant(1), ["B", 4]))),
    "constant expand mul",
  );
});

test("equal nodes become one, unequal ones do not", () => {
  assert.equal(
    operators((b, x) => b.add(b.exp(x), b.mul(b.exp(x), b.tanh(b.exp(x))))),
    "exp tanh mul add",
  );
  assert.equal(
    operators((b, x) => b.add(b.reduceSum(x, [0], { keepDims: true }), b.reduceSum(x, [1], { keepDims: true }))),
    "reduceSum reduceSum add",
  );
  assert.equal(
    operators((b, x) => b.mul(b.div(x, b.constant(0)), b.div(x, b.constant(-0)))),
    "constant div constant div mul",
  );
});

test("inputs and parameters stay in order, dead nodes go", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["B"]);
  b.parameter("unused", [3]);
  b.log(x);
  b.input("later", "int", ["T"]);
  b.output("y", b.exp(x));
  b.output("x", x);
  assert.equal(
    print(simplify(b.build())),
    `\
%0: real[B] = input() name=x
%1: real[3] = parameter() name=unused
%2: int[T] = input() name=later
%3: real[B] = exp(%0)
output y = %3
output x = %0`,
  );
});

test("a table's gradient keeps its shape when an expanded summand is added", () => {
  const b = new GraphBuilder();
  const gradient = b.embeddingGrad(b.input("dy", "real", ["P", 2]), b.input("ids", "int", ["P"]), { rows: 3 });
  b.output("y", b.add(b.expand(b.input("decay", "real", []), [3, 2]), gradient));
  assert.match(print(simplify(b.build())), /expand/);
});

/** Programs of random steps over values of a few shapes; each step takes two numbers that choose operands. */
const STEPS = [
  "add",
  "sub",
  "mul",
  "div",
  "neg",
  "exp",
  "tanh",
  "one",
  "half",
  "expand",
  "reshape",
  "transpose",
  "sum",
] as const;
function randomGraph(steps: readonly (readonly [(typeof STEPS)[number], number, number])[]): Graph {
  const b = new GraphBuilder();
  const values = [b.input("x", "real", ["B", 3]), b.input("row", "real", [3]), b.input("s", "real", [])];
  for (const [step, i, j] of steps) {
    const x = values[i % values.length] as ValueId;
    const y = values[j % values.length] as ValueId;
    const shape = b.shapeOf(x);
    const fits = broadcastShapes(shape, b.shapeOf(y)) !== null;
    switch (step) {
      case "add":
      case "sub":
      case "mul":
      case "div":
        values.push(fits ? b[step](x, y) : x);
        break;
      case "neg":
      case "exp":
      case "tanh":
        values.push(b[step](x));
        break;
      case "one":
        values.push(j % 2 === 0 ? b.mul(x, b.constant(1)) : b.div(b.constant(1), x));
        break;
      case "half":
        values.push(b.mul(b.constant(0.5), x));
        break;
      case "expand":
        values.push(shape.length < 2 ? b.expand(x, ["B", shape[0] ?? 3]) : x);
        break;
      case "reshape":
        values.push(b.reshape(x, j % 2 === 0 ? [1, ...shape] : shape.length === 3 ? shape.slice(1) : [-1]));
        break;
      case "transpose":
        values.push(b.transpose(x, [...shape.keys()].toReversed()));
        break;
      case "sum":
        values.push(shape.length > 0 ? b.reduceSum(x, [j % shape.length], { keepDims: true }) : x);
        break;
    }
  }
  values.slice(-3).forEach((value, i) => {
    b.output(`y${i}`, value);
  });
  return b.build();
}

/** Compared by `Object.is`: −0 is not 0, and every NaN is the same. */
async function valuesOf(graph: Graph): Promise<readonly number[][]> {
  const session = await createReferenceExecutor().load(graph, { form: "shared", weights: {} });
  const B = 2;
  const outputs = Object.fromEntries(
    [...graph.outputs].map(([name, id]) => {
      const shape = evalShape(graph.values[id]?.shape ?? [], { B });
      return [name, tensor("float64", shape, new Float64Array(elements(shape)))];
    }),
  );
  await session.run(
    {
      x: tensor("float64", [B, 3], Float64Array.of(0.5, -1.25, 0, -0, 3, 0.1)),
      row: tensor("float64", [3], Float64Array.of(-0.75, 2, 0.3)),
      s: tensor("float64", [], Float64Array.of(-1.5)),
    },
    outputs,
  );
  return Object.values(outputs).map(({ data }) => Array.from(data));
}

test("a simplified graph gives the same bits, and is as simple as it gets", async () => {
  const step = fc.tuple(fc.constantFrom(...STEPS), fc.nat(99), fc.nat(99));
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const graph = randomGraph(steps);
      const simpler = simplify(graph);
      assert.ok(simpler.nodes.length <= graph.nodes.length);
      assert.deepEqual(await valuesOf(simpler), await valuesOf(graph));
      assert.equal(print(simplify(simpler)), print(simpler));
    }),
    {
      numRuns: 100,
      // Once left a dead negation: it moved into a subtraction only in the pass after the expansions had gone.
      examples: [
        [
          [
            ["add", 0, 0],
            ["neg", 85, 0],
            ["expand", 24, 0],
            ["add", 0, 0],
            ["add", 0, 0],
            ["add", 0, 0],
            ["add", 0, 68],
          ],
        ],
      ],
    },
  );
});
