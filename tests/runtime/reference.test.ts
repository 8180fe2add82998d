import assert from "node:assert/strict";
import { test } from "node:test";
import { fillDropoutMask, isLockstepError } from "../../src/base/index.ts";
import { type Graph, GraphBuilder, type OpName, type ValueId } from "../../src/numeric/graph/index.ts";
import type { Bindings, RandomKey, Session } from "../../src/numeric/runtime/contract.ts";
import { createReferenceExecutor } from "../../src/numeric/runtime/reference.ts";
import { type HostTensor, tensor } from "../../src/numeric/tensor/index.ts";

const f64 = (shape: readonly number[], values: readonly number[]): HostTensor<"float64"> =>
  tensor("float64", shape, Float64Array.from(values));
const f32 = (shape: readonly number[], values: readonly number[]): HostTensor<"float32"> =>
  tensor("float32", shape, Float32Array.from(values));
const i32 = (shape: readonly number[], values: readonly number[]): HostTensor<"int32"> =>
  tensor("int32", shape, Int32Array.from(values));
const RANDOM: RandomKey = { seed: [1, 2], step: 3, shard: 4 };
const load = (graph: Graph, weights: Bindings = {}, form: "shared" | "packed" = "shared"): Promise<Session> =>
  createReferenceExecutor().load(graph, { form, weights });
const refused =
  (code: string, message: RegExp) =>
  (error: unknown): boolean =>
    isLockstepError(error) && error.code === code && message.test(error.message);

interface Example {
  readonly operands: readonly HostTensor[];
  readonly write: (b: GraphBuilder, ...x: ValueId[]) => ValueId;
  readonly expected: readonly number[];
}
const M = [1, 2, 3, 4, 5, 6];
const unary = (
  op:
    | "neg"
    | "exp"
    | "log"
    | "sqrt"
    | "reciprocal"
    | "tanh"
    | "relu"
    | "erf"
    | "sigmoid"
    | "softplus"
    | "geluTanh"
    | "gelu",
  x: readonly number[],
  expected: readonly number[],
): readonly Example[] => [{ operands: [f64([x.length], x)], write: (b, value) => b[op](value), expected }];

