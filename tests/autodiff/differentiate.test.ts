import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import { type Graph, GraphBuilder, print, type ValueId } from "../../src/numeric/graph/index.ts";
import { createReferenceExecutor } from "../../src/numeric/runtime/reference.ts";
import { type HostTensor, tensor } from "../../src/numeric/tensor/index.ts";
import { gradientError, int32, randomTensor } from "./check.ts";

const zeros = (shape: readonly number[]): HostTensor<"float64"> =>
  tensor("float64", shape, new Float64Array(shape.reduce((product, size) => product * size, 1)));

async function run(
  graph: Graph,
  weights: Record<string, HostTensor>,
  inputs: Record<string, HostTensor>,
  outputs: Record<string, HostTensor>,
): Promise<void> {
  const session = await createReferenceExecutor().load(graph, { form: "packed", weights });
  await session.run(inputs, outputs, { seed: [1, 2], step: 3, shard: 4 });
}

/** Two layers with layerNorm, GELU and dropout between, an embedding before, softmax cross-entropy after. */
function classifier(b: GraphBuilder): ValueId {
  const table = b.parameter("table", [6, 4]);
  const x = b.reshape(b.embedding(table, b.input("ids", "int", ["B", "T"]), { paddingId: 0 }), ["B*T", 4]);
  const { y } = b.layerNorm(x, b.parameter("gamma", [4]), b.parameter("beta", [4]), { epsilon: 1e-5 });
  const hidden = b.gelu(b.add(b.matmul(y, b.parameter("w1", [4, 5])), b.parameter("b1", [5])));
  const kept = b.mul(hidden, b.dropoutMask(["B*T", 5], { rate: 0.3, site: 7 }));
  const logits = b.add(
    b.matmul(b.add(kept, hidden), b.parameter("w2", [3, 5]), { transB: true }),
    b.parameter("b2", [3]),
  );
  const target = b.oneHot(b.input("labels", "int", ["B*T"]), { depth: 3, on: 0.9, off: 0.05 });
  return b.neg(b.reduceSum(b.mul(target, b.logSoftmax(logits)), [0, 1]));
}

test("a whole classifier agrees with central differences", async () => {
  const error = await gradientError({
    name: "classifier",
    build: classifier,
    symbols: { B: 2, T: 3 },
    ints: { ids: int32([2, 3], [1, 5, 2, 1, 3, 3]), labels: int32([6], [0, 2, 1, -100, 2, 0]) },
  });
  assert.ok(error < 1e-8, `off by ${error}`);
});

test("the padding row of a table gets no gradient", async () => {
  const b = new GraphBuilder();
  b.output(
    "loss",
    b.reduceSum(b.embedding(b.parameter("table", [3, 2]), b.input("ids", "int", ["P"]), { paddingId: 1 }), [0, 1]),
  );
  const gradient = zeros([3, 2]);
  await run(
    differentiate(b.build(), { loss: "loss" }),
    { table: zeros([3, 2]) },
    { ids: int32([4], [0, 1, 2, 2]) },
    { "grad.table": gradient },
  );
  assert.deepEqual([...gradient.data], [1, 1, 0, 0, 2, 2]);
});

