/**
 * What every operator means, in float64 and in the plainest loops: the oracle that fast executors are compared with.
 * Its elementary functions are those of base, so its results are the same on every machine too.
 */
import { erf, exp, fillDropoutMask, log, log1p, LockstepError, tanh } from "../../base/index.ts";
import type { Dim, NoAttributes, OpAttributes, OpName, Shape } from "../graph/index.ts";
import { elements, type HostTensor, tensor } from "../tensor/index.ts";
import type { CacheLayer } from "./cache.ts";
import type { RandomKey } from "./contract.ts";
import { broadcast, broadcastStrides, copyStrided, reals, type RefTensor, stridesOf, walk } from "./reference-loops.ts";

/** What one run knows. */
export interface RunContext {
  /** The sizes of a symbolic shape. */
  readonly sizes: (shape: Shape) => number[];
  /** The tensor bound to an input or a parameter. */
  readonly bound: (name: string) => RefTensor;
  readonly random: RandomKey | undefined;
  /** What a `cachedAttention` works on, by its attributes. */
  readonly cached: (node: OpAttributes["cachedAttention"]) => CacheLayer;
}
type Kernel<Op extends OpName> = (
  attributes: OpAttributes[Op],
  inputs: readonly RefTensor[],
  run: RunContext,
) => readonly RefTensor[];

/** Of any operator without attributes. */
type Elementwise = (attributes: NoAttributes, inputs: readonly RefTensor[]) => readonly RefTensor[];

const SQRT_HALF = 0.7071067811865476;
const ONE_OVER_SQRT_TWO_PI = 0.3989422804014327;

const distribution = (x: number): number => 0.5 * (1 + erf(x * SQRT_HALF)); // Φ
const sigmoid = (x: number): number => (x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)));
const softplus = (x: number): number => (x > 0 ? x : 0) + log1p(exp(-Math.abs(x)));
const SQRT_TWO_OVER_PI = 0.7978845608028654;
const geluTanh = (x: number): number => 0.5 * x * (1 + tanh(SQRT_TWO_OVER_PI * (x + 0.044715 * x * x * x)));
const density = (x: number): number => ONE_OVER_SQRT_TWO_PI * exp(-0.5 * x * x); // φ

export const KERNELS: { readonly [Op in OpName]: Kernel<Op> } = {
  input: ({ name }, _, run) => [run.bound(name)],
  parameter: ({ name }, _, run) => [run.bound(name)],
  constant: ({ value }) => [tensor("float64", [], Float64Array.of(value))],

  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  neg: unary((x) => -x),
  exp: unary(exp),
  log: unary(log),
  sqrt: unary(Math.sqrt),
  reciprocal: unary((x) => 1 / x),
  tanh: unary(tanh),
  relu: unary((x) => (x > 0 ? x : 0)),
  erf: unary(erf),
  sigmoid: unary(sigmoid),
  softplus: unary(softplus),
  geluTanh: unary(geluTanh),
  gelu: unary((x) => x * distribution(x)),
  geluGrad: binary((x, dy) => dy * (distribution(x) + x * density(x))),
  reluGrad: binary((x, dy) => (x > 0 ? dy : 0)),

  matmul: ({ transA, transB, alpha }, [a, b]) => [matmul(real(a), real(b), transA, transB, alpha)],
  softmax: (_, [x]) => [
    mapRows(real(x), (row, out) => {
      const { shifted, total } = shiftedExp(row);
      shifted.forEach((value, i) => {
        out[i] = exp(value) / total;
      });
    }),
  ],
  logSoftmax: (_, [x]) => [mapRows(real(x), writeLogSoftmax)],
  layerNorm: ({ epsilon }, [x, gamma, beta]) => layerNorm(real(x), real(gamma), real(beta), epsilon),
  rmsNorm: ({ epsilon }, [x, gamma]) => rmsNorm(real(x), real(gamma), epsilon),
  rotary: (_, [x, positions, cos, sin]) => [rotary(real(x), int(positions), real(cos), real(sin))],
  crossEntropy: (_, [logits, labels]) => crossEntropy(real(logits), int(labels)),
  crossEntropyGrad: (_, [logProbs, labels, dy]) => [crossEntropyGrad(real(logProbs), int(labels), real(dy))],
  cachedAttention: (attributes, [x, total], run) => [
    cachedAttention(real(x), int(total).data[0] as number, attributes, run.cached(attributes)),
  ],

  reshape: ({ shape }, [x], run) => [sameData(any(x), run.sizes(shape))],
  expand: ({ shape }, [x], run) => [
    copyStrided(any(x), run.sizes(shape), broadcastStrides(any(x).shape, run.sizes(shape))),
  ],
  transpose: ({ perm }, [x]) => {
    const strides = stridesOf(any(x).shape);
    return [
      copyStrided(
        any(x),
        perm.map((axis) => any(x).shape[axis] as number),
        perm.map((axis) => strides[axis] as number),
      ),
    ];
  },
  slice: ({ axis, start, end }, [x], run) => {
    const [from, to] = run.sizes([start, end]) as [number, number];
    return [copyAlong([any(x)], axis, to - from, from)];
  },
  pad: ({ axis, before, after }, [x], run) => {
    const zeros = (size: Dim): RefTensor => reals(real(x).shape.with(axis, run.sizes([size])[0] as number));
    const parts = [zeros(before), any(x), zeros(after)];
    return [copyAlong(parts, axis, lengthAlong(parts, axis))];
  },
  concat: ({ axis }, parts) => [copyAlong(parts, axis, lengthAlong(parts, axis))],
  reduceSum: ({ axes, keepDims }, [x]) => [reduceSum(real(x), axes, keepDims)],

  oneHot: ({ depth, on, off }, [ids], run) => {
    const [width] = run.sizes([depth]) as [number];
    const out = reals([...int(ids).shape, width]);
    out.data.fill(off);
    int(ids).data.forEach((index, row) => {
      if (index >= 0 && index < width) out.data[row * width + index] = on;
    });
    return [out];
  },
  gatherRows: (_, [x, index]) => [gather("gatherRows", real(x), int(index))],
  scatterAddRows: ({ rows }, [dy, index], run) => [
    scatter("scatterAddRows", real(dy), int(index), run.sizes([rows])[0] as number, -1),
  ],
  embedding: (_, [table, ids]) => [gather("embedding", real(table), int(ids))],
  embeddingGrad: ({ rows, paddingId }, [dy, ids]) => [scatter("embeddingGrad", real(dy), int(ids), rows, paddingId)],
  dropoutMask: ({ shape, rate, site }, _, run) => {
    if (run.random === undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `dropout site ${site} needs a random key (seed, step, shard), and the run was given none`,
        { site },
      );
    const mask = reals(run.sizes(shape));
    fillDropoutMask(mask.data, rate, site, run.random);
    return [mask];
  },
};

