/**
 * The reference executor: interprets a graph node by node in float64. Slow and obvious; never used in production,
 * always used to judge the executors that are. Weights and real inputs may come as float32; results may be asked for as
 * float32.
 */
import { canonicalJson, LockstepError, sha256Hex } from "../../base/index.ts";
import {
  bindShapes,
  type Dim,
  evalDim,
  evalShape,
  type Graph,
  type Node,
  type OpAttributes,
  showShape,
  type SymbolBindings,
  type Value,
  type ValueId,
  verify,
} from "../graph/index.ts";
import { type HostTensor, tensor, type TypedArray } from "../tensor/index.ts";
import { bindCaches, CacheStore, type CacheLayer, type StoredCache } from "./cache.ts";
import type { Bindings, CacheShape, Executor, Form, LoadOptions, Profile, RandomKey, Session } from "./contract.ts";
import type { RunOptions } from "./contract.ts";
import { KERNELS, type RunContext } from "./reference-kernels.ts";
import type { RefTensor } from "./reference-loops.ts";

export function createReferenceExecutor(): Executor {
  const caches = new CacheStore({ real: "float64", allocate: (bytes) => new ArrayBuffer(bytes) });
  return {
    name: "reference",
    real: "float64",
    load: async (graph, options) => new ReferenceSession(graph, options, caches),
    createCache: (shape, tokens) => caches.create(shape, tokens),
  };
}

function profileOf(form: Form): Profile {
  const fields = { executor: "reference", form, build: "lockstep reference interpreter 1", cpu: "any" } as const;
  return { ...fields, id: sha256Hex(canonicalJson(fields)) };
}

interface Declaration {
  readonly name: string;
  readonly value: Value;
}

class ReferenceSession implements Session {
  readonly profile: Profile;
  readonly #graph: Graph;
  readonly #inputs: readonly Declaration[];
  readonly #weights: ReadonlyMap<string, HostTensor>;
  readonly #caches: CacheStore;
  #disposed = false;

