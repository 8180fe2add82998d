/**
 * The graph language: a closed set of operators over values with symbolic shapes. It is pure data: no operator computes
 * anything here. Forward, loss and backward programs are all written in it; `autodiff` maps graphs to graphs, `runtime`
 * runs them. Everything is row-major; axes are non-negative.
 */

/** An integer, a product of symbols and an integer, or a sum of those: `32`, `"T"`, `"2*B*T"`, `"P+T"`. See dim.ts. */
export type Dim = number | string;
export type Shape = readonly Dim[];

/**
 * `real` is float32 or float64 as the executor chooses (the oracle: float64). `int` is int32: ids, labels, positions.
 */
export type ValueType = "real" | "int";

/** Index into `Graph.values`. */
export type ValueId = number;

export interface Value {
  readonly id: ValueId;
  readonly type: ValueType;
  readonly shape: Shape;
}

/** Attributes of every operator, in one table. Adding a row here makes every rule table incomplete at compile time. */
export interface OpAttributes {
  /** A value handed in at every run. Rank 0 is a scalar. */
  input: { readonly name: string };
  /** A weight, bound when the program is loaded. Static shape (no symbols). */
  parameter: { readonly name: string };
  /** A scalar (rank 0) constant. */
  constant: { readonly value: number };

  // elementwise, with NumPy broadcasting between operands
  add: NoAttributes;
  sub: NoAttributes;
  mul: NoAttributes;
  div: NoAttributes;
  // elementwise
  neg: NoAttributes;
  exp: NoAttributes;
  log: NoAttributes;
  sqrt: NoAttributes;
  reciprocal: NoAttributes;
  tanh: NoAttributes;
  relu: NoAttributes;
  erf: NoAttributes;
  /** 1/(1 + e^−x). */
  sigmoid: NoAttributes;
  /** ln(1 + e^x), also where e^x overflows. */
  softplus: NoAttributes;
  /** The approximation of GELU with tanh: x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))). */
  geluTanh: NoAttributes;
  /** Exact GELU, x·Φ(x). */
  gelu: NoAttributes;
  /** (x, dy) → dy·(Φ(x) + x·φ(x)). Not differentiable again. */
  geluGrad: NoAttributes;
  /** (x, dy) → dy where x > 0, else 0. Not differentiable again. */
  reluGrad: NoAttributes;

  /** alpha · op(a) · op(b) over the last two axes; leading axes are equal, or b has rank 2. */
  matmul: { readonly transA: boolean; readonly transB: boolean; readonly alpha: number };
  /** Over the last axis. */
  softmax: NoAttributes;
  logSoftmax: NoAttributes;
  /** (x, gamma[C], beta[C]) → y, mean[..., 1], invStd[..., 1], over the last axis. Three outputs. */
  layerNorm: { readonly epsilon: number };
  /** (x, gamma[C]) → x·invRms·gamma, invRms[..., 1] = 1/√(mean x² + epsilon), over the last axis. Two outputs. */
  rmsNorm: { readonly epsilon: number };
  /**
   * (x[B, H, T, D], positions int[B, T], cos[M, D/2], sin[M, D/2]) → x, with the pair of elements i and i + D/2 turned
   * by the angle whose cosine and sine are cos[positions, i] and sin[positions, i]. Positions are rows of the tables,
   * which have no gradient.
   */
  rotary: NoAttributes;
  /**
   * (logits[N, V], labels int[N]) → loss[N] = −log softmax(logits)[label], logProbs[N, V]. A negative label's loss is
   * 0; others are below V. Two outputs.
   */
  crossEntropy: NoAttributes;
  /** (logProbs[N, V], labels int[N], dy[N]) → dy·(softmax − one-hot), 0 in rows of negative labels. Not again. */
  crossEntropyGrad: NoAttributes;