/** Values computed elsewhere (by hand, or with the math module of Python), for every operator. */
const EXAMPLES: {
  readonly [Op in Exclude<OpName, "input" | "parameter" | "dropoutMask" | "cachedAttention">]: readonly Example[];
} = {
  constant: [{ operands: [], write: (b) => b.constant(0.1), expected: [0.1] }],
  add: [
    {
      operands: [f64([2, 3], M), f64([3], [10, 20, 30])],
      write: (b, p, q) => b.add(p, q),
      expected: [11, 22, 33, 14, 25, 36],
    },
  ],
  sub: [
    {
      operands: [f64([2, 1], [1, 2]), f64([1, 3], [10, 20, 30])],
      write: (b, p, q) => b.sub(p, q),
      expected: [-9, -19, -29, -8, -18, -28],
    },
  ],
  mul: [{ operands: [f64([], [2]), f64([3], [1, 2, 3])], write: (b, p, q) => b.mul(p, q), expected: [2, 4, 6] }],
  div: [
    { operands: [f64([3], [1, 2, 3]), f64([1], [4])], write: (b, p, q) => b.div(p, q), expected: [0.25, 0.5, 0.75] },
  ],
  neg: unary("neg", [1, -2], [-1, 2]),
  exp: unary("exp", [0, 1, -1], [1, 2.718281828459045, 0.36787944117144233]),
  log: unary("log", [1, 10, 0.5], [0, 2.302585092994046, -0.6931471805599453]),
  sqrt: unary("sqrt", [4, 2], [2, 1.4142135623730951]),
  reciprocal: unary("reciprocal", [4, -0.5], [0.25, -2]),
  tanh: unary("tanh", [0.5, -30], [0.46211715726000976, -1]),
  relu: unary("relu", [-1, 0, 2], [0, 0, 2]),
  erf: unary("erf", [0.5, -1, 3], [0.5204998778130465, -0.8427007929497149, 0.9999779095030014]),
  sigmoid: unary("sigmoid", [0, 2, -1, -800], [0.5, 0.8807970779778823, 0.2689414213699951, 0]),
  softplus: unary(
    "softplus",
    [0, 2, -1, 800, -800],
    [0.6931471805599453, 2.1269280110429727, 0.31326168751822286, 800, 0],
  ),
  geluTanh: unary("geluTanh", [1, -1, 0, 3], [0.8411919906082768, -0.15880800939172324, 0, 2.996362607918227]),
  gelu: unary("gelu", [1, -1, 0, 3], [0.8413447460685429, -0.15865525393145705, 0, 2.99595030590511]),
  geluGrad: [
    {
      operands: [f64([3], [1, -1, 0]), f64([3], [1, 2, 3])],
      write: (b, x, dy) => b.geluGrad(x, dy),
      expected: [1.0833154705876864, -0.16663094117537282, 1.5],
    },
  ],
  reluGrad: [
    {
      operands: [f64([3], [1, -1, 0]), f64([3], [4, 5, 6])],
      write: (b, x, dy) => b.reluGrad(x, dy),
      expected: [4, 0, 0],
    },
  ],
  matmul: [
    { operands: [f64([2, 3], M), f64([3, 2], M)], write: (b, p, q) => b.matmul(p, q), expected: [22, 28, 49, 64] },
    {
      operands: [f64([2, 3], M), f64([2, 3], M)],
      write: (b, p, q) => b.matmul(p, q, { transB: true, alpha: 0.5 }),
      expected: [7, 16, 16, 38.5],
    },
    {
      operands: [f64([3, 2], M), f64([3, 1], [1, 2, 3])],
      write: (b, p, q) => b.matmul(p, q, { transA: true }),
      expected: [22, 28],
    },
    { operands: [f64([2, 1, 3], M), f64([2, 3, 1], M)], write: (b, p, q) => b.matmul(p, q), expected: [14, 77] },
    { operands: [f64([2, 1, 3], M), f64([3, 1], [1, 2, 3])], write: (b, p, q) => b.matmul(p, q), expected: [14, 32] },
    {
      operands: [f64([2, 2, 1], [1, 2, 3, 4]), f64([1, 2], [1, 10])],
      write: (b, p, q) => b.matmul(p, q),
      expected: [1, 10, 2, 20, 3, 30, 4, 40],
    },
  ],
  softmax: [
    {
      operands: [f64([2, 2], [0, 0, 1000, 1001])],
      write: (b, x) => b.softmax(x),
      expected: [0.5, 0.5, 0.2689414213699951, 0.7310585786300049],
    },
    { operands: [f64([3], [1, 1, -Infinity])], write: (b, x) => b.softmax(x), expected: [0.5, 0.5, 0] },
  ],
  logSoftmax: [
    {
      operands: [f64([2, 2], [0, 0, 1000, 1001])],
      write: (b, x) => b.logSoftmax(x),
      expected: [-0.6931471805599453, -0.6931471805599453, -1.3132616875182228, -0.31326168751822286],
    },
  ],
  layerNorm: [
    {
      operands: [f64([2, 2], [1, 3, 5, 5]), f64([2], [1, 2]), f64([2], [0, 10])],
      write: (b, x, g, c) => b.layerNorm(x, g, c, { epsilon: 3 }).y,
      expected: [-0.5, 11, 0, 10],
    },
    {
      operands: [f64([2, 2], [1, 3, 5, 5]), f64([2], [1, 2]), f64([2], [0, 10])],
      write: (b, x, g, c) => {
        const { mean, invStd } = b.layerNorm(x, g, c, { epsilon: 3 });
        return b.mul(mean, invStd);
      },
      expected: [1, 5 / Math.sqrt(3)],
    },
  ],
  rmsNorm: [
    {
      operands: [f64([2, 2], [1, 7, 3, 3]), f64([2], [1, 2])],
      write: (b, x, g) => b.rmsNorm(x, g, { epsilon: 24 }).y, // √(25 + 24) = 7, √(9 + 24)
      expected: [1 / 7, 2, 3 / Math.sqrt(33), 6 / Math.sqrt(33)],
    },
    {
      operands: [f64([1, 2], [1, 7]), f64([2], [1, 2])],
      write: (b, x, g) => b.rmsNorm(x, g, { epsilon: 24 }).invRms,
      expected: [1 / 7],
    },
  ],
  rotary: [
    {
      // the pairs are (1, 3) and (2, 4): the half-rotation layout
      operands: [
        f64([1, 1, 2, 4], [1, 2, 3, 4, 1, 2, 3, 4]),
        i32([1, 2], [1, 0]),
        f64([2, 2], [1, 1, 0, 0.6]),
        f64([2, 2], [0, 0, 1, 0.8]),
      ],
      write: (b, x, positions, cos, sin) => b.rotary(x, positions, cos, sin),
      expected: [-3, 2 * 0.6 - 4 * 0.8, 1, 4 * 0.6 + 2 * 0.8, 1, 2, 3, 4],
    },
  ],
  crossEntropy: [
    {
      operands: [f64([3, 2], M), i32([3], [1, -100, 0])],
      write: (b, x, labels) => b.crossEntropy(x, labels).loss,
      expected: [0.31326168751822286, 0, 1.3132616875182228],
    },
    {
      operands: [f64([1, 2], [1, 2]), i32([1], [-1])],
      write: (b, x, labels) => b.crossEntropy(x, labels).logProbs,
      expected: [-1.3132616875182228, -0.31326168751822286],
    },
  ],
  crossEntropyGrad: [
    {
      operands: [f64([2, 2], [Math.log(0.25), Math.log(0.75), -1, -1]), i32([2], [1, -100]), f64([2], [2, 5])],
      write: (b, logProbs, labels, dy) => b.crossEntropyGrad(logProbs, labels, dy),
      expected: [0.5, -0.5, 0, 0],
    },
  ],
  slice: [
    { operands: [f64([2, 3], M)], write: (b, x) => b.slice(x, 1, { start: 1 }), expected: [2, 3, 5, 6] },
    { operands: [f64([3, 2], M)], write: (b, x) => b.slice(x, 0, { start: 1, end: 2 }), expected: [3, 4] },
  ],
  pad: [
    {
      operands: [f64([2, 2], [1, 2, 3, 4])],
      write: (b, x) => b.pad(x, 1, { before: 1, after: 2 }),
      expected: [0, 1, 2, 0, 0, 0, 3, 4, 0, 0],
    },
  ],
  concat: [
    {
      operands: [f64([2, 1], [1, 2]), f64([2, 2], [3, 4, 5, 6])],
      write: (b, x, y) => b.concat([x, y, x], 1),
      expected: [1, 3, 4, 1, 2, 5, 6, 2],
    },
  ],
  reshape: [{ operands: [f64([2, 3], M)], write: (b, x) => b.reshape(x, [3, 2]), expected: M }],
  expand: [
    {
      operands: [f64([2, 1], [1, 2])],
      write: (b, x) => b.expand(x, [2, 2, 3]),
      expected: [1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2],
    },
  ],
  transpose: [
    { operands: [f64([2, 3], M)], write: (b, x) => b.transpose(x, [1, 0]), expected: [1, 4, 2, 5, 3, 6] },
    { operands: [f64([1, 2, 3], M)], write: (b, x) => b.transpose(x, [2, 0, 1]), expected: [1, 4, 2, 5, 3, 6] },
  ],
  reduceSum: [
    { operands: [f64([2, 3], M)], write: (b, x) => b.reduceSum(x, [0]), expected: [5, 7, 9] },
    { operands: [f64([2, 3], M)], write: (b, x) => b.reduceSum(x, [1], { keepDims: true }), expected: [6, 15] },
  ],
  oneHot: [
    {
      operands: [i32([4], [1, -100, 0, 2])],
      write: (b, x) => b.oneHot(x, { depth: 2, on: 3, off: 1 }),
      expected: [1, 3, 1, 1, 3, 1, 1, 1],
    },
  ],
  gatherRows: [
    { operands: [f64([3, 2], M), i32([2], [2, 0])], write: (b, x, i) => b.gatherRows(x, i), expected: [5, 6, 1, 2] },
  ],
  scatterAddRows: [
    {
      operands: [f64([3, 2], M), i32([3], [1, 0, 1])],
      write: (b, x, i) => b.scatterAddRows(x, i, { rows: 3 }),
      expected: [3, 4, 6, 8, 0, 0],
    },
  ],
  embedding: [
    {
      operands: [i32([2, 1], [2, 0])],
      write: (b, i) => b.embedding(b.parameter("table", [3, 2]), i),
      expected: [5, 6, 1, 2],
    },
  ],
  embeddingGrad: [
    {
      operands: [f64([3, 1, 2], M), i32([3, 1], [1, 0, 1])],
      write: (b, x, i) => b.embeddingGrad(x, i, { rows: 3, paddingId: 0 }),
      expected: [0, 0, 6, 8, 0, 0],
    },
  ],
};

