/**
 * The derivative of every operator: one total table. A rule gives, for each operand, how its cotangent is computed (a
 * function, called only when it is wanted) or null where there is none. Written in as few passes over memory as we
 * know: products use the transpose and alpha flags of matmul, and what the forward pass saved is used again.
 */
import { LockstepError } from "../../base/index.ts";
import {
  type Dim,
  type GraphBuilder,
  type Node,
  type OpName,
  addDims,
  mulDims,
  shapesEqual,
  subDims,
  type ValueId,
} from "../graph/index.ts";

/** One node of the forward graph, with the cotangents of its outputs. */
export interface Site<Op extends OpName> {
  readonly b: GraphBuilder;
  readonly node: Node<Op>;
  /** The operands and results of the forward node. */
  readonly x: readonly ValueId[];
  readonly y: readonly ValueId[];
  /** The cotangent of the first output, zeros if there is none; of the shape of that output. */
  readonly dy: () => ValueId;
  /** The cotangent of another output, if there is one. */
  readonly dyOf: (output: number) => ValueId | undefined;
}
type Cotangent = (() => ValueId) | null;
type Rule<Op extends OpName> = (site: Site<Op>) => readonly Cotangent[];

const TWO_OVER_SQRT_PI = 1.1283791670955126; // 2/√π
const GELU_TANH_LINEAR = 1.5957691216057308; // 2√(2/π)
const GELU_TANH_CUBIC = 0.07135481627260025; // 2√(2/π) · 0.044715

const none = (): readonly Cotangent[] => [];
const notAgain = ({ node }: Site<OpName>): never => {
  throw new LockstepError("GRAPH_INVALID", `${node.op} is part of a gradient and cannot be differentiated again`, {
    op: node.op,
  });
};

const stateful = ({ node }: Site<OpName>): never => {
  throw new LockstepError("GRAPH_INVALID", `${node.op} keeps what it computes for later runs and has no derivative`, {
    op: node.op,
  });
};

export type RuleTable = { readonly [Op in OpName]: Rule<Op> };

