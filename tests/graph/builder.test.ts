import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { GraphBuilder, print, type Shape, type ValueId } from "../../src/numeric/graph/index.ts";

/** Runs `write` on real inputs of these shapes and gives the result's shape. */
function shapeAfter(write: (b: GraphBuilder, ...x: ValueId[]) => ValueId, ...shapes: readonly Shape[]): Shape {
  const b = new GraphBuilder();
  const result = write(b, ...shapes.map((shape, i) => b.input(`x${i}`, "real", shape)));
  return b.shapeOf(result);
}
const graphError =
  (details: Record<string, unknown> = {}) =>
  (error: unknown): boolean =>
    isLockstepError(error) &&
    error.code === "GRAPH_INVALID" &&
    Object.entries(details).every(([name, value]) => error.details[name] === value);

test("shapes are inferred symbolically", () => {
  const cases: readonly [Shape, Shape][] = [
    [shapeAfter((b, p, q) => b.add(p, q), ["B", "T", 4], [4]), ["B", "T", 4]],
    [shapeAfter((b, p, q) => b.mul(p, q), ["B", 1, 1, "T"], ["B", 2, "T", 1]), ["B", 2, "T", "T"]],
    [shapeAfter((b, p, q) => b.matmul(p, q), ["B", "T", 4], [4, 8]), ["B", "T", 8]],
    [shapeAfter((b, p, q) => b.matmul(p, q, { transB: true }), ["B", 2, "T", 8], ["B", 2, "T", 8]), ["B", 2, "T", "T"]],
    [shapeAfter((b, p, q) => b.matmul(p, q, { transA: true }), ["N", 4], ["N", 8]), [4, 8]],
    [shapeAfter((b, x) => b.reshape(x, ["T*B", -1]), ["B", "T", 2, 3]), ["B*T", 6]],
    [shapeAfter((b, x) => b.reshape(x, ["B", "T", 2, 3]), ["B*T", 6]), ["B", "T", 2, 3]],
    [shapeAfter((b, x) => b.transpose(x, [0, 2, 1]), ["B", "T", 4]), ["B", 4, "T"]],
    [shapeAfter((b, x) => b.reduceSum(x, [2, 0]), ["B", "T", 4]), ["T"]],
    [shapeAfter((b, x) => b.reduceSum(x, [1], { keepDims: true }), ["B", "T"]), ["B", 1]],
    [shapeAfter((b, x) => b.expand(x, ["B", 3, 2]), [3, 1]), ["B", 3, 2]],
    [shapeAfter((b, x) => b.gatherRows(x, b.input("i", "int", ["P"])), ["N", 4]), ["P", 4]],
    [shapeAfter((b, x) => b.scatterAddRows(x, b.input("i", "int", ["P"]), { rows: "N" }), ["P", 4]), ["N", 4]],
    [shapeAfter((b) => b.oneHot(b.input("i", "int", ["B", "T"]), { depth: 7 })), ["B", "T", 7]],
    [shapeAfter((b) => b.embedding(b.parameter("table", [9, 4]), b.input("i", "int", ["B", "T"]))), ["B", "T", 4]],
    [shapeAfter((b, x) => b.embeddingGrad(x, b.input("i", "int", ["B", "T"]), { rows: 9 }), ["B", "T", 4]), [9, 4]],
    [shapeAfter((b, x) => b.slice(x, 1, { start: "T" }), ["B", "P+T", 4]), ["B", "P", 4]],
    [shapeAfter((b, x) => b.slice(x, 2, { start: 1, end: 3 }), ["B", "T", 4]), ["B", "T", 2]],
    [shapeAfter((b, x) => b.slice(x, 0, { end: 0 }), ["B", 2]), [0, 2]],
    [shapeAfter((b, x) => b.pad(x, 0, { before: "P", after: 1 }), ["T", 4]), ["P+T+1", 4]],
    [shapeAfter((b, p, q) => b.concat([p, q, p], 1), ["B", "T", 4], ["B", "P", 4]), ["B", "P+2*T", 4]],
    [shapeAfter((b, x) => b.reshape(x, ["B", -1]), ["B", "P+T", 4]), ["B", "4*P+4*T"]],
    [shapeAfter((b, x) => b.crossEntropy(x, b.input("i", "int", ["N"])).loss, ["N", 9]), ["N"]],
    [shapeAfter((b, x, g) => b.rmsNorm(x, g, { epsilon: 1e-6 }).invRms, ["B", "T", 4], [4]), ["B", "T", 1]],
    [
      shapeAfter((b, x, c) => b.rotary(x, b.input("i", "int", ["B", "T"]), c, c), ["B", 2, "T", 6], ["M", 3]),
      ["B", 2, "T", 6],
    ],
    [shapeAfter((b) => b.dropoutMask(["T*B", 2], { rate: 0.1, site: 0 })), ["B*T", 2]],
  ];
  for (const [actual, expected] of cases) assert.deepEqual(actual, expected);
  const b = new GraphBuilder();
  const { y, mean, invStd } = b.layerNorm(
    b.input("x", "real", ["B", "T", 4]),
    b.parameter("gamma", [4]),
    b.parameter("beta", [4]),
    { epsilon: 1e-5 },
  );
  assert.deepEqual(
    [y, mean, invStd].map((id) => b.shapeOf(id)),
    [
      ["B", "T", 4],
      ["B", "T", 1],
      ["B", "T", 1],
    ],
  );
});

