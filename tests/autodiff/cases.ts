/**
 * What is checked for each operator: a table total over the op set, so that a new operator does not compile without an
 * entry.
 */
import type { GraphBuilder, OpName, Shape, ValueId } from "../../src/numeric/graph/index.ts";
import { type GradientCase, int32 } from "./check.ts";

type Entry = readonly GradientCase[] | { readonly notChecked: string };
const POSITIVE = [0.5, 2] as const;
const AWAY_FROM_ZERO = [0.1, 2] as const;

function unary(
  f: (b: GraphBuilder, x: ValueId) => ValueId,
  domain: readonly [number, number] = [-2, 2],
): readonly GradientCase[] {
  return [
    { name: "vector", build: (b) => f(b, b.parameter("x", [5])), domain },
    { name: "symbolic rows", build: (b) => f(b, b.input("x", "real", ["B", 3])), symbols: { B: 2 }, domain },
  ];
}

function binary(
  f: (b: GraphBuilder, p: ValueId, q: ValueId) => ValueId,
  domain: readonly [number, number] = [-2, 2],
): readonly GradientCase[] {
  const shapes: readonly (readonly [Shape, Shape])[] = [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [[3], [2, 3]],
    [
      [2, 3, 4],
      [3, 1],
    ],
    [
      [2, 1, 4],
      [3, 1],
    ],
    [[2, 3], []],
    [[], [4]],
    [
      [1, 1],
      [2, 3],
    ],
    [[], []],
    [
      [2, 1, 3],
      [2, 1, 3],
    ],
    [
      ["B", "T", 2],
      ["T", 1],
    ],
    [
      ["B", 1, 2],
      ["B", "T", 1],
    ],
    [["B*T", 2], [2]],
  ];
  return shapes.map(
    ([p, q]) =>
      ({
        name: `[${p.join(", ")}] and [${q.join(", ")}]`,
        build: (b) => {
          b.input("ids", "int", ["B", "T"]);
          return f(b, b.input("p", "real", p), b.input("q", "real", q));
        },
        symbols: { B: 2, T: 3 },
        ints: { ids: int32([2, 3], [0, 0, 0, 0, 0, 0]) },
        domain,
      }) satisfies GradientCase,
  );
}

function matmuls(): readonly GradientCase[] {
  const [rows, inner, columns] = [3, 2, 4];
  const kinds = [
    { a: [], b: [] },
    { a: [2], b: [2] },
    { a: [2, 3], b: [2, 3] },
    { a: [2], b: [] },
    { a: [2, 3], b: [] },
    { a: ["B"], b: ["B"] },
    { a: ["B", 2], b: [] },
  ] as const;
  return kinds.flatMap(({ a, b: right }) =>
    [false, true].flatMap((transA) =>
      [false, true].map(
        (transB) =>
          ({
            name:
              `[${[...a, "m", "k"].join(", ")}] by [${[...right, "k", "n"].join(", ")}], transA ${transA}, ` +
              `transB ${transB}`,
            build: (b) =>
              b.matmul(
                b.input("a", "real", [...a, ...(transA ? [inner, rows] : [rows, inner])]),
                b.input("b", "real", [...right, ...(transB ? [columns, inner] : [inner, columns])]),
                { transA, transB, alpha: 0.5 },
              ),
            symbols: { B: 3 },
          }) satisfies GradientCase,
      ),
    ),
  );
}

function layerNorms(): readonly GradientCase[] {
  const write =
    (shape: Shape, pick: (b: GraphBuilder, outputs: { y: ValueId; mean: ValueId; invStd: ValueId }) => ValueId) =>
    (b: GraphBuilder): ValueId =>
      pick(
        b,
        b.layerNorm(b.input("x", "real", shape), b.parameter("gamma", [4]), b.parameter("beta", [4]), {
          epsilon: 0.01,
        }),
      );
  return [
    { name: "rows", build: write([3, 4], (_, { y }) => y) },
    { name: "batch", build: write(["B", "T", 4], (_, { y }) => y), symbols: { B: 2, T: 2 } },
    { name: "one row", build: write([4], (_, { y }) => y) },
    {
      name: "all outputs",
      build: write([2, 3, 4], (b, { y, mean, invStd }) => b.add(b.mul(y, invStd), b.mul(mean, mean))),
    },
  ];
}

function rmsNorms(): readonly GradientCase[] {
  const write =
    (shape: Shape, pick: (b: GraphBuilder, outputs: { y: ValueId; invRms: ValueId }) => ValueId) =>
    (b: GraphBuilder): ValueId =>
      pick(b, b.rmsNorm(b.input("x", "real", shape), b.parameter("gamma", [4]), { epsilon: 0.01 }));
  return [
    { name: "rows", build: write([3, 4], (_, { y }) => y) },
    { name: "batch", build: write(["B", "T", 4], (_, { y }) => y), symbols: { B: 2, T: 2 } },
    { name: "one row", build: write([4], (_, { y }) => y) },
    { name: "both outputs", build: write([2, 3, 4], (b, { y, invRms }) => b.mul(y, b.mul(invRms, invRms))) },
    {
      name: "the inverse alone",
      build: write([2, 4], (b, { y, invRms }) => b.add(invRms, b.mul(y, b.constant(1e-3)))),
    },
  ];
}

