/**
 * Types and shapes of every operator's outputs, and with them what a legal application is: one total rule table. The
 * builder uses it while a graph is written, the verifier to check one that was made elsewhere.
 */
import { LockstepError } from "../../base/index.ts";
import { addDims, canonicalShape, dimsEqual, mulDims, shapesEqual, subDims, symbolsOf } from "./dim.ts";
import type { Dim, Node, OpAttributes, OpName, Shape, ValueType } from "./types.ts";

export interface TypedShape {
  readonly type: ValueType;
  readonly shape: Shape;
}
type Rule<Op extends OpName> = (
  attributes: OpAttributes[Op],
  inputs: readonly TypedShape[],
  fail: Fail,
) => readonly TypedShape[];
type Fail = (why: string) => never;

export function showShape({ type, shape }: TypedShape): string {
  return `${type}[${shape.join(", ")}]`;
}

/**
 * Output types and shapes of one application; GRAPH_INVALID with the operator and its operands when it is not legal.
 */
export function inferShapes<Op extends OpName>(
  op: Op,
  attributes: OpAttributes[Op],
  inputs: readonly TypedShape[],
): readonly TypedShape[] {
  const fail: Fail = (why) => {
    const [lhs, rhs] = inputs;
    throw new LockstepError("GRAPH_INVALID", `${op}(${inputs.map(showShape).join(", ")}): ${why}`, {
      op,
      lhs: lhs === undefined ? null : showShape(lhs),
      rhs: rhs === undefined ? null : showShape(rhs),
      operands: inputs.map(showShape),
    });
  };
  const { types, infer } = RULES[op];
  if (types === "same") {
    if (inputs.length === 0) fail("takes at least one operand");
    if (inputs.some(({ type }) => type !== inputs[0]?.type)) fail("operands must have one type");
  } else {
    if (inputs.length !== types.length) fail(`takes ${types.length} operand(s), not ${inputs.length}`);
    types.forEach((type, i) => {
      if (type !== "any" && inputs[i]?.type !== type) fail(`operand ${i + 1} must be ${type}`);
    });
  }
  return infer(attributes, inputs, fail);
}

export function inferNode<Op extends OpName>(node: Node<Op>, inputs: readonly TypedShape[]): readonly TypedShape[] {
  return inferShapes<Op>(node.op, node.attributes, inputs);
}

/** NumPy broadcasting, symbolically: aligned at the right, two dimensions are equal or one of them is 1. */
export function broadcastShapes(a: Shape, b: Shape): Shape | null {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (!dimsEqual(left, right) && left !== 1 && right !== 1) return null;
    out.push(left === 1 ? right : left);
  }
  return out;
}

const real = (shape: Shape): TypedShape => ({ type: "real", shape });
// arity was checked
const at = (inputs: readonly TypedShape[], index: number): TypedShape => inputs[index] as TypedShape;

const elementwise = { types: ["real"], infer: (_, inputs) => [at(inputs, 0)] } as const satisfies Entry<"neg">;
const broadcasting = {
  types: ["real", "real"],
  infer: (_, inputs, fail) => [
    real(
      broadcastShapes(at(inputs, 0).shape, at(inputs, 1).shape) ??
        fail("the shapes do not broadcast: aligned at the right, dimensions must be equal or 1"),
    ),
  ],
} as const satisfies Entry<"add">;
const pointwiseGrad = {
  types: ["real", "real"],
  infer: (_, inputs, fail) =>
    shapesEqual(at(inputs, 0).shape, at(inputs, 1).shape) ? [at(inputs, 0)] : fail("x and dy must have the same shape"),
} as const satisfies Entry<"geluGrad">;
const overLastAxis = {
  types: ["real"],
  infer: (_, inputs, fail) => (at(inputs, 0).shape.length > 0 ? [at(inputs, 0)] : fail("needs at least one axis")),
} as const satisfies Entry<"softmax">;

interface Entry<Op extends OpName> {
  /** Of each operand; "same": any number of operands of one type. */
  readonly types: readonly (ValueType | "any")[] | "same";
  readonly infer: Rule<Op>;
}

