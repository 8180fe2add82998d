/**
 * Writes graphs: one method per operator, each taking and giving value ids. Shapes are inferred (and refused) as it is
 * written.
 */
import { invariant, LockstepError } from "../../base/index.ts";
import { canonicalDim, canonicalShape, divDims, mulDims, shapesEqual } from "./dim.ts";
import { declaredShape, inferShapes, type TypedShape } from "./infer.ts";
import type { Dim, Graph, Node, OpAttributes, OpName, Shape, Value, ValueId, ValueType } from "./types.ts";
import { verify } from "./verify.ts";

export interface MatmulOptions {
  /** Transpose the last two axes of the left operand. @default false */
  readonly transA?: boolean;
  /** Transpose the last two axes of the right operand. @default false */
  readonly transB?: boolean;
  /** Factor of the product. @default 1 */
  readonly alpha?: number;
}

export interface LayerNormOutputs {
  readonly y: ValueId;
  readonly mean: ValueId;
  readonly invStd: ValueId;
}

export interface RmsNormOutputs {
  readonly y: ValueId;
  readonly invRms: ValueId;
}

export interface CrossEntropyOutputs {
  readonly loss: ValueId;
  readonly logProbs: ValueId;
}

export class GraphBuilder {
  readonly #values: Value[] = [];
  readonly #nodes: Node[] = [];
  readonly #outputs = new Map<string, ValueId>();
  readonly #constants = new Map<number, ValueId>();

  /** A builder that goes on from a graph: the same value ids, and its outputs unless `outputs` is "none". */
  static from(graph: Graph, outputs: "all" | "none" = "all"): GraphBuilder {
    const builder = new GraphBuilder();
    builder.#values.push(...graph.values);
    builder.#nodes.push(...graph.nodes);
    for (const node of graph.nodes)
      if (node.op === "constant") builder.#constants.set(node.attributes.value, node.outputs[0] as ValueId);
    if (outputs === "all") for (const [name, value] of graph.outputs) builder.#outputs.set(name, value);
    return builder;
  }

  /** A value handed in at every run; its symbols are bound from the shape that comes. */
  input(name: string, type: ValueType, shape: Shape): ValueId {
    return this.#declare("input", name, type, shape);
  }
  /**
   * A weight of fixed shape, bound when the program is loaded. Asked for again with the same shape, it is the same
   * value: tied weights.
   */
  parameter(name: string, shape: Shape): ValueId {
    const known = this.#nodes.find((node) => node.op === "parameter" && node.attributes.name === name)?.outputs[0];
    return known !== undefined && shapesEqual(this.shapeOf(known), shape)
      ? known
      : this.#declare("parameter", name, "real", shape);
  }
  /** A scalar; the same value twice is the same node. */
  constant(value: number): ValueId {
    const known = Object.is(value, -0) ? undefined : this.#constants.get(value);
    if (known !== undefined) return known;
    const id = this.apply("constant", { value }, []);
    if (!Object.is(value, -0)) this.#constants.set(value, id);
    return id;
  }

  add(a: ValueId, b: ValueId): ValueId {
    return this.apply("add", {}, [a, b]);
  }
  sub(a: ValueId, b: ValueId): ValueId {
    return this.apply("sub", {}, [a, b]);
  }
  mul(a: ValueId, b: ValueId): ValueId {
    return this.apply("mul", {}, [a, b]);
  }
  div(a: ValueId, b: ValueId): ValueId {
    return this.apply("div", {}, [a, b]);
  }
  neg(x: ValueId): ValueId {
    return this.apply("neg", {}, [x]);
  }
  exp(x: ValueId): ValueId {
    return this.apply("exp", {}, [x]);
  }
  log(x: ValueId): ValueId {
    return this.apply("log", {}, [x]);
  }
  sqrt(x: ValueId): ValueId {
    return this.apply("sqrt", {}, [x]);
  }
  reciprocal(x: ValueId): ValueId {
    return this.apply("reciprocal", {}, [x]);
  }
  tanh(x: ValueId): ValueId {
    return this.apply("tanh", {}, [x]);
  }
  relu(x: ValueId): ValueId {
    return this.apply("relu", {}, [x]);
  }
  erf(x: ValueId): ValueId {
    return this.apply("erf", {}, [x]);
  }
  sigmoid(x: ValueId): ValueId {
    return this.apply("sigmoid", {}, [x]);
  }
  softplus(x: ValueId): ValueId {
    return this.apply("softplus", {}, [x]);
  }
  geluTanh(x: ValueId): ValueId {
    return this.apply("geluTanh", {}, [x]);
  }
  gelu(x: ValueId): ValueId {
    return this.apply("gelu", {}, [x]);
  }
  geluGrad(x: ValueId, dy: ValueId): ValueId {
    return this.apply("geluGrad", {}, [x, dy]);
  }
  reluGrad(x: ValueId, dy: ValueId): ValueId {
    return this.apply("reluGrad", {}, [x, dy]);
  }