test("an illegal application names the operator and its operands", () => {
  assert.throws(
    () => shapeAfter((b, p, q) => b.add(p, q), ["B", 3], ["T", 3]),
    graphError({ op: "add", lhs: "real[B, 3]", rhs: "real[T, 3]" }),
  );
  const refused: readonly [string, () => unknown][] = [
    ["inner dimensions", () => shapeAfter((b, p, q) => b.matmul(p, q), ["B", 3], [4, 2])],
    ["batch axes", () => shapeAfter((b, p, q) => b.matmul(p, q), ["B", 2, 3], ["T", 3, 2])],
    ["a left matrix over a batch", () => shapeAfter((b, p, q) => b.matmul(p, q), [2, 3], ["B", 3, 2])],
    ["a vector product", () => shapeAfter((b, p, q) => b.matmul(p, q), [3], [3, 2])],
    ["infinite alpha", () => shapeAfter((b, p, q) => b.matmul(p, q, { alpha: Infinity }), [3, 3], [3, 2])],
    ["softmax of a scalar", () => shapeAfter((b, x) => b.softmax(x), [])],
    ["gamma of another width", () => shapeAfter((b, x, g) => b.layerNorm(x, g, g, { epsilon: 1e-5 }).y, ["B", 4], [3])],
    ["epsilon 0", () => shapeAfter((b, x, g) => b.layerNorm(x, g, g, { epsilon: 0 }).y, ["B", 4], [4])],
    ["reshape to another size", () => shapeAfter((b, x) => b.reshape(x, ["B", 5]), ["B", 4])],
    ["reshape that does not divide", () => shapeAfter((b, x) => b.reshape(x, [3, -1]), ["B", 4])],
    ["a slice that may be longer than its axis", () => shapeAfter((b, x) => b.slice(x, 0, { end: "T" }), ["B", 4])],
    ["a slice from its end to its start", () => shapeAfter((b, x) => b.slice(x, 1, { start: 3, end: 2 }), ["B", 4])],
    ["a slice of no axis", () => shapeAfter((b, x) => b.slice(x, 2, { end: 1 }), ["B", 4])],
    ["padding of no axis", () => shapeAfter((b, x) => b.pad(x, 2, { before: 1 }), ["B", 4])],
    ["parts that differ elsewhere", () => shapeAfter((b, p, q) => b.concat([p, q], 0), ["B", 4], ["B", 3])],
    ["parts of other ranks", () => shapeAfter((b, p, q) => b.concat([p, q], 0), ["B", 4], ["B"])],
    ["no parts", () => shapeAfter((b) => b.concat([], 0))],
    ["parts along no axis", () => shapeAfter((b, p) => b.concat([p, p], 1), ["B"])],
    ["parts of two types", () => shapeAfter((b, p) => b.concat([p, b.input("i", "int", ["B"])], 0), ["B"])],
    [
      "an RMS norm of another width",
      () => shapeAfter((b, x, g) => b.rmsNorm(x, g, { epsilon: 1e-5 }).y, ["B", 4], [3]),
    ],
    ["an RMS norm of a scalar", () => shapeAfter((b, x) => b.rmsNorm(x, x, { epsilon: 1e-5 }).y, [])],
    ["an RMS norm's epsilon 0", () => shapeAfter((b, x, g) => b.rmsNorm(x, g, { epsilon: 0 }).y, ["B", 4], [4])],
    ...(
      [
        ["without heads", ["B", "T", 4], ["M", 2]],
        ["of odd heads", ["B", 2, "T", 5], ["M", 2]],
        ["by tables of another width", ["B", 2, "T", 6], ["M", 2]],
        ["by positions of other rows", [3, 2, "T", 4], ["M", 2]],
      ] as const
    ).map(([what, x, table]): [string, () => unknown] => [
      `a rotation ${what}`,
      () => shapeAfter((b, value, c) => b.rotary(value, b.input("i", "int", ["B", "T"]), c, c), x, table),
    ]),
    ["labels of other rows", () => shapeAfter((b, x) => b.crossEntropy(x, b.input("i", "int", ["B"])).loss, ["N", 9])],
    ["logits without classes", () => shapeAfter((b, x) => b.crossEntropy(x, b.input("i", "int", ["N"])).loss, ["N"])],
    [
      "a slope for other rows",
      () => shapeAfter((b, x, dy) => b.crossEntropyGrad(x, b.input("i", "int", ["N"]), dy), ["N", 9], ["B"]),
    ],
    ["no permutation", () => shapeAfter((b, x) => b.transpose(x, [0, 0]), ["B", 4])],
    ["axis out of range", () => shapeAfter((b, x) => b.reduceSum(x, [2]), ["B", 4])],
    ["axis twice", () => shapeAfter((b, x) => b.reduceSum(x, [1, 1]), ["B", 4])],
    ["no axes", () => shapeAfter((b, x) => b.reduceSum(x, []), ["B", 4])],
    ["expand to less", () => shapeAfter((b, x) => b.expand(x, [4]), ["B", 4])],
    ["expand of a larger dimension", () => shapeAfter((b, x) => b.expand(x, [1, 4]), ["B", 4])],
    ["index with two axes", () => shapeAfter((b, x) => b.gatherRows(x, b.input("i", "int", ["B", 1])), ["B", 4])],
    [
      "rows and indices differ",
      () => shapeAfter((b, x) => b.scatterAddRows(x, b.input("i", "int", ["P"]), { rows: 3 }), ["B", 4]),
    ],
    ["reals as ids", () => shapeAfter((b, x) => b.oneHot(x, { depth: 3 }), ["B"])],
    ["ints added", () => shapeAfter((b, x) => b.add(x, b.input("i", "int", ["B"])), ["B"])],
    [
      "padding outside the table",
      () => shapeAfter((b) => b.embedding(b.parameter("t", [3, 2]), b.input("i", "int", ["B"]), { paddingId: 3 })),
    ],
    ["a rate of 1", () => shapeAfter((b) => b.dropoutMask([2], { rate: 1, site: 0 }))],
    ["a negative site", () => shapeAfter((b) => b.dropoutMask([2], { rate: 0.5, site: -1 }))],
    ["NaN", () => shapeAfter((b) => b.constant(NaN))],
    ["a symbolic weight", () => shapeAfter((b) => b.parameter("w", ["B", 2]))],
    ["a value of another builder", () => shapeAfter((b) => b.neg(77))],
  ];
  for (const [what, write] of refused) assert.throws(write, graphError(), what);
});