for (const [op, examples] of Object.entries(EXAMPLES)) {
  test(`${op} computes what it should`, async () => {
    for (const { operands, write, expected } of examples) {
      const b = new GraphBuilder();
      const ids = operands.map((operand, i) =>
        b.input(`x${i}`, operand.dtype === "int32" ? "int" : "real", operand.shape),
      );
      b.output("y", write(b, ...ids));
      const graph = b.build();
      const y = f64(
        graph.values[graph.outputs.get("y") ?? -1]?.shape as number[],
        expected.map(() => NaN),
      );
      const session = await load(graph, { table: f64([3, 2], M) });
      await session.run(Object.fromEntries(operands.map((operand, i) => [`x${i}`, operand])), { y });
      y.data.forEach((value, i) => {
        const wanted = expected[i] as number;
        assert.ok(
          Math.abs(value - wanted) <= 1e-15 * Math.max(1, Math.abs(wanted)),
          `element ${i} is ${value}, not ${wanted}`,
        );
      });
    }
  });
}

test("a dropout mask is the one that base defines, and needs a key", async () => {
  const b = new GraphBuilder();
  b.input("ids", "int", ["B"]);
  b.output("mask", b.dropoutMask(["B", 5], { rate: 0.25, site: 9 }));
  const session = await load(b.build());
  const mask = f64([3, 5], new Array<number>(15).fill(NaN));
  await session.run({ ids: i32([3], [0, 0, 0]) }, { mask }, RANDOM);
  const expected = new Float64Array(15);
  fillDropoutMask(expected, 0.25, 9, RANDOM);
  assert.deepEqual(mask.data, expected);
  await assert.rejects(
    session.run({ ids: i32([3], [0, 0, 0]) }, { mask }),
    refused("INPUT_INVALID", /site 9 needs a random key/),
  );
});