  /**
   * (x[R, (H + 2·G)·D], total int[]) → [R, H·D]: causal attention of R new tokens of one sequence over its cache. A row
   * of x has H query heads, G key heads and G value heads, each D wide; H/G query heads side by side share a key head.
   * Keys and values are kept as tokens total−R..total−1 of the cache's `layer`, and the query of token p sees tokens
   * 0..p, or the last `window` of them, p included. `total` is an input of the graph. R is at least 2: the library
   * computes a lone row otherwise (docs/decisions/0007). The only operator with a state, which is the executor's: see
   * `Cache` in runtime/contract.ts. A layer of a slot stands in a graph once. No gradient.
   */
  cachedAttention: {
    /** Which of the run's caches. */
    readonly slot: number;
    readonly layer: number;
    readonly heads: number;
    /** G, which divides the number of heads. */
    readonly keyHeads: number;
    /**
     * D, a multiple of 8 up to 128. Heads that are none are widened with zeros, which changes no product; the library's
     * sums over more than 128 elements are cut at a place that depends on the number of keys.
     */
    readonly width: number;
    /** Of the scores. */
    readonly scale: number;
    /** Tokens that a token sees, itself included; null: all before it. */
    readonly window: number | null;
  };

  reshape: { readonly shape: Shape };
  /**
   * NumPy broadcasting to `shape`: axes are added at the left, and those of length 1 repeated. The adjoint of reduceSum
   * needs it.
   */
  expand: { readonly shape: Shape };
  transpose: { readonly perm: readonly number[] };
  /** Elements start..end-1 along one axis. */
  slice: { readonly axis: number; readonly start: Dim; readonly end: Dim };
  /** Zeros before and after along one axis: the adjoint of slice. */
  pad: { readonly axis: number; readonly before: Dim; readonly after: Dim };
  /** Any number of operands of one type, one after another along one axis; their other axes are equal. */
  concat: { readonly axis: number };
  /** Sums over `axes` (sorted). */
  reduceSum: { readonly axes: readonly number[]; readonly keepDims: boolean };
  /**
   * (int [...]) → real [..., depth]: `on` at the index, `off` elsewhere. An index outside 0..depth-1 (say -100) gives a
   * row of `off`.
   */
  oneHot: { readonly depth: Dim; readonly on: number; readonly off: number };
  /** (x[N, C], index int[P]) → [P, C]. Indices are in range. For activations, inside the session. */
  gatherRows: NoAttributes;
  /** (dy[P, C], index int[P]) → [rows, C]: zeros with dy's rows added in order of P. Adjoint of gatherRows. */
  scatterAddRows: { readonly rows: Dim };
  /**
   * (table[V, C] parameter, ids int[...]) → [..., C]. The table stays shared: rows are gathered by the executor around
   * the session. Gradient rows of `paddingId` are dropped (-1: none).
   */
  embedding: { readonly paddingId: number };
  /**
   * (dy[..., C], ids int[...]) → [rows, C]: the gradient of an embedding table, rows added in (row, position) order.
   * Only as (a summand of) a graph output.
   */
  embeddingGrad: { readonly rows: number; readonly paddingId: number };
  /**
   * () → a mask of `shape` with 1/(1-rate) where kept and 0 where dropped; element i of the mask of `site` is a
   * function of (seed, step, shard, site, i) only (counter-based generator; see runtime/contract.ts). No gradient.
   */
  dropoutMask: { readonly shape: Shape; readonly rate: number; readonly site: number };
}
export type NoAttributes = Readonly<Record<never, never>>;
export type OpName = keyof OpAttributes;

/**
 * One node, or a node of the operators `Op`; a union indexed by `op`, so that rule tables are called without a cast.
 */
export type Node<Op extends OpName = OpName> = {
  readonly [P in Op]: {
    readonly op: P;
    readonly attributes: OpAttributes[P];
    readonly inputs: readonly ValueId[];
    readonly outputs: readonly ValueId[];
  };
}[Op];

/** Nodes are in topological order; every value is the output of exactly one node. */
export interface Graph {
  readonly values: readonly Value[];
  readonly nodes: readonly Node[];
  /**
   * Named results, in the order in which they were declared. Several may name one value, and a value may be an input or
   * a parameter itself.
   */
  readonly outputs: ReadonlyMap<string, ValueId>;
}