/** Labels that count, one that does not, and a label twice. */
const LABELS = { labels: int32([4], [2, -100, 0, 2]) };
function crossEntropies(): readonly GradientCase[] {
  const write =
    (pick: (b: GraphBuilder, outputs: { loss: ValueId; logProbs: ValueId }) => ValueId) =>
    (b: GraphBuilder): ValueId =>
      pick(b, b.crossEntropy(b.input("logits", "real", ["N", 3]), b.input("labels", "int", ["N"])));
  const common = { symbols: { N: 4 }, ints: LABELS };
  return [
    { name: "loss", build: write((_, { loss }) => loss), ...common },
    {
      name: "loss and log-probabilities, as label smoothing has it",
      build: write((b, { loss, logProbs }) =>
        b.sub(b.mul(loss, b.constant(0.9)), b.mul(b.reduceSum(logProbs, [1]), b.constant(0.1 / 3))),
      ),
      ...common,
    },
    { name: "log-probabilities alone", build: write((_, { logProbs }) => logProbs), ...common },
  ];
}

function rotaries(): readonly GradientCase[] {
  const shapes = [
    [2, 3, 2, 4],
    ["B", 1, "T", 6],
  ] as const;
  return shapes.map((shape) => ({
    name: `[${shape.join(", ")}]`,
    build: (b) => {
      const tables = ["cos", "sin"].map((name) => b.input(name, "real", ["M", shape[3] / 2])) as [ValueId, ValueId];
      return b.rotary(b.input("x", "real", shape), b.input("positions", "int", [shape[0], shape[2]]), ...tables);
    },
    symbols: { B: 2, T: 2, M: 5 },
    ints: { positions: int32([2, 2], [0, 4, 2, 2]) },
    fixed: ["cos", "sin"],
  }));
}

const rowShapes: readonly Shape[] = [[4], [3, 4], [2, 3, 1], ["B", 2, 3]];
const overRows = (f: (b: GraphBuilder, x: ValueId) => ValueId): readonly GradientCase[] =>
  rowShapes.map((shape) => ({
    name: `[${shape.join(", ")}]`,
    build: (b) => f(b, b.input("x", "real", shape)),
    symbols: { B: 2 },
  }));