/** Operands exist and have their types: the graph was verified. */
function any(x: RefTensor | undefined): RefTensor {
  return x as RefTensor;
}
function real(x: RefTensor | undefined): HostTensor<"float64"> {
  return x as HostTensor<"float64">;
}
function int(x: RefTensor | undefined): HostTensor<"int32"> {
  return x as HostTensor<"int32">;
}

function sameData(x: RefTensor, shape: readonly number[]): RefTensor {
  return x.dtype === "float64" ? tensor("float64", shape, x.data) : tensor("int32", shape, x.data);
}

function unary(f: (x: number) => number): Elementwise {
  return (_, [x]) => [tensor("float64", real(x).shape, real(x).data.map(f))];
}

function binary(f: (a: number, b: number) => number): Elementwise {
  return (_, inputs) => {
    const [a, b] = inputs.map(real) as [HostTensor<"float64">, HostTensor<"float64">];
    const out = reals(broadcast(a.shape, b.shape));
    walk(
      out.shape,
      [broadcastStrides(a.shape, out.shape), broadcastStrides(b.shape, out.shape)],
      (position, [left, right]) => {
        out.data[position] = f(a.data[left as number] as number, b.data[right as number] as number);
      },
    );
    return [out];
  };
}

function matmul(
  a: HostTensor<"float64">,
  b: HostTensor<"float64">,
  transA: boolean,
  transB: boolean,
  alpha: number,
): HostTensor<"float64"> {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [m, k, n] = [transA ? aColumns : aRows, transA ? aRows : aColumns, transB ? bRows : bColumns];
  const batch = a.shape.slice(0, -2);
  const out = reals([...batch, m, n]);
  for (let index = 0; index < elements(batch); index++) {
    const aStart = index * m * k;
    const bStart = b.shape.length === 2 ? 0 : index * k * n;
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let inner = 0; inner < k; inner++) {
          const left = a.data[aStart + (transA ? inner * m + row : row * k + inner)] as number;
          const right = b.data[bStart + (transB ? column * k + inner : inner * n + column)] as number;
          sum += left * right;
        }
        out.data[(index * m + row) * n + column] = alpha * sum;
      }
    }
  }
  return out;
}

function mapRows(
  x: HostTensor<"float64">,
  write: (row: Float64Array, out: Float64Array) => void,
): HostTensor<"float64"> {
  const width = x.shape.at(-1) ?? 1;
  const out = reals(x.shape);
  for (let start = 0; start < x.data.length; start += width)
    write(x.data.subarray(start, start + width), out.data.subarray(start, start + width));
  return out;
}