export const RULES: RuleTable = {
  input: none,
  parameter: none,
  constant: none,
  dropoutMask: none,
  oneHot: () => [null],

  add: ({ b, x: [p, q], dy }) =>
    binary(
      b,
      p,
      q,
      () => dy(),
      () => dy(),
    ),
  sub: ({ b, x: [p, q], dy }) => [() => sumTo(b, dy(), p), () => b.neg(sumTo(b, dy(), q))],
  mul: ({ b, x: [p, q], dy }) =>
    binary(
      b,
      p,
      q,
      () => b.mul(dy(), id(q)),
      () => b.mul(dy(), id(p)),
    ),
  div: ({ b, x: [p, q], y: [y], dy }) => [
    () => sumTo(b, b.div(dy(), id(q)), p),
    () => b.neg(sumTo(b, b.div(b.mul(dy(), id(y)), id(q)), q)),
  ],

  neg: ({ b, dy }) => [() => b.neg(dy())],
  exp: ({ b, y: [y], dy }) => [() => b.mul(dy(), id(y))],
  log: ({ b, x: [x], dy }) => [() => b.div(dy(), id(x))],
  sqrt: ({ b, y: [y], dy }) => [() => b.mul(b.div(dy(), id(y)), b.constant(0.5))],
  reciprocal: ({ b, y: [y], dy }) => [() => b.neg(b.mul(dy(), b.mul(id(y), id(y))))],
  tanh: ({ b, y: [y], dy }) => [() => b.sub(dy(), b.mul(dy(), b.mul(id(y), id(y))))],
  relu: ({ b, x: [x], dy }) => [() => b.reluGrad(id(x), dy())],
  erf: ({ b, x: [x], dy }) => [
    () => b.mul(b.mul(dy(), b.constant(TWO_OVER_SQRT_PI)), b.exp(b.neg(b.mul(id(x), id(x))))),
  ],
  sigmoid: ({ b, y: [y], dy }) => [() => b.mul(dy(), b.sub(id(y), b.mul(id(y), id(y))))],
  softplus: ({ b, x: [x], dy }) => [() => b.mul(dy(), b.sigmoid(id(x)))],
  geluTanh: ({ b, x: [x], dy }) => [() => b.mul(dy(), geluTanhSlope(b, id(x)))],
  gelu: ({ b, x: [x], dy }) => [() => b.geluGrad(id(x), dy())],
  geluGrad: notAgain,
  reluGrad: notAgain,

  matmul: matmulRule,
  // dx = y·(dy − Σ dy·y)
  softmax: ({ b, y: [y], dy }) => [
    () => {
      const weighted = b.mul(dy(), id(y));
      return b.sub(weighted, b.mul(id(y), sumLast(b, weighted)));
    },
  ],
  // dx = dy − softmax(x)·Σ dy, and softmax(x) = exp(y)
  logSoftmax: ({ b, y: [y], dy }) => [() => b.sub(dy(), b.mul(b.exp(id(y)), sumLast(b, dy())))],
  layerNorm: layerNormRule,
  rmsNorm: rmsNormRule,
  // the inverse of a rotation is its transpose: the same angles, negated
  rotary: ({ b, node, x: [, positions, cos, sin], dy }) => [
    () => b.rotary(dy(), id(positions), id(cos), b.neg(id(sin))),
    null,
    () => noTableGradient(node),
    () => noTableGradient(node),
  ],
  crossEntropy: crossEntropyRule,
  crossEntropyGrad: notAgain,
  cachedAttention: stateful,

  reshape: ({ b, x: [x], dy }) => [() => b.reshape(dy(), b.shapeOf(id(x)))],
  expand: ({ b, x: [x], dy }) => [() => sumTo(b, dy(), x)],
  transpose: ({ b, node, dy }) => [
    () =>
      b.transpose(
        dy(),
        node.attributes.perm.map((_, axis) => node.attributes.perm.indexOf(axis)),
      ),
  ],
  slice: ({ b, node, x: [x], dy }) => [
    () => {
      const { axis, start, end } = node.attributes;
      const after = subDims(b.shapeOf(id(x))[axis] as Dim, end) as Dim; // the end lies within the axis
      return b.pad(dy(), axis, { before: start, after });
    },
  ],
  pad: ({ b, node, x: [x], dy }) => [
    () => {
      const { axis, before } = node.attributes;
      return b.slice(dy(), axis, { start: before, end: addDims(before, b.shapeOf(id(x))[axis] as Dim) });
    },
  ],
  concat: ({ b, node, x, dy }) => {
    const { axis } = node.attributes;
    const sizes = x.map((value) => b.shapeOf(value)[axis] as Dim);
    return x.map((value, operand) => () => {
      const start = addDims(...sizes.slice(0, operand));
      return b.slice(dy(), axis, { start, end: addDims(start, sizes[operand] as Dim) });
    });
  },
  reduceSum: ({ b, node, x: [x], dy }) => [
    () => {
      const shape = b.shapeOf(id(x));
      return b.expand(
        b.reshape(
          dy(),
          shape.map((dim, axis) => (node.attributes.axes.includes(axis) ? 1 : dim)),
        ),
        shape,
      );
    },
  ],
  gatherRows: ({ b, x: [x, index], dy }) => [
    () => b.scatterAddRows(dy(), id(index), { rows: b.shapeOf(id(x))[0] as Dim }),
    null,
  ],
  scatterAddRows: ({ b, x: [, index], dy }) => [() => b.gatherRows(dy(), id(index)), null],
  embedding: ({ b, node, x: [table, ids], dy }) => [
    () =>
      // a parameter: static
      b.embeddingGrad(dy(), id(ids), { rows: b.shapeOf(id(table))[0] as number, paddingId: node.attributes.paddingId }),
    null,
  ],
  embeddingGrad: notAgain,
};

function noTableGradient({ op }: Node): never {
  throw new LockstepError("GRAPH_INVALID", `the tables of ${op} have no gradient; name what to differentiate by`, {
    op,
  });
}

