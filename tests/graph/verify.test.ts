import assert from "node:assert/strict";
import { test } from "node:test";
import { isLockstepError } from "../../src/base/index.ts";
import { type Graph, GraphBuilder, type Node, verify } from "../../src/numeric/graph/index.ts";

function legal(): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["B", 4]);
  const w = b.parameter("w", [4, 3]);
  b.output("y", b.tanh(b.matmul(x, w)));
  return b.build();
}

/** The graph with one node replaced: what a careless transform would leave. */
function withNode(graph: Graph, index: number, change: (node: Node) => object): Graph {
  return { ...graph, nodes: graph.nodes.map((node, i) => (i === index ? { ...node, ...change(node) } : node)) };
}

test("a legal graph passes", () => {
  verify(legal());
});

test("each way of being broken is found, with the place", () => {
  const graph = legal();
  const [x, w] = graph.values;
  assert.ok(x && w);
  const broken: readonly [RegExp, Graph][] = [
    [/node 0 \(tanh\) uses value 2 before/, { ...graph, nodes: graph.nodes.toReversed() }],
    [/uses value 9 before/, withNode(graph, 3, () => ({ inputs: [9] }))],
    [/defines value 0, which is defined already/, withNode(graph, 3, () => ({ outputs: [0] }))],
    [/defines value 9, which does not exist/, withNode(graph, 3, () => ({ outputs: [9] }))],
    [/defined by no node/, { ...graph, values: [...graph.values, { ...x, id: 4 }] }],
    [/value 1 carries the id 7/, { ...graph, values: graph.values.with(1, { ...w, id: 7 }) }],
    [/name "x" is empty or taken/, withNode(graph, 1, () => ({ attributes: { name: "x" } }))],
    [
      /matmul\(real\[B, 4\], real\[4, 3\]\): inner dimensions/,
      withNode(graph, 2, (node) => ({ attributes: { ...node.attributes, transA: true } })),
    ],
    [/tanh.*takes 1 operand\(s\), not 2/, withNode(graph, 3, () => ({ inputs: [2, 2] }))],
    [
      /node 2 \(matmul\) gives real\[B, 3\], but value 2 says real\[B, 5\]/,
      { ...graph, values: graph.values.with(2, { id: 2, type: "real", shape: ["B", 5] }) },
    ],
    [
      /parameter w: a weight is real and its shape has no symbols/,
      { ...graph, values: graph.values.with(1, { ...w, shape: [4, "N"] }) },
    ],
    [/not canonical/, { ...graph, values: graph.values.with(0, { ...x, shape: ["B*1", 4] }) }],
    [/no outputs/, { ...graph, outputs: new Map() }],
    [/output y is value 12, which does not exist/, { ...graph, outputs: new Map([["y", 12]]) }],
    [
      /symbol/,
      {
        ...graph,
        values: graph.values.map((value) =>
          value.id === 0
            ? { ...value, shape: ["B*T", 4] }
            : { ...value, shape: value.shape.map((dim) => (dim === "B" ? "B*T" : dim)) },
        ),
      },
    ],
  ];
  for (const [message, each] of broken)
    assert.throws(
      () => {
        verify(each);
      },
      (error) => isLockstepError(error) && error.code === "GRAPH_INVALID" && message.test(error.message),
      String(message),
    );
});

test("a table's gradient may only be summed into an output", () => {
  const write =
    (use: (b: GraphBuilder, gradient: number, dense: number) => number): (() => Graph) =>
    () => {
      const b = new GraphBuilder();
      const gradient = b.embeddingGrad(b.input("dy", "real", ["P", 2]), b.input("ids", "int", ["P"]), { rows: 3 });
      b.output("out", use(b, gradient, b.parameter("dense", [3, 2])));
      return b.build();
    };
  write((b, gradient, dense) => b.add(dense, b.add(gradient, gradient)))();
  write((_, gradient) => gradient)();
  assert.throws(
    write((b, gradient) => b.neg(gradient)),
    /computes with value 2/,
  );
  assert.throws(
    write((b, gradient, dense) => b.mul(dense, gradient)),
    /computes with value 2/,
  );
  assert.throws(
    write((b, gradient, dense) => b.reduceSum(b.add(gradient, dense), [0])),
    /computes with value/,
  );
  assert.throws(
    write((b, gradient) => b.add(gradient, b.constant(1))),
    /computes with value 2/,
  );
  assert.throws(
    write((_, __, dense) => dense),
    /in no graph output/,
  );
});

test("an embedding's table is a parameter, and dropout sites are distinct", () => {
  const b = new GraphBuilder();
  b.output("y", b.embedding(b.neg(b.parameter("t", [3, 2])), b.input("ids", "int", ["P"])));
  assert.throws(() => b.build(), /the table must be a parameter/);
  const masks = new GraphBuilder();
  masks.output(
    "y",
    masks.add(masks.dropoutMask([2], { rate: 0.1, site: 4 }), masks.dropoutMask([2], { rate: 0.1, site: 4 })),
  );
  assert.throws(() => masks.build(), /share site 4/);
});

test("a symbol that follows from no input is refused", () => {
  const b = new GraphBuilder();
  b.input("rows", "int", ["B*T"]);
  b.output("y", b.dropoutMask(["T"], { rate: 0.1, site: 0 }));
  assert.throws(() => b.build(), /symbol/);
  b.input("ids", "int", ["B"]);
  b.build();
});

test("what a cache keeps is written once, alike in all layers, and its tokens are counted by an input", () => {
  const graph = (...sites: readonly (readonly [slot: number, layer: number, keyHeads: number])[]) => {
    const b = new GraphBuilder();
    const total = b.input("total", "int", []);
    sites.forEach(([slot, layer, keyHeads], i) => {
      const x = b.input(`x${i}`, "real", ["R", 8 * (4 + 2 * keyHeads)]);
      const attributes = { slot, layer, heads: 4, keyHeads, width: 8, scale: 1, window: null };
      b.output(`y${i}`, b.cachedAttention(x, total, attributes));
    });
    return () => b.build();
  };
  graph([0, 0, 2], [0, 1, 2], [1, 0, 4])();
  assert.throws(graph([0, 0, 2], [0, 0, 2]), /layer 0 of the cache in slot 0 is written twice/);
  assert.throws(graph([0, 0, 2], [0, 1, 4]), /slot 0 has layers of 2 key heads of 8 and of 4 key heads of 8/);
  const b = new GraphBuilder();
  const total = b.reshape(b.input("totals", "int", [1]), []);
  const attributes = { slot: 0, layer: 0, heads: 1, keyHeads: 1, width: 8, scale: 1, window: 3 };
  b.output("y", b.cachedAttention(b.input("x", "real", ["R", 24]), total, attributes));
  assert.throws(() => b.build(), /total of slot 0 must be an input/);
});