const RULES: { readonly [Op in OpName]: Entry<Op> } = {
  // the builder and the verifier know the declared type and shape of these two: they cannot be inferred
  input: { types: [], infer: (_, __, fail) => fail("an input is declared, not inferred") },
  parameter: { types: [], infer: (_, __, fail) => fail("a parameter is declared, not inferred") },
  constant: {
    types: [],
    infer: ({ value }, _, fail) => (Number.isNaN(value) ? fail("a constant may not be NaN") : [real([])]),
  },

  add: broadcasting,
  sub: broadcasting,
  mul: broadcasting,
  div: broadcasting,
  neg: elementwise,
  exp: elementwise,
  log: elementwise,
  sqrt: elementwise,
  reciprocal: elementwise,
  tanh: elementwise,
  relu: elementwise,
  erf: elementwise,
  sigmoid: elementwise,
  softplus: elementwise,
  geluTanh: elementwise,
  gelu: elementwise,
  geluGrad: pointwiseGrad,
  reluGrad: pointwiseGrad,

  matmul: {
    types: ["real", "real"],
    infer: ({ transA, transB, alpha }, inputs, fail) => {
      const a = at(inputs, 0).shape;
      const b = at(inputs, 1).shape;
      if (a.length < 2 || b.length < 2) fail("both operands need at least two axes");
      if (!Number.isFinite(alpha)) fail("alpha must be finite");
      const [rows, innerA] = lastTwo(a, transA);
      const [innerB, columns] = lastTwo(b, transB);
      if (!dimsEqual(innerA, innerB))
        fail(`inner dimensions ${innerA} and ${innerB} differ (transA ${transA}, transB ${transB})`);
      const batch = a.slice(0, -2);
      if (b.length !== 2 && !shapesEqual(batch, b.slice(0, -2)))
        fail("leading axes must be equal, or the right operand must have rank 2");
      return [real([...batch, rows, columns])];
    },
  },
  softmax: overLastAxis,
  logSoftmax: overLastAxis,
  layerNorm: {
    types: ["real", "real", "real"],
    infer: ({ epsilon }, inputs, fail) => {
      const x = at(inputs, 0).shape;
      const channels = x.at(-1);
      if (channels === undefined) return fail("needs at least one axis");
      if (!(epsilon > 0)) fail("epsilon must be positive");
      if ([1, 2].some((i) => !shapesEqual(at(inputs, i).shape, [channels])))
        fail(`gamma and beta must have shape [${channels}]`);
      const row = real([...x.slice(0, -1), 1]);
      return [real(x), row, row];
    },
  },
  rmsNorm: {
    types: ["real", "real"],
    infer: ({ epsilon }, inputs, fail) => {
      const x = at(inputs, 0).shape;
      const channels = x.at(-1);
      if (channels === undefined) return fail("needs at least one axis");
      if (!(epsilon > 0)) fail("epsilon must be positive");
      if (!shapesEqual(at(inputs, 1).shape, [channels])) fail(`gamma must have shape [${channels}]`);
      return [real(x), real([...x.slice(0, -1), 1])];
    },
  },
  rotary: {
    types: ["real", "int", "real", "real"],
    infer: (_, inputs, fail) => {
      const [x, positions, cos, sin] = inputs.map(({ shape }) => shape) as [Shape, Shape, Shape, Shape];
      const [rows, , tokens, width] = x;
      if (x.length !== 4 || rows === undefined || tokens === undefined) return fail("x must have four axes");
      if (typeof width !== "number" || width % 2 !== 0) return fail("x's last axis must have an even length");
      if (!shapesEqual(positions, [rows, tokens])) fail(`positions must have shape [${rows}, ${tokens}]`);
      if (cos.length !== 2 || cos[1] !== width / 2 || !shapesEqual(cos, sin))
        fail(`the tables must have one shape, [rows, ${width / 2}]`);
      return [at(inputs, 0)];
    },
  },
  crossEntropy: {
    types: ["real", "int"],
    infer: (_, inputs, fail) => {
      const [rows] = matrix(at(inputs, 0).shape, fail);
      if (!shapesEqual(at(inputs, 1).shape, [rows])) fail("there must be one label for each row");
      return [real([rows]), at(inputs, 0)];
    },
  },
  crossEntropyGrad: {
    types: ["real", "int", "real"],
    infer: (_, inputs, fail) => {
      const [rows] = matrix(at(inputs, 0).shape, fail);
      if ([1, 2].some((i) => !shapesEqual(at(inputs, i).shape, [rows]))) fail("labels and dy must have one row each");
      return [at(inputs, 0)];
    },
  },

  cachedAttention: {
    types: ["real", "int"],
    infer: ({ slot, layer, heads, keyHeads, width, scale, window }, inputs, fail) => {
      const [rows, columns] = matrix(at(inputs, 0).shape, fail);
      const counts = { heads, keyHeads, width, ...(window === null ? {} : { window }) };
      for (const [name, count] of Object.entries(counts))
        if (!Number.isInteger(count) || count < 1) fail(`${name} must be a positive integer, not ${count}`);
      if (![slot, layer].every((index) => Number.isInteger(index) && index >= 0))
        fail(`slot ${slot} and layer ${layer} must be non-negative integers`);
      if (width % 8 !== 0) fail(`heads are a multiple of 8 wide, not ${width}: widen them with zeros`);
      if (width > 128)
        fail(`heads are at most 128 wide, not ${width}: sums over more are cut by how many keys there are`);
      if (heads % keyHeads !== 0) fail(`${keyHeads} key heads do not divide ${heads} heads`);
      if (!(scale > 0 && Number.isFinite(scale))) fail(`scale must be positive, not ${scale}`);
      if (columns !== (heads + 2 * keyHeads) * width)
        fail(`x must have ${(heads + 2 * keyHeads) * width} columns: queries, keys and values`);
      if (at(inputs, 1).shape.length !== 0) fail("total must be a scalar");
      return [real([rows, heads * width])];
    },
  },

  reshape: {
    types: ["any"],
    infer: ({ shape }, inputs, fail) => {
      const { type, shape: from } = at(inputs, 0);
      if (!dimsEqual(mulDims(...from), mulDims(...shape)))
        fail(`[${shape.join(", ")}] has ${mulDims(...shape)} elements, not ${mulDims(...from)}`);
      return [{ type, shape: canonicalShape(shape) }];
    },
  },
  expand: {
    types: ["any"],
    infer: ({ shape }, inputs, fail) => {
      const { type, shape: from } = at(inputs, 0);
      const target = canonicalShape(shape);
      if (!shapesEqual(broadcastShapes(from, target) ?? [], target))
        fail(`does not broadcast to [${shape.join(", ")}]`);
      return [{ type, shape: target }];
    },
  },
  transpose: {
    types: ["any"],
    infer: ({ perm }, inputs, fail) => {
      const { type, shape } = at(inputs, 0);
      if (perm.length !== shape.length || shape.some((_, axis) => !perm.includes(axis)))
        fail(`perm [${perm.join(", ")}] is not a permutation of ${shape.length} axes`);
      return [{ type, shape: perm.map((axis) => shape[axis] as Dim) }];
    },
  },
  slice: {
    types: ["any"],
    infer: ({ axis, start, end }, inputs, fail) => {
      const { type, shape } = at(inputs, 0);
      const size = shape[axis] ?? fail(`there is no axis ${axis}`);
      const length = subDims(end, start);
      if (length === undefined || subDims(size, end) === undefined)
        return fail(`${start} to ${end} is not within an axis of length ${size} whatever the symbols are`);
      return [{ type, shape: shape.with(axis, length) }];
    },
  },
  pad: {
    types: ["real"],
    infer: ({ axis, before, after }, inputs, fail) => {
      const { shape } = at(inputs, 0);
      const size = shape[axis] ?? fail(`there is no axis ${axis}`);
      return [real(shape.with(axis, addDims(before, size, after)))];
    },
  },
  concat: {
    types: "same",
    infer: ({ axis }, inputs, fail) => {
      const { type, shape } = at(inputs, 0);
      if (shape[axis] === undefined) return fail(`there is no axis ${axis}`);
      const others = (one: Shape): Shape => one.with(axis, 1);
      if (inputs.some((one) => one.shape.length !== shape.length || !shapesEqual(others(one.shape), others(shape))))
        fail(`the shapes may differ along axis ${axis} only`);
      return [{ type, shape: shape.with(axis, addDims(...inputs.map((one) => one.shape[axis] as Dim))) }];
    },
  },
  reduceSum: {
    types: ["real"],
    infer: ({ axes, keepDims }, inputs, fail) => {
      const { shape } = at(inputs, 0);
      if (
        axes.length === 0 ||
        axes.some(
          (axis, i) => !Number.isInteger(axis) || axis < 0 || axis >= shape.length || axis <= (axes[i - 1] ?? -1),
        )
      ) {
        fail(`axes [${axes.join(", ")}] must be non-empty, increasing and within 0..${shape.length - 1}`);
      }
      return [
        real(
          keepDims
            ? shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
            : shape.filter((_, axis) => !axes.includes(axis)),
        ),
      ];
    },
  },
  oneHot: {
    types: ["int"],
    infer: ({ depth, on, off }, inputs, fail) => {
      if (!Number.isFinite(on) || !Number.isFinite(off)) fail("on and off must be finite");
      return [real(canonicalShape([...at(inputs, 0).shape, depth]))];
    },
  },
  gatherRows: {
    types: ["real", "int"],
    infer: (_, inputs, fail) => {
      const [, columns] = matrix(at(inputs, 0).shape, fail);
      return [real([vector(at(inputs, 1).shape, fail), columns])];
    },
  },
  scatterAddRows: {
    types: ["real", "int"],
    infer: ({ rows }, inputs, fail) => {
      const [picked, columns] = matrix(at(inputs, 0).shape, fail);
      if (!dimsEqual(picked, vector(at(inputs, 1).shape, fail))) fail("dy needs one row for each index");
      return [real(canonicalShape([rows, columns]))];
    },
  },
  embedding: {
    types: ["real", "int"],
    infer: ({ paddingId }, inputs, fail) => {
      const [rows, columns] = matrix(at(inputs, 0).shape, fail);
      if (!Number.isInteger(paddingId) || paddingId < -1 || (typeof rows === "number" && paddingId >= rows))
        fail(`paddingId ${paddingId} is neither -1 (none) nor a row of the table`);
      return [real([...at(inputs, 1).shape, columns])];
    },
  },
  embeddingGrad: {
    types: ["real", "int"],
    infer: ({ rows, paddingId }, inputs, fail) => {
      const dy = at(inputs, 0).shape;
      const columns = dy.at(-1);
      if (columns === undefined || !shapesEqual(dy.slice(0, -1), at(inputs, 1).shape))
        return fail("dy must have the shape of ids and one more axis");
      if (!Number.isInteger(rows) || rows < 1) fail(`rows must be a positive integer, not ${rows}`);
      if (!Number.isInteger(paddingId) || paddingId < -1 || paddingId >= rows)
        fail(`paddingId ${paddingId} is neither -1 (none) nor a row of the table`);
      return [real([rows, columns])];
    },
  },
  dropoutMask: {
    types: [],
    infer: ({ shape, rate, site }, _, fail) => {
      if (!(rate >= 0 && rate < 1)) fail(`rate must be in [0, 1), not ${rate}`);
      if (!Number.isInteger(site) || site < 0 || site > 0xffffffff)
        fail(`site must be an unsigned 32-bit integer, not ${site}`);
      return [real(canonicalShape(shape))];
    },
  },
};

function lastTwo(shape: Shape, transposed: boolean): [Dim, Dim] {
  const [first, second] = shape.slice(-2) as [Dim, Dim];
  return transposed ? [second, first] : [first, second];
}

function matrix(shape: Shape, fail: Fail): readonly [Dim, Dim] {
  const [rows, columns] = shape;
  return shape.length === 2 && rows !== undefined && columns !== undefined
    ? [rows, columns]
    : fail("the first operand must have two axes");
}

function vector(shape: Shape, fail: Fail): Dim {
  const [length] = shape;
  return shape.length === 1 && length !== undefined ? length : fail("index must have one axis");
}

/**
 * Type and shape of what a graph declares (inputs and parameters), made canonical; a parameter's shape has no symbols.
 */
export function declaredShape(op: "input" | "parameter", name: string, type: ValueType, shape: Shape): TypedShape {
  const canonical = canonicalShape(shape);
  if (op === "parameter" && (type !== "real" || canonical.some((dim) => symbolsOf(dim).length > 0))) {
    throw new LockstepError(
      "GRAPH_INVALID",
      `parameter ${name}: a weight is real and its shape has no symbols, not ${showShape({ type, shape })}`,
      { op, name, shape },
    );
  }
  return { type, shape: canonical };
}