test("cotangents come as inputs, alone and beside a loss", async () => {
  const b = new GraphBuilder();
  const w = b.parameter("w", [3, 2]);
  const y = b.matmul(b.input("x", "real", ["B", 3]), w);
  b.output("pooled", y);
  b.output("penalty", b.reduceSum(b.mul(w, w), [0, 1]));
  const graph = b.build();
  const [w0, x, dy] = [
    randomTensor("w", [3, 2], [-1, 1]),
    randomTensor("x", [4, 3], [-1, 1]),
    randomTensor("dy", [4, 2], [-1, 1]),
  ];
  const byHand = (i: number, j: number): number =>
    [0, 1, 2, 3].reduce((sum, row) => sum + (x.data[row * 3 + i] ?? 0) * (dy.data[row * 2 + j] ?? 0), 0);
  const alone = zeros([3, 2]);
  await run(
    differentiate(graph, { cotangents: { pooled: "d.pooled" }, keep: [] }),
    { w: w0 },
    { x, "d.pooled": dy },
    { "grad.w": alone },
  );
  const beside = zeros([3, 2]);
  const both = differentiate(graph, { loss: "penalty", cotangents: { pooled: "d.pooled" } });
  await run(both, { w: w0 }, { x, "d.pooled": dy }, { "grad.w": beside });
  assert.deepEqual([...both.outputs.keys()], ["pooled", "penalty", "grad.w"]);
  for (let k = 0; k < 6; k++) {
    const expected = byHand(Math.floor(k / 2), k % 2);
    assert.ok(Math.abs((alone.data[k] ?? NaN) - expected) < 1e-12);
    assert.ok(Math.abs((beside.data[k] ?? NaN) - (expected + 2 * (w0.data[k] ?? NaN))) < 1e-12);
  }
});

test("outputs: what is kept, then gradients in the order of declaration or as asked for", () => {
  const b = new GraphBuilder();
  const [first, second, apart] = [b.parameter("first", []), b.parameter("second", []), b.parameter("apart", [])];
  b.output("product", b.mul(second, first));
  b.output("other", b.exp(apart));
  const graph = b.build();
  const names = (options: Parameters<typeof differentiate>[1]): string[] => [
    ...differentiate(graph, options).outputs.keys(),
  ];
  assert.deepEqual(names({ loss: "product" }), ["product", "other", "grad.first", "grad.second"]);
  assert.deepEqual(names({ loss: "product", keep: ["other"], wrt: ["second"] }), ["other", "grad.second"]);
  assert.deepEqual(names({ loss: "product", keep: [], wrt: ["second", "first"] }), ["grad.second", "grad.first"]);
});

test("frozen parameters have no gradient, and nothing is computed that only theirs would need", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["N", 4]);
  const below = b.tanh(b.matmul(x, b.parameter("below", [4, 4])));
  const above = b.matmul(below, b.parameter("above", [4, 2]));
  b.output("loss", b.reduceSum(b.mul(above, above), [0, 1]));
  const graph = b.build();
  const products = (frozen: readonly string[]): number =>
    differentiate(graph, { loss: "loss", frozen }).nodes.filter(({ op }) => op === "matmul").length;
  assert.equal(products([]), 5, "two forward; one for each weight, and one for what is between them");
  assert.equal(products(["below"]), 3, "the walk does not go below the lowest weight that learns");
  assert.equal(products(["above"]), 4);
  assert.deepEqual(
    [...differentiate(graph, { loss: "loss", frozen: ["below"] }).outputs.keys()],
    ["loss", "grad.above"],
  );
  assert.throws(() => differentiate(graph, { loss: "loss", frozen: ["x"] }), /no parameter x to freeze/);
  assert.throws(() => differentiate(graph, { loss: "loss", frozen: ["below"], wrt: ["below"] }), /below is frozen/);
});

test("a tied table's dense gradient comes first, then its rows in the order of the forward pass", () => {
  const b = new GraphBuilder();
  const table = b.parameter("table", [5, 2]);
  const words = b.embedding(table, b.input("ids", "int", ["P"]));
  const more = b.embedding(table, b.input("more", "int", ["P"]));
  b.output("loss", b.reduceSum(b.tanh(b.matmul(b.mul(words, b.exp(more)), table, { transB: true })), [0, 1]));
  const graph = differentiate(b.build(), { loss: "loss", keep: [] });
  const producer = (id: ValueId | undefined) =>
    graph.nodes.find((node) => id !== undefined && node.outputs.includes(id));
  const total = producer(graph.outputs.get("grad.table"));
  const inner = producer(total?.inputs[0]);
  assert.deepEqual(
    [
      total?.op,
      producer(total?.inputs[1])?.inputs[1],
      inner?.op,
      producer(inner?.inputs[1])?.inputs[1],
      producer(inner?.inputs[0])?.op,
    ],
    [
      "add",
      graph.nodes.find((node) => node.op === "input" && node.attributes.name === "more")?.outputs[0],
      "add",
      graph.nodes.find((node) => node.op === "input" && node.attributes.name === "ids")?.outputs[0],
      "matmul",
    ],
  );
});