/** x − max, and the sum of its exponentials. A row of −∞ only gives NaN, as it should: it has no softmax. */
function shiftedExp(row: Float64Array): { shifted: Float64Array; total: number } {
  const largest = row.reduce((max, value) => (value > max || value !== value ? value : max), -Infinity);
  const shifted = row.map((value) => value - largest);
  return { shifted, total: shifted.reduce((sum, value) => sum + exp(value), 0) };
}

function writeLogSoftmax(row: Float64Array, out: Float64Array): void {
  const { shifted, total } = shiftedExp(row);
  shifted.forEach((value, i) => {
    out[i] = value - log(total);
  });
}

function layerNorm(
  x: HostTensor<"float64">,
  gamma: HostTensor<"float64">,
  beta: HostTensor<"float64">,
  epsilon: number,
): readonly RefTensor[] {
  const width = gamma.data.length;
  const statistics = [...x.shape.slice(0, -1), 1];
  const [y, mean, invStd] = [reals(x.shape), reals(statistics), reals(statistics)];
  for (let row = 0; row < mean.data.length; row++) {
    const values = x.data.subarray(row * width, (row + 1) * width);
    const average = values.reduce((sum, value) => sum + value, 0) / width;
    const variance = values.reduce((sum, value) => sum + (value - average) * (value - average), 0) / width;
    mean.data[row] = average;
    const inverse = 1 / Math.sqrt(variance + epsilon);
    invStd.data[row] = inverse;
    values.forEach((value, i) => {
      y.data[row * width + i] = (value - average) * inverse * (gamma.data[i] as number) + (beta.data[i] as number);
    });
  }
  return [y, mean, invStd];
}

function rmsNorm(x: HostTensor<"float64">, gamma: HostTensor<"float64">, epsilon: number): readonly RefTensor[] {
  const width = gamma.data.length;
  const [y, invRms] = [reals(x.shape), reals([...x.shape.slice(0, -1), 1])];
  for (let row = 0; row < invRms.data.length; row++) {
    const values = x.data.subarray(row * width, (row + 1) * width);
    const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / width;
    const inverse = 1 / Math.sqrt(meanSquare + epsilon);
    invRms.data[row] = inverse;
    values.forEach((value, i) => {
      y.data[row * width + i] = value * inverse * (gamma.data[i] as number);
    });
  }
  return [y, invRms];
}

function rotary(
  x: HostTensor<"float64">,
  positions: HostTensor<"int32">,
  cos: HostTensor<"float64">,
  sin: HostTensor<"float64">,
): HostTensor<"float64"> {
  const [rows, heads, tokens, width] = x.shape as [number, number, number, number];
  const half = width / 2;
  const out = reals(x.shape);
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < heads; head++)
      for (let token = 0; token < tokens; token++) {
        const position = positions.data[row * tokens + token] as number;
        inRange("rotary", position, cos.shape[0] ?? 0);
        const at = ((row * heads + head) * tokens + token) * width;
        for (let i = 0; i < half; i++) {
          const [c, s] = [cos.data[position * half + i] as number, sin.data[position * half + i] as number];
          const [left, right] = [x.data[at + i] as number, x.data[at + half + i] as number];
          out.data[at + i] = left * c - right * s;
          out.data[at + half + i] = right * c + left * s;
        }
      }
  return out;
}

/** Keeps the new keys and values first; then each query by itself, over the tokens that it sees. */
function cachedAttention(
  x: HostTensor<"float64">,
  total: number,
  { heads, keyHeads, width, scale, window }: OpAttributes["cachedAttention"],
  { key, value }: CacheLayer,
): HostTensor<"float64"> {
  const [rows, columns] = x.shape as [number, number];
  const capacity = key.shape[2] as number;
  const kept = (head: number, token: number): number => (head * capacity + token) * width;
  const past = total - rows;
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < keyHeads; head++) {
      const at = row * columns + (heads + head) * width;
      key.data.set(x.data.subarray(at, at + width), kept(head, past + row));
      const values = at + keyHeads * width;
      value.data.set(x.data.subarray(values, values + width), kept(head, past + row));
    }
  const out = reals([rows, heads * width]);
  for (let row = 0; row < rows; row++)
    for (let head = 0; head < heads; head++) {
      const [end, from] = [past + row + 1, window === null ? 0 : Math.max(0, past + row + 1 - window)];
      const group = Math.floor(head / (heads / keyHeads));
      const query = x.data.subarray(row * columns + head * width, row * columns + (head + 1) * width);
      const scores = Float64Array.from({ length: end - from }, (_, i) => {
        const at = kept(group, from + i);
        return scale * query.reduce((sum, element, d) => sum + element * (key.data[at + d] as number), 0);
      });
      const { shifted, total: divisor } = shiftedExp(scores);
      for (let d = 0; d < width; d++)
        out.data[(row * heads + head) * width + d] = shifted.reduce(
          (sum, score, i) => sum + (exp(score) / divisor) * (value.data[kept(group, from + i) + d] as number),
          0,
        );
    }
  return out;
}