  /** alpha · op(a) · op(b) over the last two axes; leading axes are equal, or b has rank 2. */
  matmul(a: ValueId, b: ValueId, { transA = false, transB = false, alpha = 1 }: MatmulOptions = {}): ValueId {
    return this.apply("matmul", { transA, transB, alpha }, [a, b]);
  }
  softmax(x: ValueId): ValueId {
    return this.apply("softmax", {}, [x]);
  }
  logSoftmax(x: ValueId): ValueId {
    return this.apply("logSoftmax", {}, [x]);
  }
  /** (x[..., C], gamma[C], beta[C]) → y[..., C], mean[..., 1], invStd[..., 1]. */
  layerNorm(x: ValueId, gamma: ValueId, beta: ValueId, { epsilon }: { readonly epsilon: number }): LayerNormOutputs {
    const [y, mean, invStd] = this.applyMany("layerNorm", { epsilon }, [x, gamma, beta]) as [ValueId, ValueId, ValueId];
    return { y, mean, invStd };
  }
  /** (x[..., C], gamma[C]) → y[..., C], invRms[..., 1]. */
  rmsNorm(x: ValueId, gamma: ValueId, { epsilon }: { readonly epsilon: number }): RmsNormOutputs {
    const [y, invRms] = this.applyMany("rmsNorm", { epsilon }, [x, gamma]) as [ValueId, ValueId];
    return { y, invRms };
  }
  /** Rotary position embedding of x[B, H, T, D] with the rows `positions`[B, T] of the tables [M, D/2]. */
  rotary(x: ValueId, positions: ValueId, cos: ValueId, sin: ValueId): ValueId {
    return this.apply("rotary", {}, [x, positions, cos, sin]);
  }
  /** (logits[N, V], labels int[N]) → loss[N], 0 where the label is negative; logProbs[N, V]. */
  crossEntropy(logits: ValueId, labels: ValueId): CrossEntropyOutputs {
    const [loss, logProbs] = this.applyMany("crossEntropy", {}, [logits, labels]) as [ValueId, ValueId];
    return { loss, logProbs };
  }
  crossEntropyGrad(logProbs: ValueId, labels: ValueId, dy: ValueId): ValueId {
    return this.apply("crossEntropyGrad", {}, [logProbs, labels, dy]);
  }

  /** x[R, (H + 2·G)·D], total int[] → [R, H·D]; see OpAttributes. */
  cachedAttention(x: ValueId, total: ValueId, attributes: OpAttributes["cachedAttention"]): ValueId {
    return this.apply("cachedAttention", attributes, [x, total]);
  }

