/**
 * Graph → program: which values are needed, what the host does around the session, and ONNX nodes for the rest. Weights
 * are inputs of the model in shared form, external initializers in packed form; embedding tables are in neither.
 */
import { LockstepError } from "../../base/index.ts";
import { evalShape, type Graph, type Node, type OpName, type Shape, type Value, type ValueId } from "../graph/index.ts";
import type { Form } from "./contract.ts";
import { Emitter, MICROSOFT } from "./emit.ts";
import { biasedProducts, type BiasedProduct } from "./fuse.ts";
import { encodeModel, type Element, type Initializer, type ValueInfo } from "./onnx.ts";
import { cacheNames, type CacheFeed, type Declared, type GatherFeed, type LoweredProgram } from "./program.ts";
import type { MaskFeed, ResultPlan, RowGradient } from "./program.ts";
import { RULES, type SessionOp } from "./rules.ts";

const OPSETS = { "": 18, [MICROSOFT]: 1 };
const ELEMENTS = { real: "float32", int: "int32" } as const satisfies Record<Value["type"], Element>;

export function lower(graph: Graph, { form }: { readonly form: Form }): LoweredProgram {
  const lowering = new Lowering(graph, form);
  for (const [name, value] of graph.outputs) lowering.result(name, value);
  for (const node of graph.nodes) lowering.lowerNode(node);
  return lowering.finish();
}

/**
 * The state of one lowering. `result` is called for every output first: what they need decides which nodes are written.
 */
class Lowering {
  readonly #graph: Graph;
  readonly #form: Form;
  readonly #producer: readonly Node[];
  readonly #sparse: ReadonlySet<ValueId>;
  readonly #biased: ReadonlyMap<Node, BiasedProduct>;
  /** Products that are written where their bias is added. */
  readonly #takenUp: ReadonlySet<Node>;
  readonly #emit = new Emitter();
  readonly #needed = new Set<ValueId>();
  readonly #names = new Map<ValueId, string>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #inputFeeds = new Map<string, string>();
  readonly #weightFeeds = new Map<string, string>();
  readonly #gatherFeeds: GatherFeed[] = [];
  readonly #maskFeeds: MaskFeed[] = [];
  readonly #cacheFeeds: CacheFeed[] = [];
  readonly #results = new Map<string, ResultPlan>();
  /** Session outputs that are other values under another name; written after all nodes. */
  readonly #aliases: { readonly from: readonly ValueId[]; readonly to: string }[] = [];

  constructor(graph: Graph, form: Form) {
    this.#graph = graph;
    this.#form = form;
    this.#producer = producers(graph);
    this.#sparse = sparseValues(graph);
    this.#biased = biasedProducts(graph);
    this.#takenUp = new Set([...this.#biased.values()].map(({ product }) => product));
  }

  /**
   * A result is a dense sum (often of one value), computed in the session, and row gradients added to it by the host.
   */
  result(name: string, value: ValueId): void {
    const { type, shape } = this.#value(value);
    const { dense, sparse } = this.#summands(value);
    const fetch = dense.length === 0 ? null : this.#fetch(`output:${name}`, dense, shape, type);
    const rowGradients = sparse.map((node, i): RowGradient => {
      const [dy, ids] = node.inputs as [ValueId, ValueId];
      const { shape: rowShape } = this.#value(dy);
      return {
        fetch: this.#fetch(`rows:${name}:${i}`, [dy], rowShape, "real"),
        shape: rowShape,
        ids: this.#hostInput(ids),
        ...node.attributes,
      };
    });
    this.#results.set(name, { type, shape, fetch, rowGradients });
  }