function crossEntropy(logits: HostTensor<"float64">, labels: HostTensor<"int32">): readonly RefTensor[] {
  const width = logits.shape[1] ?? 0;
  const logProbs = mapRows(logits, writeLogSoftmax);
  const loss = reals([labels.data.length]);
  labels.data.forEach((label, row) => {
    if (label < 0) return;
    inRange("crossEntropy", label, width);
    loss.data[row] = -(logProbs.data[row * width + label] as number);
  });
  return [loss, logProbs];
}

function crossEntropyGrad(
  logProbs: HostTensor<"float64">,
  labels: HostTensor<"int32">,
  dy: HostTensor<"float64">,
): HostTensor<"float64"> {
  const width = logProbs.shape[1] ?? 0;
  const out = reals(logProbs.shape);
  labels.data.forEach((label, row) => {
    if (label < 0) return;
    inRange("crossEntropyGrad", label, width);
    for (let i = 0; i < width; i++) {
      const probability = exp(logProbs.data[row * width + i] as number);
      out.data[row * width + i] = (dy.data[row] as number) * (i === label ? probability - 1 : probability);
    }
  });
  return out;
}

function lengthAlong(parts: readonly RefTensor[], axis: number): number {
  return parts.reduce((sum, { shape }) => sum + (shape[axis] as number), 0);
}

/** The parts one after another along an axis, from element `start` on, `length` elements. */
function copyAlong(parts: readonly RefTensor[], axis: number, length: number, start = 0): RefTensor {
  const [first] = parts as [RefTensor];
  const shape = first.shape.with(axis, length);
  const out: RefTensor =
    first.dtype === "float64" ? reals(shape) : tensor("int32", shape, new Int32Array(elements(shape)));
  const inner = elements(first.shape.slice(axis + 1));
  const outer = elements(first.shape.slice(0, axis));
  for (let block = 0; block < outer; block++) {
    let position = -start;
    for (const { data, shape: own } of parts) {
      const size = own[axis] as number;
      for (let i = 0; i < size; i++, position++) {
        if (position < 0 || position >= length) continue;
        for (let k = 0; k < inner; k++)
          out.data[(block * length + position) * inner + k] = data[(block * size + i) * inner + k] as number;
      }
    }
  }
  return out;
}

function reduceSum(x: HostTensor<"float64">, axes: readonly number[], keepDims: boolean): HostTensor<"float64"> {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const out = reals(kept);
  walk(x.shape, [broadcastStrides(kept, x.shape)], (position, [to]) => {
    out.data[to as number] = (out.data[to as number] as number) + (x.data[position] as number);
  });
  return keepDims
    ? out
    : tensor(
        "float64",
        x.shape.filter((_, axis) => !axes.includes(axis)),
        out.data,
      );
}

/** Rows of `table` at each index. */
function gather(op: OpName, table: HostTensor<"float64">, index: HostTensor<"int32">): HostTensor<"float64"> {
  const [rows, width] = table.shape as [number, number];
  const out = reals([...index.shape, width]);
  index.data.forEach((row, i) => {
    inRange(op, row, rows);
    out.data.set(table.data.subarray(row * width, (row + 1) * width), i * width);
  });
  return out;
}

/** Zeros with the rows of `dy` added at each index, in order; those at `skip` are dropped. */
function scatter(
  op: OpName,
  dy: HostTensor<"float64">,
  index: HostTensor<"int32">,
  rows: number,
  skip: number,
): HostTensor<"float64"> {
  const width = dy.shape.at(-1) ?? 1;
  const out = reals([rows, width]);
  index.data.forEach((row, i) => {
    inRange(op, row, rows);
    if (row === skip) return;
    for (let column = 0; column < width; column++) {
      out.data[row * width + column] =
        (out.data[row * width + column] as number) + (dy.data[i * width + column] as number);
    }
  });
  return out;
}

function inRange(op: OpName, row: number, rows: number): void {
  if (row < 0 || row >= rows)
    throw new LockstepError(
      "INPUT_INVALID",
      `${op}: row ${row} is outside 0..${rows - 1}; check ids against the vocabulary and positions against the input`,
      { op, row, rows },
    );
}