  /** One dimension may be -1: it is what the others leave. */
  reshape(x: ValueId, shape: Shape): ValueId {
    const open = shape.indexOf(-1);
    const resolved =
      open < 0
        ? shape
        : shape.with(open, divDims(mulDims(...this.shapeOf(x)), mulDims(...shape.filter((_, axis) => axis !== open))));
    return this.apply("reshape", { shape: canonicalShape(resolved) }, [x]);
  }
  expand(x: ValueId, shape: Shape): ValueId {
    return this.apply("expand", { shape: canonicalShape(shape) }, [x]);
  }
  transpose(x: ValueId, perm: readonly number[]): ValueId {
    return this.apply("transpose", { perm: [...perm] }, [x]);
  }
  /** Elements start..end-1 along `axis`; the end is that of the axis by default. */
  slice(x: ValueId, axis: number, { start = 0, end }: { readonly start?: Dim; readonly end?: Dim }): ValueId {
    const until = end ?? this.shapeOf(x)[axis] ?? 0;
    return this.apply("slice", { axis, start: canonicalDim(start), end: canonicalDim(until) }, [x]);
  }
  /** Zeros before and after along `axis`. */
  pad(x: ValueId, axis: number, { before = 0, after = 0 }: { readonly before?: Dim; readonly after?: Dim }): ValueId {
    return this.apply("pad", { axis, before: canonicalDim(before), after: canonicalDim(after) }, [x]);
  }
  concat(values: readonly ValueId[], axis: number): ValueId {
    return this.apply("concat", { axis }, values);
  }
  /** `keepDims` is false by default: the summed axes disappear. */
  reduceSum(x: ValueId, axes: readonly number[], { keepDims = false }: { readonly keepDims?: boolean } = {}): ValueId {
    return this.apply("reduceSum", { axes: axes.toSorted((a, b) => a - b), keepDims }, [x]);
  }
  /** int[...] → real[..., depth]; a row of `off` (0) with `on` (1) at the index, if it is in range. */
  oneHot(
    ids: ValueId,
    { depth, on = 1, off = 0 }: { readonly depth: Dim; readonly on?: number; readonly off?: number },
  ): ValueId {
    return this.apply("oneHot", { depth, on, off }, [ids]);
  }
  gatherRows(x: ValueId, index: ValueId): ValueId {
    return this.apply("gatherRows", {}, [x, index]);
  }
  scatterAddRows(dy: ValueId, index: ValueId, { rows }: { readonly rows: Dim }): ValueId {
    return this.apply("scatterAddRows", { rows }, [dy, index]);
  }
  /** (table[V, C] parameter, ids int[...]) → [..., C]. */
  embedding(table: ValueId, ids: ValueId, { paddingId = -1 }: { readonly paddingId?: number } = {}): ValueId {
    return this.apply("embedding", { paddingId }, [table, ids]);
  }
  embeddingGrad(
    dy: ValueId,
    ids: ValueId,
    { rows, paddingId = -1 }: { readonly rows: number; readonly paddingId?: number },
  ): ValueId {
    return this.apply("embeddingGrad", { rows, paddingId }, [dy, ids]);
  }
  /** Each site of a graph needs a number of its own. */
  dropoutMask(shape: Shape, { rate, site }: { readonly rate: number; readonly site: number }): ValueId {
    return this.apply("dropoutMask", { shape: canonicalShape(shape), rate, site }, []);
  }

  /** Names a result. */
  output(name: string, value: ValueId): void {
    this.#value(value);
    if (name === "" || this.#outputs.has(name))
      throw new LockstepError("GRAPH_INVALID", `output name ${JSON.stringify(name)} is empty or taken`, {
        output: name,
      });
    this.#outputs.set(name, value);
  }

  shapeOf(value: ValueId): Shape {
    return this.#value(value).shape;
  }
  typeOf(value: ValueId): ValueType {
    return this.#value(value).type;
  }

  /** The finished graph, verified. The builder may go on afterwards without changing it. */
  build(): Graph {
    const graph: Graph = { values: [...this.#values], nodes: [...this.#nodes], outputs: new Map(this.#outputs) };
    verify(graph);
    return graph;
  }

  /** Any operator with one output by its name: for code that maps over graphs. */
  apply<Op extends Exclude<OpName, "input" | "parameter">>(
    op: Op,
    attributes: OpAttributes[Op],
    inputs: readonly ValueId[],
  ): ValueId {
    const [output] = this.applyMany(op, attributes, inputs);
    invariant(output !== undefined, `${op} has an output`);
    return output;
  }

  applyMany<Op extends Exclude<OpName, "input" | "parameter">>(
    op: Op,
    attributes: OpAttributes[Op],
    inputs: readonly ValueId[],
  ): readonly ValueId[] {
    const results = inferShapes(
      op,
      attributes,
      inputs.map((id) => this.#value(id)),
    );
    return this.#append(op, attributes, inputs, results);
  }

  #declare(op: "input" | "parameter", name: string, type: ValueType, shape: Shape): ValueId {
    const taken = this.#nodes.some(
      (node) => (node.op === "input" || node.op === "parameter") && node.attributes.name === name,
    );
    if (name === "" || taken)
      throw new LockstepError(
        "GRAPH_INVALID",
        `${op} name ${JSON.stringify(name)} is empty, or taken by an input or a parameter of another shape`,
        { op, name },
      );
    const [value] = this.#append(op, { name }, [], [declaredShape(op, name, type, shape)]);
    invariant(value !== undefined, "a declaration has a value");
    return value;
  }

  #append<Op extends OpName>(
    op: Op,
    attributes: OpAttributes[Op],
    inputs: readonly ValueId[],
    results: readonly TypedShape[],
  ): readonly ValueId[] {
    const outputs = results.map(({ type, shape }) => {
      const id = this.#values.length;
      this.#values.push({ id, type, shape });
      return id;
    });
    this.#nodes.push({ op, attributes, inputs: [...inputs], outputs } as Node);
    return outputs;
  }

  #value(id: ValueId): Value {
    const value = this.#values[id];
    if (value === undefined)
      throw new LockstepError(
        "GRAPH_INVALID",
        `no value ${id} in this graph; ids belong to the builder that gave them`,
        { value: id },
      );
    return value;
  }
}