test(
  "a layer's backward pass is as small as we know: one product for the weights of all rows, no transposes, no " +
    "broadcasts made whole",
  () => {
    const b = new GraphBuilder();
    const y = b.add(
      b.matmul(b.input("x", "real", ["B", "T", 4]), b.parameter("w", [3, 4]), { transB: true }),
      b.parameter("bias", [3]),
    );
    b.output(
      "loss",
      b.mul(
        b.reduceSum(b.mul(b.logSoftmax(y), b.oneHot(b.input("labels", "int", ["B", "T"]), { depth: 3 })), [0, 1, 2]),
        b.input("scale", "real", []),
      ),
    );
    assert.equal(
      print(differentiate(b.build(), { loss: "loss", keep: [] })),
      `\
%0: real[B, T, 4] = input() name=x
%1: real[3, 4] = parameter() name=w
%2: real[B, T, 3] = matmul(%0, %1) transB
%3: real[3] = parameter() name=bias
%4: real[B, T, 3] = add(%2, %3)
%5: real[B, T, 3] = logSoftmax(%4)
%6: int[B, T] = input() name=labels
%7: real[B, T, 3] = oneHot(%6) depth=3 on=1 off=0
%8: real[] = input() name=scale
%9: real[1, 1, 1] = reshape(%8) shape=[1, 1, 1]
%10: real[B, T, 3] = mul(%9, %7)
%11: real[B, T, 3] = exp(%5)
%12: real[B, T, 1] = reduceSum(%10) axes=[2] keepDims
%13: real[B, T, 3] = mul(%11, %12)
%14: real[B, T, 3] = sub(%10, %13)
%15: real[3] = reduceSum(%14) axes=[0, 1]
%16: real[B*T, 4] = reshape(%0) shape=[B*T, 4]
%17: real[B*T, 3] = reshape(%14) shape=[B*T, 3]
%18: real[3, 4] = matmul(%17, %16) transA
output grad.w = %18
output grad.bias = %15`,
    );
  },
);

test("what cannot be differentiated is refused, and says why", () => {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["B"]);
  const w = b.parameter("w", []);
  const ids = b.input("ids", "int", ["B"]);
  b.parameter("apart", []);
  b.output("vector", b.mul(x, w));
  b.output("loss", b.reduceSum(b.mul(x, w), [0]));
  b.output("ids", ids);
  const graph = b.build();
  const refused: readonly [RegExp, Parameters<typeof differentiate>[1]][] = [
    [/needs a loss or cotangents/, {}],
    [/loss vector must be a real scalar, not real\[B\]/, { loss: "vector" }],
    [/no output nothing; it has vector, loss, ids/, { loss: "nothing" }],
    [/no output nothing/, { loss: "loss", keep: ["nothing"] }],
    [/no parameter or real input other/, { loss: "loss", wrt: ["other"] }],
    [/no parameter or real input ids/, { loss: "loss", wrt: ["ids"] }],
    [/depends on apart/, { loss: "loss", wrt: ["apart"] }],
    [/output ids is not real/, { cotangents: { ids: "d" } }],
    [/name "x" is empty, or taken/, { cotangents: { vector: "x" } }],
  ];
  for (const [message, options] of refused)
    assert.throws(
      () => differentiate(graph, options),
      (error) => isLockstepError(error) && error.code === "GRAPH_INVALID" && message.test(error.message),
      String(message),
    );
});