export const CASES: { readonly [Op in OpName]: Entry } = {
  input: { notChecked: "a variable: every case differentiates by some" },
  parameter: { notChecked: "a variable: every case differentiates by some" },
  constant: { notChecked: "has no operands" },

  add: binary((b, p, q) => b.add(p, q)),
  sub: binary((b, p, q) => b.sub(p, q)),
  mul: [
    ...binary((b, p, q) => b.mul(p, q)),
    {
      name: "by itself",
      build: (b) => {
        const x = b.parameter("x", [3]);
        return b.mul(x, x);
      },
    },
  ],
  div: binary((b, p, q) => b.div(p, q), POSITIVE),
  neg: unary((b, x) => b.neg(x)),
  exp: unary((b, x) => b.exp(x)),
  log: unary((b, x) => b.log(x), POSITIVE),
  sqrt: unary((b, x) => b.sqrt(x), POSITIVE),
  reciprocal: unary((b, x) => b.reciprocal(x), POSITIVE),
  tanh: unary((b, x) => b.tanh(x)),
  relu: [
    ...unary((b, x) => b.relu(x), AWAY_FROM_ZERO),
    ...unary((b, x) => b.relu(x), [-2, -0.1]).map((each) => ({
      ...each,
      build: (b: GraphBuilder) => b.add(each.build(b), b.parameter("z", [1])),
    })),
  ],
  erf: unary((b, x) => b.erf(x)),
  sigmoid: unary((b, x) => b.sigmoid(x), [-4, 4]),
  softplus: unary((b, x) => b.softplus(x), [-4, 4]),
  geluTanh: unary((b, x) => b.geluTanh(x), [-4, 4]),
  gelu: unary((b, x) => b.gelu(x), [-4, 4]),
  geluGrad: { notChecked: "not differentiable again; it is the derivative that the case gelu checks" },
  reluGrad: { notChecked: "not differentiable again; it is the derivative that the case relu checks" },

  matmul: matmuls(),
  softmax: overRows((b, x) => b.softmax(x)),
  logSoftmax: overRows((b, x) => b.logSoftmax(x)),
  layerNorm: layerNorms(),
  rmsNorm: rmsNorms(),
  rotary: rotaries(),
  crossEntropy: crossEntropies(),
  crossEntropyGrad: { notChecked: "not differentiable again; it is the derivative that the case crossEntropy checks" },

  reshape: [
    {
      name: "split and merge",
      build: (b) => b.reshape(b.input("x", "real", ["B", "T", 4]), ["B*T", 2, 2]),
      symbols: { B: 2, T: 3 },
    },
    { name: "to a scalar", build: (b) => b.reshape(b.parameter("x", [1, 1]), []) },
  ],
  expand: [
    { name: "new axes", build: (b) => b.expand(b.parameter("x", [2]), [3, 2]) },
    { name: "repeated and new axes", build: (b) => b.expand(b.parameter("x", [2, 1]), [4, 2, 3]) },
    { name: "a scalar", build: (b) => b.expand(b.parameter("x", []), [2, 3]) },
  ],
  transpose: [
    [1, 0, 2],
    [2, 0, 1],
    [0, 1, 2],
  ].map((perm) => ({ name: `[${perm.join(", ")}]`, build: (b) => b.transpose(b.parameter("x", [2, 3, 4]), perm) })),
  slice: [
    { name: "in the middle", build: (b) => b.slice(b.parameter("x", [2, 5, 2]), 1, { start: 1, end: 3 }) },
    {
      name: "symbolic bounds",
      build: (b) => {
        b.input("ids", "int", ["T"]);
        return b.slice(b.input("x", "real", ["P+T", 2]), 0, { start: "T" });
      },
      symbols: { P: 3, T: 2 },
      ints: { ids: int32([2], [0, 0]) },
    },
    {
      name: "two of one value that overlap",
      build: (b) => {
        const x = b.parameter("x", [4]);
        return b.mul(b.slice(x, 0, { end: 3 }), b.slice(x, 0, { start: 1 }));
      },
    },
  ],
  pad: [
    { name: "both sides", build: (b) => b.pad(b.parameter("x", [2, 3]), 1, { before: 2, after: 1 }) },
    {
      name: "symbolic",
      build: (b) => b.pad(b.input("x", "real", ["B", 3]), 0, { before: "B" }),
      symbols: { B: 2 },
    },
  ],
  concat: [
    {
      name: "two along a symbolic axis, and a third",
      build: (b) =>
        b.concat(
          [b.input("p", "real", [2, "P", 3]), b.input("t", "real", [2, "T", 3]), b.parameter("w", [2, 1, 3])],
          1,
        ),
      symbols: { P: 2, T: 3 },
    },
    {
      name: "one value twice",
      build: (b) => {
        const x = b.parameter("x", [2, 2]);
        return b.concat([x, b.mul(x, x)], 1);
      },
    },
    { name: "one", build: (b) => b.concat([b.parameter("x", [2, 2])], 0) },
  ],
  reduceSum: [[0], [1], [2], [0, 2], [0, 1, 2]].flatMap((axes) =>
    [false, true].map((keepDims) => ({
      name: `axes [${axes.join(", ")}], keepDims ${keepDims}`,
      build: (b) => b.reduceSum(b.input("x", "real", ["B", 3, 2]), axes, { keepDims }),
      symbols: { B: 2 },
    })),
  ),
  oneHot: { notChecked: "its operand is an integer" },
  gatherRows: [
    {
      name: "a row twice, a row never",
      build: (b) => b.gatherRows(b.input("x", "real", ["N", 2]), b.input("index", "int", ["P"])),
      symbols: { N: 4, P: 3 },
      ints: { index: int32([3], [2, 0, 2]) },
    },
  ],
  scatterAddRows: [
    {
      name: "a row twice, a row never",
      build: (b) => b.scatterAddRows(b.parameter("dy", [3, 2]), b.input("index", "int", [3]), { rows: 4 }),
      ints: { index: int32([3], [2, 0, 2]) },
    },
  ],
  embedding: [
    {
      name: "ids in two axes",
      build: (b) => b.embedding(b.parameter("table", [4, 2]), b.input("ids", "int", ["B", "T"])),
      ints: { ids: int32([2, 2], [3, 1, 1, 0]) },
      symbols: { B: 2, T: 2 },
    },
    {
      name: "tied to an output layer, and used twice",
      build: (b) => {
        const table = b.parameter("table", [4, 2]);
        const first = b.embedding(table, b.input("ids", "int", [3]));
        const second = b.embedding(table, b.input("more", "int", [3]));
        return b.matmul(b.add(b.tanh(first), b.mul(second, second)), table, { transB: true });
      },
      ints: { ids: int32([3], [3, 1, 1]), more: int32([3], [0, 0, 3]) },
    },
  ],
  embeddingGrad: { notChecked: "not differentiable again; it is the derivative that the case embedding checks" },
  cachedAttention: { notChecked: "has a state and no derivative; differentiate refuses it" },
  dropoutMask: { notChecked: "has no operands; the composite has one in its path" },
};