test("cached attention: scores, a window, and what is kept for the next run", async () => {
  const g = new GraphBuilder();
  const [x, total] = [g.input("x", "real", ["R", 32]), g.input("total", "int", [])];
  // two query heads share the key head; a head's first two of eight elements count
  const attributes = { slot: 0, layer: 0, heads: 2, keyHeads: 1, width: 8, scale: 0.5 };
  g.output("y", g.cachedAttention(x, total, { ...attributes, window: 2 }));
  const executor = createReferenceExecutor();
  const session = await executor.load(g.build(), { form: "shared", weights: {} });
  const cache = executor.createCache({ layers: 1, keyHeads: 1, width: 8 }, 3);
  const row = (...heads: readonly (readonly [number, number])[]): number[] =>
    heads.flatMap(([a, b]) => [a, b, 0, 0, 0, 0, 0, 0]);
  const run = async (rows: readonly number[][], tokens: number): Promise<number[]> => {
    const y = f64([rows.length, 16], new Array<number>(16 * rows.length).fill(NaN));
    const inputs = { x: f64([rows.length, 32], rows.flat()), total: i32([], [tokens]) };
    await session.run(inputs, { y }, undefined, { caches: [cache] });
    return [...y.data].filter((_, i) => i % 8 < 2);
  };
  // queries, then the key, then the value; a score of ln 3 weighs three to one
  const [even, far] = [[0, 0] as const, [2 * Math.log(3), 0] as const];
  const first = await run([row(even, even, [1, 0], [8, 0]), row(even, far, [0, 1], [0, 8])], 2);
  assert.deepEqual(first.slice(0, 4), [8, 0, 8, 0]); // one token sees itself
  assert.deepEqual(
    first.slice(4).map((value) => Math.round(value * 1e12) / 1e12),
    [4, 4, 6, 2],
  );
  // the window leaves the first token out, which the cache still has
  const second = await run([row(even, even, [0, 0], [4, 4]), row(even, even, [0, 0], [100, 100])], 4);
  assert.deepEqual(second.slice(0, 4), [2, 6, 2, 6]);
  assert.deepEqual(
    [0, 1, 2].map((token) => new Float64Array(cache.export(3).slice(28).buffer)[24 + 8 * token]),
    [8, 0, 4],
  );
});

function scaled(): Graph {
  const b = new GraphBuilder();
  const x = b.input("x", "real", ["B", 2]);
  const ids = b.input("ids", "int", ["B"]);
  b.output("y", b.mul(x, b.parameter("w", [2])));
  b.output("ids", ids);
  b.output("x", x);
  return b.build();
}
const INPUTS = { x: f64([2, 2], [1, 2, 3, 4]), ids: i32([2], [7, 8]) };

test("shared weights are read at every run, packed ones at load", async () => {
  const w = f32([2], [10, 100]);
  const [shared, packed] = [await load(scaled(), { w }), await load(scaled(), { w }, "packed")];
  w.data[0] = -1;
  const [y, z] = [f32([2, 2], [0, 0, 0, 0]), f64([2, 2], [0, 0, 0, 0])];
  await shared.run(INPUTS, { y });
  await packed.run(INPUTS, { y: z });
  assert.deepEqual([...y.data], [-1, 200, -3, 400]);
  assert.deepEqual([...z.data], [10, 200, 30, 400]);
  assert.notEqual(shared.profile.id, packed.profile.id);
  assert.match(shared.profile.id, /^[0-9a-f]{64}$/);
});