  constructor(graph: Graph, { form, weights }: LoadOptions, caches: CacheStore) {
    verify(graph);
    this.#caches = caches;
    this.profile = profileOf(form);
    this.#graph = graph;
    this.#inputs = declarations(graph, "input");
    this.#weights = new Map(
      declarations(graph, "parameter").map(({ name, value }) => {
        const weight = given(weights, name, "WEIGHTS_INVALID", "weight");
        checkWeight(name, value, weight);
        return [name, form === "packed" ? toReference(weight, name) : weight];
      }),
    );
  }

  /** Computes synchronously; the promise is for the contract. */
  async run(inputs: Bindings, outputs: Bindings, random?: RandomKey, { caches = [] }: RunOptions = {}): Promise<void> {
    if (this.#disposed) throw new LockstepError("INTERNAL", "this session was disposed; load the program again");
    const bound = this.#bindInputs(inputs);
    const symbols = bindShapes(
      this.#inputs.map(({ name, value }) => ({
        what: `input ${name}`,
        shape: value.shape,
        actual: (bound.get(name) as RefTensor).shape,
      })),
    );
    for (const [name, weight] of this.#weights) bound.set(name, toReference(weight, name));
    const wanted = Object.entries(outputs).map(([name, target]) => {
      const value = this.#outputValue(name);
      checkTarget(name, value, evalShape(value.shape, symbols), target);
      return { id: value.id, target };
    });
    const cached = this.#cached(bound, symbols, caches);
    const context: RunContext = {
      cached: (node) => cached.get(node) as CacheLayer,
      sizes: (shape) => evalShape(shape, symbols),
      bound: (name) => bound.get(name) as RefTensor,
      random,
    };
    const results = interpret(
      this.#graph,
      [...wanted.map(({ id }) => id), ...attentions(this.#graph).flatMap((node) => node.outputs)],
      context,
    );
    for (const { id, target } of wanted) write(target, results.get(id) as RefTensor);
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
  }

  /** The layer that each node works on; a slot without a sequence has one of its own for this run. */
  #cached(
    bound: ReadonlyMap<string, RefTensor>,
    symbols: SymbolBindings,
    caches: NonNullable<RunOptions["caches"]>,
  ): Map<OpAttributes["cachedAttention"], CacheLayer> {
    const nodes = attentions(this.#graph);
    const sites = nodes.map(({ attributes, inputs }) => {
      const [x, total] = inputs.map((id) => this.#graph.values[id] as Value) as [Value, Value];
      const { name } = this.#inputs.find(({ value }) => value.id === total.id) as Declaration;
      const rows = evalDim(x.shape[0] as Dim, symbols);
      return { ...attributes, rows, total: bound.get(name)?.data[0] as number };
    });
    const idle = (shape: CacheShape, tokens: number): StoredCache => this.#caches.create(shape, tokens);
    const layers = bindCaches("the program", sites, caches, { store: this.#caches, idle });
    return new Map(nodes.map(({ attributes }, i) => [attributes, layers[i] as CacheLayer]));
  }

  #bindInputs(inputs: Bindings): Map<string, RefTensor> {
    for (const name of Object.keys(inputs))
      if (!this.#inputs.some((input) => input.name === name))
        throw new LockstepError(
          "INPUT_INVALID",
          `the program has no input ${name}; it has ${this.#inputs.map((input) => input.name).join(", ") || "none"}`,
          { name },
        );
    return new Map(
      this.#inputs.map(({ name, value }) => {
        const input = given(inputs, name, "INPUT_INVALID", "input");
        checkType(`input ${name}`, value, input);
        return [name, toReference(input, name)];
      }),
    );
  }

  #outputValue(name: string): Value {
    const id = this.#graph.outputs.get(name);
    if (id === undefined)
      throw new LockstepError(
        "INPUT_INVALID",
        `the program has no output ${name}; it has ${[...this.#graph.outputs.keys()].join(", ")}`,
        { name },
      );
    return this.#graph.values[id] as Value;
  }
}

function attentions({ nodes }: Graph): Node<"cachedAttention">[] {
  return nodes.filter((node) => node.op === "cachedAttention");
}

/** One pass over the nodes that the wanted values need. */
function interpret(graph: Graph, wanted: readonly ValueId[], context: RunContext): ReadonlyMap<ValueId, RefTensor> {
  const needed = new Set(wanted);
  for (const node of graph.nodes.toReversed())
    if (node.outputs.some((id) => needed.has(id))) for (const id of node.inputs) needed.add(id);
  const results = new Map<ValueId, RefTensor>();
  for (const node of graph.nodes) {
    if (!node.outputs.some((id) => needed.has(id))) continue;
    const computed = compute(
      node,
      node.inputs.map((id) => results.get(id) as RefTensor),
      context,
    );
    node.outputs.forEach((id, i) => results.set(id, computed[i] as RefTensor));
  }
  return results;
}

function compute<Op extends Node["op"]>(
  node: Node<Op>,
  inputs: readonly RefTensor[],
  context: RunContext,
): readonly RefTensor[] {
  return KERNELS[node.op](node.attributes, inputs, context);
}

function declarations(graph: Graph, op: "input" | "parameter"): Declaration[] {
  return graph.nodes.flatMap((node) =>
    node.op === op ? [{ name: node.attributes.name, value: graph.values[node.outputs[0] as ValueId] as Value }] : [],
  );
}

function given(bindings: Bindings, name: string, code: "INPUT_INVALID" | "WEIGHTS_INVALID", what: string): HostTensor {
  const found = Object.hasOwn(bindings, name) ? bindings[name] : undefined;
  if (found === undefined)
    throw new LockstepError(code, `the program needs the ${what} ${name}, which was not given`, { name });
  return found;
}

function checkWeight(name: string, value: Value, weight: HostTensor): void {
  const fits =
    weight.shape.length === value.shape.length && weight.shape.every((size, axis) => size === value.shape[axis]);
  if (!fits)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `weight ${name} has shape [${weight.shape.join(", ")}], but the program declares ${showShape(value)}`,
      { name, shape: weight.shape },
    );
  if (weight.dtype !== "float32" && weight.dtype !== "float64")
    throw new LockstepError("WEIGHTS_INVALID", `weight ${name} must be float32 or float64, not ${weight.dtype}`, {
      name,
      dtype: weight.dtype,
    });
}

function checkType(what: string, value: Value, given: HostTensor): void {
  const fits = value.type === "int" ? given.dtype === "int32" : given.dtype === "float32" || given.dtype === "float64";
  if (!fits)
    throw new LockstepError(
      "INPUT_INVALID",
      `${what} must be ${value.type === "int" ? "int32" : "float64 or float32"}, not ${given.dtype}`,
      { what, dtype: given.dtype },
    );
}

function checkTarget(name: string, value: Value, sizes: readonly number[], target: HostTensor): void {
  checkType(`output ${name}`, value, target);
  const fits = target.shape.length === sizes.length && target.shape.every((size, axis) => size === sizes[axis]);
  if (!fits)
    throw new LockstepError(
      "INPUT_INVALID",
      `output ${name} will have shape [${sizes.join(", ")}], but the tensor for it has [${target.shape.join(", ")}]`,
      { name, shape: target.shape },
    );
}

/** A copy that the interpreter owns, so that later writes to the caller's buffer change nothing. */
function toReference(source: HostTensor, name: string): RefTensor {
  const { data, shape } = source;
  if (data instanceof Int32Array) return tensor("int32", shape, Int32Array.from(data));
  if (data instanceof Float32Array || data instanceof Float64Array)
    return tensor("float64", shape, Float64Array.from(data));
  throw new LockstepError("INPUT_INVALID", `${name} has dtype ${source.dtype}, which no program takes`, {
    name,
    dtype: source.dtype,
  });
}

function write(target: HostTensor, result: RefTensor): void {
  const { data }: { readonly data: TypedArray } = target;
  // checkTarget came first
  if (data instanceof BigInt64Array) throw new LockstepError("INTERNAL", "no output is int64");
  data.set(result.data);
}
