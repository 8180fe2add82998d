/**
 * The programs of the conformance suite: at least one for every operator, then composites. Shapes are symbolic where
 * programs' are. Long: a table of programs.
 */
import {
  GraphBuilder,
  type Graph,
  type OpName,
  type SymbolBindings,
  type ValueId,
} from "../../src/numeric/graph/index.ts";
import type { Bindings, CacheShape, RandomKey } from "../../src/numeric/runtime/index.ts";
import { ints, reals } from "./support.ts";

export interface Case {
  readonly name: string;
  /** Operators that this case is there for. */
  readonly covers: readonly OpName[];
  readonly graph: Graph;
  readonly symbols: SymbolBindings;
  readonly inputs: Bindings;
  readonly random?: RandomKey;
  /** Made for the run, one for each slot. */
  readonly caches?: readonly CacheShape[];
  /** Of max |difference| / max |reference|. @default 2e-6 */
  readonly tolerance?: number;
}

function graphOf(write: (b: GraphBuilder) => Readonly<Record<string, ValueId>>): Graph {
  const b = new GraphBuilder();
  for (const [name, value] of Object.entries(write(b))) b.output(name, value);
  return b.build();
}

const B = 3,
  T = 5;
const symbols = { B, T };
const x = reals([B, T, 8], 1);
const y = reals([B, T, 8], 2);
const positive = { ...x, data: x.data.map((value) => Math.abs(value) + 0.1) };
const ids = ints([B, T], [0, 3, 3, 6, 1, 3, 0, 2, 2, 5]);

const UNARY = [
  ...(["neg", "exp", "log", "sqrt", "reciprocal", "tanh", "relu", "erf", "sigmoid", "softplus"] as const),
  ...(["geluTanh", "gelu", "softmax", "logSoftmax"] as const),
];
const unary = (op: (typeof UNARY)[number]): Case => ({
  name: op,
  covers: [op],
  symbols,
  graph: graphOf((b) => ({ y: b[op](b.input("x", "real", ["B", "T", 8])) })),
  inputs: { x: op === "log" || op === "sqrt" || op === "reciprocal" ? positive : x },
});
const binary = (op: "add" | "sub" | "mul" | "div" | "geluGrad" | "reluGrad"): Case => ({
  name: op,
  covers: [op],
  symbols,
  graph: graphOf((b) => ({ z: b[op](b.input("x", "real", ["B", "T", 8]), b.input("y", "real", ["B", "T", 8])) })),
  inputs: op === "div" ? { x, y: positive } : { x, y },
});
const matmul = (transA: boolean, transB: boolean, alpha: number, rightRank: 2 | 3): Case => ({
  name: `matmul transA ${transA} transB ${transB} alpha ${alpha}, right operand of rank ${rightRank}`,
  covers: ["matmul"],
  symbols,
  graph: graphOf((b) => {
    const right = transB ? ([6, 8] as const) : ([8, 6] as const);
    return {
      z: b.matmul(
        b.input("x", "real", transA ? ["B", 8, "T"] : ["B", "T", 8]),
        rightRank === 2 ? b.parameter("w", right) : b.input("y", "real", ["B", ...right]),
        { transA, transB, alpha },
      ),
    };
  }),
  inputs: {
    x: transA ? reals([B, 8, T], 3) : x,
    ...(rightRank === 3 ? { y: reals(transB ? [B, 6, 8] : [B, 8, 6], 4) } : {}),
  },
});
const both = [false, true];