test("outputs may be a subset, ints, inputs themselves, and of shared memory", async () => {
  const session = await load(scaled(), { w: f64([2], [1, 1]) });
  const [ids, x] = [i32([2], [0, 0]), tensor("float32", [2, 2], new Float32Array(new SharedArrayBuffer(32), 16, 4))];
  await session.run(INPUTS, { ids, x });
  assert.deepEqual([...ids.data, ...x.data], [7, 8, 1, 2, 3, 4]);
  await session.run(INPUTS, {});
});

test("what does not fit the program is refused before anything is written", async () => {
  const session = await load(scaled(), { w: f64([2], [1, 1]) });
  const y = f64([2, 2], [0, 0, 0, 0]);
  const cases: readonly [RegExp, Bindings, Bindings][] = [
    [/needs the input ids/, { x: INPUTS.x }, { y }],
    [/no input z/, { ...INPUTS, z: INPUTS.x }, { y }],
    [/input ids must be int32, not float64/, { ...INPUTS, ids: f64([2], [0, 0]) }, { y }],
    [/input x must be float64 or float32, not int32/, { ...INPUTS, x: i32([2, 2], [0, 0, 0, 0]) }, { y }],
    [/input ids has shape \[3\].*B = 2/, { ...INPUTS, ids: i32([3], [0, 0, 0]) }, { y }],
    [/input x has shape \[4\]/, { ...INPUTS, x: f64([4], [0, 0, 0, 0]) }, { y }],
    [/no output nothing/, INPUTS, { nothing: y }],
    [/output y will have shape \[2, 2\]/, INPUTS, { y: f64([4], [0, 0, 0, 0]) }],
    [/output y must be float64 or float32/, INPUTS, { y: i32([2, 2], [0, 0, 0, 0]) }],
  ];
  for (const [message, inputs, outputs] of cases)
    await assert.rejects(session.run(inputs, outputs), refused("INPUT_INVALID", message), String(message));
  assert.deepEqual([...y.data], [0, 0, 0, 0]);
  await assert.rejects(load(scaled()), refused("WEIGHTS_INVALID", /needs the weight w/));
  await assert.rejects(
    load(scaled(), { w: f64([3], [1, 1, 1]) }),
    refused("WEIGHTS_INVALID", /weight w has shape \[3\]/),
  );
  await assert.rejects(
    load(scaled(), { w: i32([2], [1, 1]) }),
    refused("WEIGHTS_INVALID", /weight w must be float32 or float64/),
  );
  await session.dispose();
  await session.dispose();
  await assert.rejects(session.run(INPUTS, { y }), /disposed/);
});

test("a label that is no class and a position outside the rotary tables are refused", async () => {
  const b = new GraphBuilder();
  b.output("loss", b.crossEntropy(b.input("logits", "real", ["N", 2]), b.input("labels", "int", ["N"])).loss);
  const session = await load(b.build());
  await assert.rejects(
    session.run({ logits: f64([1, 2], [0, 0]), labels: i32([1], [2]) }, { loss: f64([1], [0]) }),
    refused("INPUT_INVALID", /crossEntropy: row 2 is outside 0..1/),
  );
  const turn = new GraphBuilder();
  const tables = ["cos", "sin"].map((name) => turn.input(name, "real", [3, 1])) as [ValueId, ValueId];
  turn.output("y", turn.rotary(turn.input("x", "real", [1, 1, 1, 2]), turn.input("at", "int", [1, 1]), ...tables));
  const rotate = await load(turn.build());
  const table = f64([3, 1], [1, 1, 1]);
  await assert.rejects(
    rotate.run(
      { cos: table, sin: table, x: f64([1, 1, 1, 2], [0, 0]), at: i32([1, 1], [3]) },
      { y: f64([1, 1, 1, 2], [0, 0]) },
    ),
    refused("INPUT_INVALID", /rotary: row 3 is outside 0..2/),
  );
});

test("a row outside a table is refused", async () => {
  const b = new GraphBuilder();
  b.output("y", b.embedding(b.parameter("table", [3, 1]), b.input("ids", "int", ["P"])));
  const session = await load(b.build(), { table: f64([3, 1], [1, 2, 3]) });
  for (const id of [3, -1])
    await assert.rejects(
      session.run({ ids: i32([1], [id]) }, { y: f64([1, 1], [0]) }),
      refused("INPUT_INVALID", new RegExp(`embedding: row ${id} is outside 0..2`)),
    );
});