/** Operands exist: the arity of every node was verified. */
function id(value: ValueId | undefined): ValueId {
  return value as ValueId;
}

function binary(
  b: GraphBuilder,
  p: ValueId | undefined,
  q: ValueId | undefined,
  dp: () => ValueId,
  dq: () => ValueId,
): readonly Cotangent[] {
  return [() => sumTo(b, dp(), p), () => sumTo(b, dq(), q)];
}

function sumLast(b: GraphBuilder, x: ValueId): ValueId {
  return b.reduceSum(x, [b.shapeOf(x).length - 1], { keepDims: true });
}

/** Undoes broadcasting: sums `dy` over the axes that `operand` was repeated along. */
function sumTo(b: GraphBuilder, dy: ValueId, operand: ValueId | undefined): ValueId {
  const from = b.shapeOf(dy);
  const to = b.shapeOf(id(operand));
  const added = from.length - to.length;
  const repeated = from
    .map((_, axis) => axis)
    .filter((axis) => axis < added || (to[axis - added] === 1 && from[axis] !== 1));
  if (repeated.length === 0) return dy;
  const keepDims = repeated.some((axis) => axis >= added);
  const summed = b.reduceSum(dy, repeated, { keepDims });
  return shapesEqual(b.shapeOf(summed), to) ? summed : b.reshape(summed, to);
}

/** Rows of all leading axes together: [..., M, N] → [rows, N]. */
function flatten(b: GraphBuilder, x: ValueId, transposed: boolean): ValueId {
  const shape = b.shapeOf(x);
  const rowsLast = transposed
    ? b.transpose(
        x,
        [...shape.keys()].map((axis) => (axis < shape.length - 2 ? axis : 2 * shape.length - 3 - axis)),
      )
    : x;
  const flat = b.shapeOf(rowsLast);
  return b.reshape(rowsLast, [mulDims(...flat.slice(0, -1)), flat.at(-1) as Dim]);
}

/**
 * y = alpha·op(a)·op(b). Where a has leading axes and b is one matrix, b's cotangent is one product over all rows
 * instead of one for each leading index, and a sum.
 */
function matmulRule({ b, node, x: [left, right], dy }: Site<"matmul">): readonly Cotangent[] {
  const { transA, transB, alpha } = node.attributes;
  const p = id(left);
  const q = id(right);
  const shared = b.shapeOf(q).length === 2 && b.shapeOf(p).length > 2;
  return [
    () => {
      if (!transA) return b.matmul(dy(), q, { transB: !transB, alpha });
      if (!shared) return b.matmul(q, dy(), { transA: transB, transB: true, alpha });
      const rank = b.shapeOf(p).length;
      return b.transpose(b.matmul(dy(), q, { transB: !transB, alpha }), [
        ...Array(rank - 2).keys(),
        rank - 1,
        rank - 2,
      ]);
    },
    () => {
      const rows = shared ? flatten(b, p, transA) : p;
      const cotangent = shared ? flatten(b, dy(), false) : dy();
      const transposed = transA && !shared;
      return transB
        ? b.matmul(cotangent, rows, { transA: true, transB: transposed, alpha })
        : b.matmul(rows, cotangent, { transA: !transposed, alpha });
    },
  ];
}

/**
 * With x̂ = (x − mean)·invStd and g = dy·gamma: dx = invStd·(g − Σg/C − x̂·Σ(g·x̂)/C), sums over the last axis. The
 * rare cotangents of the saved statistics add dmean/C and −x̂·invStd²·dinvStd/C.
 */