  lowerNode(node: Node): void {
    if (!node.outputs.some((id) => this.#needed.has(id))) return;
    const [output] = node.outputs as [ValueId];
    const { type, shape } = this.#value(output);
    switch (node.op) {
      case "input":
        this.#inputFeeds.set(node.attributes.name, this.#feed(`input:${node.attributes.name}`, output));
        return;
      case "parameter":
        this.#weightFeeds.set(node.attributes.name, this.#weight(node.attributes.name, output));
        return;
      case "embedding": {
        const [table, ids] = node.inputs as [ValueId, ValueId];
        this.#gatherFeeds.push({
          feed: this.#feed(`rows:${output}`, output),
          table: this.#declaredName(table, "parameter"),
          ids: this.#hostInput(ids),
          shape,
        });
        return;
      }
      case "dropoutMask":
        this.#maskFeeds.push({ feed: this.#feed(`mask:${node.attributes.site}`, output), ...node.attributes });
        return;
      case "embeddingGrad":
        throw new LockstepError(
          "GRAPH_INVALID",
          `value ${output} (${type}), an embedding's gradient, may only be a summand of an output`,
          { value: output },
        );
      case "cachedAttention":
        this.#cacheFeed(node);
        this.#lowerComputed(node);
        return;
      default:
        this.#lowerComputed(node);
    }
  }