export const OPERATORS: readonly Case[] = [
  ...(["add", "sub", "mul", "div", "geluGrad", "reluGrad"] as const).map(binary),
  ...UNARY.map(unary),
  {
    name: "sigmoid and softplus far out",
    covers: ["sigmoid", "softplus"],
    symbols: {},
    graph: graphOf((b) => {
      const value = b.input("x", "real", [6]);
      return { sigmoid: b.sigmoid(value), softplus: b.softplus(value) };
    }),
    inputs: { x: { dtype: "float32", shape: [6], data: Float32Array.of(-300, -90, -20, 20, 90, 300) } },
  },
  ...both.flatMap((transA) =>
    both.flatMap((transB) =>
      ([2, 3] as const).flatMap((rank) => [1, 0.25].map((alpha) => matmul(transA, transB, alpha, rank))),
    ),
  ),
  {
    name: "products with a bias, every orientation",
    covers: ["matmul", "add"],
    symbols: { N: 5 },
    graph: graphOf((b) =>
      Object.fromEntries(
        both.flatMap((transA) =>
          both.flatMap((transB) =>
            [1, 0.5].map((alpha) => {
              const product = b.matmul(
                b.input(`x${transA}${transB}${alpha}`, "real", transA ? [7, "N"] : ["N", 7]),
                b.parameter(`w${transA}${transB}${alpha}`, transB ? [6, 7] : [7, 6]),
                { transA, transB, alpha },
              );
              return [`y${transA}${transB}${alpha}`, b.add(product, b.parameter(`b${transA}${transB}${alpha}`, [6]))];
            }),
          ),
        ),
      ),
    ),
    inputs: Object.fromEntries(
      both.flatMap((transA) =>
        both.flatMap((transB) =>
          [1, 0.5].map((alpha) => [`x${transA}${transB}${alpha}`, reals(transA ? [7, 5] : [5, 7], 20)]),
        ),
      ),
    ),
  },
  {
    name: "broadcasting both operands",
    covers: ["add", "input", "parameter", "constant"],
    symbols,
    graph: graphOf((b) => ({
      z: b.mul(
        b.add(b.input("a", "real", ["B", 1, 8]), b.input("b", "real", ["T", 1])),
        b.sub(b.constant(2.5), b.parameter("w", [8])),
      ),
    })),
    inputs: { a: reals([B, 1, 8], 5), b: reals([T, 1], 6) },
  },
  {
    name: "an input, a parameter and a constant as outputs",
    covers: ["input", "parameter", "constant"],
    symbols,
    graph: graphOf((b) => {
      const [a, w, c] = [b.input("a", "real", ["B", "T", 8]), b.parameter("w", [8]), b.constant(-0.75)];
      return { a, again: a, w, c, sum: b.add(a, w) };
    }),
    inputs: { a: x },
  },
  {
    name: "layerNorm with mean and inverse deviation",
    covers: ["layerNorm"],
    symbols,
    graph: graphOf((b) => {
      const { y, mean, invStd } = b.layerNorm(
        b.input("x", "real", ["B", "T", 8]),
        b.parameter("gamma", [8]),
        b.parameter("beta", [8]),
        { epsilon: 1e-5 },
      );
      return { y, mean, invStd };
    }),
    inputs: { x },
  },
  {
    name: "layerNorm's result alone",
    covers: ["layerNorm"],
    symbols,
    graph: graphOf((b) => ({
      y: b.layerNorm(b.input("x", "real", ["B", "T", 8]), b.parameter("gamma", [8]), b.parameter("beta", [8]), {
        epsilon: 1e-5,
      }).y,
    })),
    inputs: { x },
  },
  {
    name: "rmsNorm with and without its inverse deviation",
    covers: ["rmsNorm"],
    symbols,
    graph: graphOf((b) => {
      const [value, gamma] = [b.input("x", "real", ["B", "T", 8]), b.parameter("gamma", [8])];
      const { y, invRms } = b.rmsNorm(value, gamma, { epsilon: 1e-6 });
      return { y, invRms, alone: b.rmsNorm(value, gamma, { epsilon: 1e-5 }).y };
    }),
    inputs: { x },
  },
  {
    name: "rotary by positions in any order, and back",
    covers: ["rotary"],
    symbols: { ...symbols, M: 6 },
    graph: graphOf((b) => {
      const [value, positions] = [b.input("x", "real", ["B", 2, "T", 10]), b.input("positions", "int", ["B", "T"])];
      const [cos, sin] = [b.input("cos", "real", ["M", 5]), b.input("sin", "real", ["M", 5])];
      const turned = b.rotary(value, positions, cos, sin);
      return { turned, back: b.rotary(turned, positions, cos, b.neg(sin)) };
    }),
    inputs: {
      x: reals([B, 2, T, 10], 21),
      positions: ints([B, T], [0, 5, 3, 3, 1, 2, 4, 0]),
      cos: reals([6, 5], 22),
      sin: reals([6, 5], 23),
    },
  },
  {
    name: "cross-entropy by label, some of which do not count",
    covers: ["crossEntropy", "crossEntropyGrad"],
    symbols: { N: 6 },
    graph: graphOf((b) => {
      const [logits, labels] = [b.input("logits", "real", ["N", 9]), b.input("labels", "int", ["N"])];
      const { loss, logProbs } = b.crossEntropy(logits, labels);
      const alone = b.crossEntropy(b.neg(logits), labels).loss;
      return { loss, logProbs, alone, grad: b.crossEntropyGrad(logProbs, labels, b.input("dy", "real", ["N"])) };
    }),
    inputs: { logits: reals([6, 9], 24, 3), labels: ints([6], [8, -100, 0, 3, 3, -1]), dy: reals([6], 25) },
  },
  {
    name: "cached attention of two sequences, one with a window",
    covers: ["cachedAttention"],
    symbols: { R0: 5, R1: 3 },
    caches: [
      { layers: 1, keyHeads: 2, width: 8 },
      { layers: 1, keyHeads: 2, width: 8 },
    ],
    graph: graphOf((b) => {
      const attend = (slot: number, window: number | null): ValueId =>
        b.cachedAttention(b.input(`x${slot}`, "real", [`R${slot}`, 64]), b.input(`total${slot}`, "int", []), {
          ...{ slot, layer: 0, heads: 4, keyHeads: 2, width: 8 },
          scale: 0.3,
          window,
        });
      return { all: attend(0, null), last: attend(1, 2) };
    }),
    inputs: { x0: reals([5, 64], 28), total0: ints([], [5]), x1: reals([3, 64], 29), total1: ints([], [3]) },
  },
  {
    name: "slice with static and symbolic bounds",
    covers: ["slice"],
    symbols: { ...symbols, P: 2 },
    graph: graphOf((b) => {
      const [value, longer] = [b.input("x", "real", ["B", "T", 8]), b.input("longer", "real", ["P+T", 3])];
      return {
        middle: b.slice(value, 2, { start: 2, end: 5 }),
        none: b.slice(value, 1, { start: "T" }),
        rest: b.slice(longer, 0, { start: "T" }),
        first: b.slice(longer, 0, { end: "P" }),
      };
    }),
    inputs: { x, longer: reals([T + 2, 3], 26) },
  },
  ...[0, 2].map((past) => ({
    name: `concat with ${past} that came before; pad`,
    covers: ["concat", "pad"] as const,
    symbols: { ...symbols, P: past },
    graph: graphOf((b) => {
      const [before, now] = [b.input("before", "real", ["B", "P", 8]), b.input("x", "real", ["B", "T", 8])];
      const all = b.concat([before, now], 1);
      return {
        all,
        thrice: b.concat(
          [now, b.parameter("w", [8]), now].map((id) => b.reshape(id, [-1])),
          0,
        ),
        padded: b.pad(now, 1, { before: "P", after: 1 }),
        wide: b.pad(now, 2, { before: 3 }),
        products: b.matmul(now, all, { transB: true }),
      };
    }),
    inputs: { x, before: reals([B, past, 8], 27) },
  })),
  {
    name: "reshape, transpose",
    covers: ["reshape", "transpose"],
    symbols,
    graph: graphOf((b) => {
      const heads = b.reshape(b.input("x", "real", ["B", "T", 8]), ["B", "T", 2, 4]);
      return {
        heads: b.transpose(heads, [0, 2, 1, 3]),
        flat: b.reshape(heads, ["B*T", 8]),
        reversed: b.transpose(heads, [3, 1, 2, 0]),
      };
    }),
    inputs: { x },
  },
  {
    name: "expand",
    covers: ["expand"],
    symbols,
    graph: graphOf((b) => ({
      wide: b.expand(b.input("x", "real", ["B", 1, 8]), ["B", "T", 8]),
      column: b.expand(b.input("t", "real", ["T", 1]), ["T", 2]),
      scalar: b.expand(b.constant(1.5), ["T", 2]),
    })),
    inputs: { x: reals([B, 1, 8], 7), t: reals([T, 1], 17) },
  },
  {
    name: "reduceSum over each set of axes",
    covers: ["reduceSum"],
    symbols,
    graph: graphOf((b) => {
      const value = b.input("x", "real", ["B", "T", 8]);
      const sets = [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]];
      return Object.fromEntries(
        sets.flatMap((axes) =>
          both.map((keepDims) => [`${axes.join("")} ${keepDims}`, b.reduceSum(value, axes, { keepDims })]),
        ),
      );
    }),
    inputs: { x },
  },
  {
    name: "oneHot with indices outside, static and symbolic depth",
    covers: ["oneHot"],
    symbols,
    graph: graphOf((b) => {
      const index = b.input("index", "int", ["B", "T"]);
      return {
        wide: b.oneHot(index, { depth: 200 }),
        smooth: b.oneHot(index, { depth: 7, on: 0.9, off: 0.05 }),
        symbolic: b.oneHot(index, { depth: "B*T" }),
        scalar: b.oneHot(b.input("one", "int", []), { depth: "T" }),
      };
    }),
    inputs: { index: ints([B, T], [0, 6, 7, -1, -100, -7, 199, 200, -200, 14]), one: ints([], [3]) },
  },
  {
    name: "gatherRows, scatterAddRows with ties",
    covers: ["gatherRows", "scatterAddRows"],
    symbols: { N: 6, P: 4 },
    graph: graphOf((b) => {
      const index = b.input("index", "int", ["P"]);
      return {
        picked: b.gatherRows(b.input("x", "real", ["N", 8]), index),
        spread: b.scatterAddRows(b.input("dy", "real", ["P", 8]), index, { rows: "N" }),
      };
    }),
    inputs: { index: ints([4], [5, 0, 5, 2]), x: reals([6, 8], 8), dy: reals([4, 8], 9) },
  },
  {
    name: "embedding and its gradient with ties and padding",
    covers: ["embedding", "embeddingGrad"],
    symbols,
    graph: graphOf((b) => {
      const [table, index] = [b.parameter("table", [7, 8]), b.input("ids", "int", ["B", "T"])];
      const dy = b.input("dy", "real", ["B", "T", 8]);
      const rows = b.embedding(table, index, { paddingId: 0 });
      const dense = b.mul(table, b.constant(2));
      return {
        rows,
        doubled: b.add(rows, rows),
        sparse: b.embeddingGrad(dy, index, { rows: 7, paddingId: 0 }),
        unpadded: b.embeddingGrad(b.neg(dy), index, { rows: 7 }),
        tied: b.add(
          b.add(dense, b.embeddingGrad(dy, index, { rows: 7, paddingId: 3 })),
          b.add(table, b.embeddingGrad(rows, index, { rows: 7 })),
        ),
      };
    }),
    inputs: { ids, dy: y },
  },
  {
    name: "dropout masks",
    covers: ["dropoutMask"],
    symbols,
    random: { seed: [11, 12], step: 3, shard: 4 },
    tolerance: 0,
    graph: graphOf((b) => {
      const masked = b.mul(b.input("x", "real", ["B", "T", 8]), b.dropoutMask(["B", "T", 8], { rate: 0.25, site: 2 }));
      return { mask: b.dropoutMask(["B", 1, "T"], { rate: 0.5, site: 1 }), masked };
    }),
    // powers of two: the product with a mask is exact
    inputs: { x: { ...x, data: x.data.map((_, i) => 2 ** (i % 5)) } },
  },
];