test("names are unique, and a parameter asked for again is the same value", () => {
  const b = new GraphBuilder();
  const w = b.parameter("w", [2, 3]);
  assert.equal(b.parameter("w", [2, 3]), w);
  assert.throws(() => b.parameter("w", [3, 2]), graphError({ name: "w" }));
  assert.throws(() => b.input("w", "real", [2]), graphError({ name: "w" }));
  assert.throws(() => b.input("", "real", [2]), graphError());
  assert.equal(b.constant(0.5), b.constant(0.5));
  assert.notEqual(b.constant(0), b.constant(-0));
  b.output("y", w);
  assert.throws(() => b.output("y", w), graphError({ output: "y" }));
});

test("a built graph does not change when the builder goes on, and can be continued", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["B"]);
  b.output("y", b.exp(x));
  const graph = b.build();
  b.output("z", b.log(x));
  assert.equal(graph.nodes.length, 2);
  assert.deepEqual([...graph.outputs.keys()], ["y"]);
  const more = GraphBuilder.from(graph);
  more.output("w", more.neg(x));
  assert.deepEqual(
    [...more.build().outputs],
    [
      ["y", 1],
      ["w", 2],
    ],
  );
  assert.throws(() => GraphBuilder.from(graph, "none").build(), /no outputs/);
});

test("a graph prints one line a node", () => {
  const b = new GraphBuilder();
  const table = b.parameter("table", [9, 4]);
  const x = b.embedding(table, b.input("ids", "int", ["B", "T"]), { paddingId: 0 });
  const { y } = b.layerNorm(x, b.parameter("gamma", [4]), b.parameter("beta", [4]), { epsilon: 1e-12 });
  const kept = b.mul(y, b.dropoutMask(["B", "T", 4], { rate: 0.1, site: 3 }));
  b.output("logits", b.matmul(b.reshape(kept, ["B*T", 4]), table, { transB: true, alpha: 0.5 }));
  b.output("sum", b.reduceSum(kept, [0, 2], { keepDims: true }));
  assert.equal(
    print(b.build()),
    `\
%0: real[9, 4] = parameter() name=table
%1: int[B, T] = input() name=ids
%2: real[B, T, 4] = embedding(%0, %1) paddingId=0
%3: real[4] = parameter() name=gamma
%4: real[4] = parameter() name=beta
%5: real[B, T, 4], %6: real[B, T, 1], %7: real[B, T, 1] = layerNorm(%2, %3, %4) epsilon=1e-12
%8: real[B, T, 4] = dropoutMask() shape=[B, T, 4] rate=0.1 site=3
%9: real[B, T, 4] = mul(%5, %8)
%10: real[B*T, 4] = reshape(%9) shape=[B*T, 4]
%11: real[B*T, 9] = matmul(%10, %0) transB alpha=0.5
%12: real[1, T, 1] = reduceSum(%9) axes=[0, 2] keepDims
output logits = %11
output sum = %12`,
  );
});