function layerNormRule({
  b,
  node,
  x: [x, gamma],
  y: [, mean, invStd],
  dy,
  dyOf,
}: Site<"layerNorm">): readonly Cotangent[] {
  const shape = b.shapeOf(id(x));
  const rows = [...shape.keys()].slice(0, -1);
  const perChannel = (value: ValueId): ValueId => (rows.length === 0 ? value : b.reduceSum(value, rows));
  const average = averageOver(b, node, shape.at(-1) as Dim);
  const normalized = (): ValueId => b.mul(b.sub(id(x), id(mean)), id(invStd));
  return [
    () => {
      const xHat = normalized();
      const g = b.mul(dy(), id(gamma));
      const along = average(sumLast(b, b.mul(g, xHat)));
      const dx = b.mul(b.sub(b.sub(g, b.mul(xHat, along)), average(sumLast(b, g))), id(invStd));
      const [dMean, dInvStd] = [dyOf(1), dyOf(2)];
      const withMean = dMean === undefined ? dx : b.add(dx, average(dMean));
      return dInvStd === undefined
        ? withMean
        : b.sub(withMean, b.mul(xHat, average(b.mul(dInvStd, b.mul(id(invStd), id(invStd))))));
    },
    () => perChannel(b.mul(dy(), normalized())),
    () => perChannel(dy()),
  ];
}

/** With x̂ = x·invRms and g = dy·gamma: dx = invRms·(g − x̂·Σ(g·x̂)/C); a cotangent of invRms adds −x̂·invRms²·it/C. */
function rmsNormRule({ b, node, x: [x, gamma], y: [, invRms], dy, dyOf }: Site<"rmsNorm">): readonly Cotangent[] {
  const shape = b.shapeOf(id(x));
  const rows = [...shape.keys()].slice(0, -1);
  const average = averageOver(b, node, shape.at(-1) as Dim);
  const normalized = (): ValueId => b.mul(id(x), id(invRms));
  return [
    () => {
      const xHat = normalized();
      const g = b.mul(dy(), id(gamma));
      const along = average(sumLast(b, b.mul(g, xHat)));
      const dx = b.mul(b.sub(g, b.mul(xHat, along)), id(invRms));
      const dInvRms = dyOf(1);
      return dInvRms === undefined
        ? dx
        : b.sub(dx, b.mul(xHat, average(b.mul(dInvRms, b.mul(id(invRms), id(invRms))))));
    },
    () => {
      const weighted = b.mul(dy(), normalized());
      return rows.length === 0 ? weighted : b.reduceSum(weighted, rows);
    },
  ];
}

/** The mean of what was summed over an axis of C elements. */
function averageOver(b: GraphBuilder, { op }: Node, channels: Dim): (sum: ValueId) => ValueId {
  return (sum) => {
    if (typeof channels !== "number")
      throw new LockstepError(
        "GRAPH_INVALID",
        `${op} over an axis of unknown length ${channels} cannot be differentiated`,
        { op, channels },
      );
    return b.mul(sum, b.constant(1 / channels));
  };
}

/** The loss's part, and that of the log-probabilities where they are used for something else (label smoothing). */
function crossEntropyRule({ b, x: [, labels], y: [, logProbs], dy, dyOf }: Site<"crossEntropy">): readonly Cotangent[] {
  return [
    () => {
      const fromLoss = b.crossEntropyGrad(id(logProbs), id(labels), dy());
      const other = dyOf(1);
      return other === undefined
        ? fromLoss
        : b.add(fromLoss, b.sub(other, b.mul(b.exp(id(logProbs)), sumLast(b, other))));
    },
    null,
  ];
}

/**
 * d/dx of x·σ(w) with w = x·(A + B·x²), which is the GELU with tanh since (1 + tanh u)/2 = σ(2u): σ + x·w'·σ·(1 − σ),
 * w' = A + 3B·x².
 */
function geluTanhSlope(b: GraphBuilder, x: ValueId): ValueId {
  const cubic = b.mul(b.mul(x, x), b.constant(GELU_TANH_CUBIC));
  const sigma = b.sigmoid(b.mul(x, b.add(cubic, b.constant(GELU_TANH_LINEAR))));
  const slope = b.mul(x, b.add(b.mul(cubic, b.constant(3)), b.constant(GELU_TANH_LINEAR)));
  return b.add(sigma, b.mul(slope, b.sub(sigma, b.mul(sigma, sigma))));
}