export interface EncoderOptions {
  readonly C?: number;
  readonly H?: number;
  readonly V?: number;
  readonly rate?: number;
}

/**
 * A post-LN transformer block over embeddings, a selected-position head tied to the table, and a masked cross-entropy.
 */
export function encoder({ C = 16, H = 4, V = 23, rate = 0.1 }: EncoderOptions = {}): Graph {
  const b = new GraphBuilder();
  const table = b.parameter("table", [V, C]);
  const tokens = b.input("tokens", "int", ["B", "T"]);
  const linear = (name: string, value: ValueId, rows: number, columns: number): ValueId =>
    b.add(
      b.matmul(value, b.parameter(`${name}.weight`, [rows, columns]), { transB: true }),
      b.parameter(`${name}.bias`, [rows]),
    );
  const norm = (name: string, value: ValueId): ValueId =>
    b.layerNorm(value, b.parameter(`${name}.gamma`, [C]), b.parameter(`${name}.beta`, [C]), { epsilon: 1e-12 }).y;
  const drop = (value: ValueId, site: number): ValueId =>
    rate === 0 ? value : b.mul(value, b.dropoutMask(b.shapeOf(value), { rate, site }));
  const heads = (value: ValueId): ValueId => b.transpose(b.reshape(value, ["B", "T", H, C / H]), [0, 2, 1, 3]);

  const x = drop(norm("embeddings", b.reshape(b.embedding(table, tokens, { paddingId: 0 }), ["B*T", C])), 0);
  const scores = b.matmul(heads(linear("q", x, C, C)), heads(linear("k", x, C, C)), {
    transB: true,
    alpha: 1 / Math.sqrt(C / H),
  });
  const probabilities = drop(b.softmax(b.add(scores, b.input("mask", "real", ["B", 1, 1, "T"]))), 1);
  const attended = b.reshape(b.transpose(b.matmul(probabilities, heads(linear("v", x, C, C))), [0, 2, 1, 3]), [
    "B*T",
    C,
  ]);
  const h = norm("attention", b.add(x, linear("o", attended, C, C)));
  const y = norm("output", b.add(h, linear("down", b.gelu(linear("up", h, 4 * C, C)), C, 4 * C)));
  const picked = b.gatherRows(y, b.input("positions", "int", ["P"]));
  const logits = b.add(b.matmul(picked, table, { transB: true }), b.parameter("decoder.bias", [V]));
  const target = b.oneHot(b.input("labels", "int", ["P"]), { depth: V });
  b.output("hidden", b.reshape(y, ["B", "T", C]));
  b.output("loss", b.neg(b.reduceSum(b.mul(b.logSoftmax(logits), target), [0, 1])));
  return b.build();
}

export function encoderInputs(
  batch: number,
  tokens: number,
  picked: number,
): { readonly inputs: Bindings; readonly symbols: SymbolBindings } {
  const mask = reals([batch, 1, 1, tokens], 0, 0);
  for (let row = 0; row < batch; row++) if (row % 2 === 1) mask.data[row * tokens + tokens - 1] = -1e9;
  return {
    symbols: { B: batch, T: tokens, P: picked },
    inputs: {
      tokens: ints([batch, tokens], [1, 5, 22, 0, 5, 7, 9, 1, 13]),
      mask,
      positions: tensorOfPositions(picked, batch * tokens),
      labels: ints([picked], [3, -100, 22, 0, 9]),
    },
  };
}

function tensorOfPositions(picked: number, rows: number): Bindings[string] {
  return ints(
    [picked],
    Array.from({ length: picked }, (_, i) => (i * 7) % rows),
  );
}