  /** A layer of a cache goes in and comes out, of a length that is the cache's and no symbol of the graph. */
  #cacheFeed(node: Node<"cachedAttention">): void {
    const { slot, layer, keyHeads, width } = node.attributes;
    const [x, total] = node.inputs as [ValueId, ValueId];
    const names = cacheNames(node.attributes);
    const info = (name: string): ValueInfo => ({
      name,
      element: "float32",
      shape: [1, keyHeads, `capacity_${slot}`, width],
    });
    this.#inputs.push(info(names.pastKey), info(names.pastValue));
    this.#outputs.push(info(names.key), info(names.value));
    this.#cacheFeeds.push({
      ...{ slot, layer, keyHeads, width, names },
      rows: this.#value(x).shape[0] ?? 0,
      total: this.#declaredName(total, "input"),
    });
  }

  #lowerComputed(node: Node<SessionOp>): void {
    const biased = this.#biased.get(node);
    if (biased !== undefined) this.#lowerBiased(biased, node);
    else if (!this.#takenUp.has(node)) this.#lowerSessionNode(node);
  }

  #lowerBiased({ product, bias }: BiasedProduct, add: Node): void {
    const { transA, transB, alpha } = product.attributes;
    this.#emit.node(
      "Gemm",
      [...product.inputs, bias].map((id) => this.#name(id)),
      {
        outputs: add.outputs.map((id) => this.#name(id)),
        attributes: { transA: { int: transA ? 1 : 0 }, transB: { int: transB ? 1 : 0 }, alpha: { float: alpha } },
      },
    );
  }

  finish(): LoweredProgram {
    for (const { from, to } of this.#aliases)
      this.#emit.node(
        from.length === 1 ? "Identity" : "Sum",
        from.map((id) => this.#name(id)),
        { outputs: [to] },
      );
    const declared = <Op extends "input" | "parameter">(op: Op): Map<string, Declared> =>
      new Map(
        this.#graph.nodes.flatMap((node) =>
          node.op === op ? [[node.attributes.name, this.#value(node.outputs[0] as ValueId)] as const] : [],
        ),
      );
    return {
      form: this.#form,
      model: encodeModel({
        name: "lockstep",
        inputs: [...this.#inputs, ...this.#emit.shapeInputs()],
        outputs: this.#outputs,
        initializers: [...this.#emit.initializers.values(), ...this.#externals()],
        nodes: this.#emit.nodes,
        opsets: OPSETS,
      }),
      inputs: declared("input"),
      parameters: new Map([...declared("parameter")].map(([name, { shape }]) => [name, evalShape(shape, {})])),
      inputFeeds: this.#inputFeeds,
      weightFeeds: this.#weightFeeds,
      shapeFeeds: [...this.#emit.shapeFeeds.values()],
      gatherFeeds: this.#gatherFeeds,
      maskFeeds: this.#maskFeeds,
      cacheFeeds: this.#cacheFeeds,
      results: this.#results,
    };
  }

  #lowerSessionNode<Op extends SessionOp>(node: Node<Op>): void {
    RULES[node.op](
      this.#emit,
      {
        inputs: node.inputs.map((id) => this.#name(id)),
        // "" leaves an optional result away
        outputs: node.outputs.map((id, i) => (i === 0 || this.#needed.has(id) ? this.#name(id) : "")),
        inputShapes: node.inputs.map((id) => this.#value(id).shape),
      },
      node.attributes,
    );
  }

  /** An input of the model that stands for a value of the graph. */
  #feed(name: string, value: ValueId): string {
    const { type, shape } = this.#value(value);
    this.#names.set(value, name);
    this.#inputs.push({ name, element: ELEMENTS[type], shape });
    return name;
  }

  #weight(name: string, value: ValueId): string {
    const feed = `weight:${name}`;
    this.#names.set(value, feed);
    return this.#form === "shared" ? this.#feed(feed, value) : feed;
  }

  /** Packed weights: each is one external file of its own, handed over from memory when the session is made. */
  #externals(): Initializer[] {
    if (this.#form === "shared") return [];
    return [...this.#names]
      .filter(([id]) => this.#producer[id]?.op === "parameter")
      .map(([id, name]) => {
        const shape = evalShape(this.#value(id).shape, {});
        return {
          name,
          element: "float32",
          shape,
          content: { location: name, offset: 0, length: 4 * shape.reduce((product, dim) => product * dim, 1) },
        };
      });
  }

  /**
   * Declares a session output for the sum of some values, under that name; a value computed here simply takes the name.
   */
  #fetch(name: string, values: readonly ValueId[], shape: Shape, type: Value["type"]): string {
    for (const id of values) this.#need(id);
    const [only] = values as [ValueId];
    const own = values.length === 1 && !this.#names.has(only) && !HOST_FED.has(this.#producer[only]?.op as OpName);
    if (own) this.#names.set(only, name);
    else this.#aliases.push({ from: values, to: name });
    this.#outputs.push({ name, element: ELEMENTS[type], shape });
    return name;
  }

  #need(id: ValueId): void {
    const open = [id];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (this.#needed.has(next)) continue;
      this.#needed.add(next);
      const node = this.#producer[next] as Node;
      if (node.op !== "embedding") open.push(...node.inputs); // the table and the ids stay outside
    }
  }

  /**
   * The leaves of the additions that make up a value where embedding gradients are among them; else the value itself.
   */
  #summands(value: ValueId): Summands {
    const node = this.#producer[value] as Node;
    if (node.op === "embeddingGrad") return { dense: [], sparse: [node] };
    if (!this.#sparse.has(value)) return { dense: [value], sparse: [] };
    const parts = node.inputs.map((id) => this.#summands(id));
    return { dense: parts.flatMap(({ dense }) => dense), sparse: parts.flatMap(({ sparse }) => sparse) };
  }

  /**
   * The graph input that holds these ids. The host reads them before the session runs, so they may be reshaped but not
   * computed.
   */
  #hostInput(ids: ValueId): string {
    let node = this.#producer[ids] as Node;
    while (node.op === "reshape") node = this.#producer[node.inputs[0] as ValueId] as Node;
    return this.#declaredName(node.outputs[0] as ValueId, "input");
  }

  #declaredName(id: ValueId, op: "input" | "parameter"): string {
    const node = this.#producer[id] as Node;
    if (node.op !== op)
      throw new LockstepError(
        "GRAPH_INVALID",
        `value ${id} (${node.op}) must be ` +
          (op === "input"
            ? "an input, as it is or reshaped: the host reads the ids of an embedding before the session runs"
            : "a parameter"),
        { value: id, op: node.op },
      );
    return node.attributes.name;
  }

  #name(id: ValueId): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const name = `v${id}`;
    this.#names.set(id, name);
    return name;
  }

  #value(id: ValueId): Value {
    return this.#graph.values[id] as Value;
  } // the graph was verified when it was built
}

interface Summands {
  readonly dense: readonly ValueId[];
  readonly sparse: readonly Node<"embeddingGrad">[];
}

/** Embedding gradients and the sums that contain one; the verifier lets nothing else touch them. */
function sparseValues({ nodes }: Graph): ReadonlySet<ValueId> {
  const sparse = new Set<ValueId>();
  for (const node of nodes)
    if (node.op === "embeddingGrad" || node.inputs.some((id) => sparse.has(id)))
      for (const id of node.outputs) sparse.add(id);
  return sparse;
}

/** Results of these are inputs or initializers of the model; as an output they need a node of their own. */
const HOST_FED: ReadonlySet<OpName> = new Set<OpName>(["input", "parameter", "embedding", "dropoutMask"]);

function producers({ nodes, values }: Graph): Node[] {
  const producer = new Array<Node>(values.length);
  for (const node of nodes) for (const id of node.outputs) producer[id] = node;
  return producer;
}
