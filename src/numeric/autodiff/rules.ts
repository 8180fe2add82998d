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
  mulDims,
  shapesEqual,
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

const none = (): readonly Cotangent[] => [];
const notAgain = ({ node }: Site<OpName>): never => {
  throw new LockstepError("GRAPH_INVALID", `${node.op} is part of a gradient and cannot be differentiated again`, {
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

  reshape: ({ b, x: [x], dy }) => [() => b.reshape(dy(), b.shapeOf(id(x)))],
  expand: ({ b, x: [x], dy }) => [() => sumTo(b, dy(), x)],
  transpose: ({ b, node, dy }) => [
    () =>
      b.transpose(
        dy(),
        node.attributes.perm.map((_, axis) => node.attributes.perm.indexOf(axis)),
      ),
  ],
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
function layerNormRule({ b, x: [x, gamma], y: [, mean, invStd], dy, dyOf }: Site<"layerNorm">): readonly Cotangent[] {
  const shape = b.shapeOf(id(x));
  const rows = [...shape.keys()].slice(0, -1);
  const perChannel = (value: ValueId): ValueId => (rows.length === 0 ? value : b.reduceSum(value, rows));
  const channels = shape.at(-1) as Dim;
  const normalized = (): ValueId => b.mul(b.sub(id(x), id(mean)), id(invStd));
  const average = (value: ValueId): ValueId => {
    if (typeof channels !== "number")
      throw new LockstepError(
        "GRAPH_INVALID",
        `layerNorm over an axis of unknown length ${channels} cannot be differentiated`,
        { op: "layerNorm", channels },
      );
    return b.mul(value, b.constant(1 / channels));
  };
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
