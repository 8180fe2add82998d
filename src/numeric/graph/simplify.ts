/**
 * Makes a graph smaller without changing one bit of its results: dead nodes go, equal nodes become one, and what only
 * moves data is folded away (each operator left is one pass over memory when it runs). Inputs and parameters all stay,
 * in order: they are the program's interface. Not here: anything inexact, such as reassociation, or x + 0 (−0 + 0 is
 * 0).
 */
import { GraphBuilder } from "./builder.ts";
import { broadcastShapes } from "./infer.ts";
import { shapesEqual } from "./dim.ts";
import type { Graph, Node, Shape, ValueId } from "./types.ts";

export function simplify(graph: Graph): Graph {
  let smaller = rebuild(graph, live(graph));
  // Folding leaves dead nodes behind, and what one fold makes may be the start of another: each pass has fewer nodes or
  // operands that are nearer to the inputs, so this ends.
  for (;;) {
    const next = rebuild(smaller, live(smaller));
    if (sameNodes(next, smaller)) return next;
    smaller = next;
  }
}

/** Whether a pass changed nothing: it numbers values in the order of the nodes, so alike is equal. */
function sameNodes(a: Graph, b: Graph): boolean {
  return (
    a.nodes.length === b.nodes.length &&
    a.nodes.every(({ op, inputs }, i) => {
      const other = b.nodes[i] as Node;
      return (
        op === other.op && inputs.length === other.inputs.length && inputs.every((id, j) => id === other.inputs[j])
      );
    })
  );
}

function live(graph: Graph): ReadonlySet<Node> {
  const wanted = new Set<ValueId>(graph.outputs.values());
  const nodes = new Set<Node>();
  for (const node of graph.nodes.toReversed()) {
    if (node.op !== "input" && node.op !== "parameter" && !node.outputs.some((id) => wanted.has(id))) continue;
    nodes.add(node);
    for (const id of node.inputs) wanted.add(id);
  }
  return nodes;
}

function rebuild(graph: Graph, keep: ReadonlySet<Node>): Graph {
  const folder = new Folder();
  const renamed = new Map<ValueId, ValueId>();
  for (const node of graph.nodes) {
    if (!keep.has(node)) continue;
    const inputs = node.inputs.map((id) => renamed.get(id) as ValueId); // nodes are in topological order
    const outputs = folder.add(node, inputs, graph);
    node.outputs.forEach((id, i) => renamed.set(id, outputs[i] as ValueId));
  }
  for (const [name, id] of graph.outputs) folder.builder.output(name, renamed.get(id) as ValueId);
  return folder.builder.build();
}

class Folder {
  readonly builder = new GraphBuilder();
  readonly #known = new Map<string, readonly ValueId[]>();
  readonly #made = new Map<ValueId, Node>();

  add(node: Node, inputs: readonly ValueId[], graph: Graph): readonly ValueId[] {
    if (node.op === "input" || node.op === "parameter") {
      const { type, shape } = graph.values[node.outputs[0] as ValueId] as Graph["values"][number];
      const { name } = node.attributes;
      return [node.op === "input" ? this.builder.input(name, type, shape) : this.builder.parameter(name, shape)];
    }
    const folded = this.#fold(node, inputs);
    return folded === null ? this.#emit(node, inputs) : [folded];
  }

  /** The same operator on the same operands is the same node; a constant's −0 is not 0. */
  #emit(node: Exclude<Node, Node<"input" | "parameter">>, inputs: readonly ValueId[]): readonly ValueId[] {
    const operands = this.#withoutExpand(node, inputs);
    const key = JSON.stringify([
      node.op,
      operands,
      Object.entries(node.attributes).map(([name, value]: [string, unknown]) => [
        name,
        Object.is(value, -0) ? "-0" : Array.isArray(value) ? value : String(value),
      ]),
    ]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const outputs = this.builder.applyMany(node.op, node.attributes, operands);
    this.#known.set(key, outputs);
    for (const id of outputs) this.#made.set(id, { ...node, inputs: operands, outputs });
    return outputs;
  }

  /** A value that the node's result already is, or null. */
  #fold(node: Node, inputs: readonly ValueId[]): ValueId | null {
    const [a, b] = inputs as readonly [ValueId, ValueId];
    const { builder } = this;
    switch (node.op) {
      case "mul":
        if (this.#constantOf(a) === 1 && this.#resultIs(inputs, b)) return b;
        return this.#constantOf(b) === 1 && this.#resultIs(inputs, a) ? a : null;
      case "div":
        return this.#constantOf(b) === 1 && this.#resultIs(inputs, a) ? a : null;
      case "add": {
        const [left, right] = [this.#made.get(a), this.#made.get(b)];
        if (right?.op === "neg")
          return this.#emit({ ...node, op: "sub" }, [a, right.inputs[0] as ValueId])[0] as ValueId;
        return left?.op === "neg"
          ? (this.#emit({ ...node, op: "sub" }, [b, left.inputs[0] as ValueId])[0] as ValueId)
          : null;
      }
      case "neg": {
        const inner = this.#made.get(a);
        return inner?.op === "neg" ? (inner.inputs[0] as ValueId) : null;
      }
      case "expand":
        return shapesEqual(builder.shapeOf(a), node.attributes.shape) ? a : null;
      case "reshape": {
        const inner = this.#made.get(a);
        const source = inner?.op === "reshape" ? (inner.inputs[0] as ValueId) : a;
        if (shapesEqual(builder.shapeOf(source), node.attributes.shape)) return source;
        return source === a ? null : (this.#emit(node, [source])[0] as ValueId);
      }
      case "transpose": {
        const inner = this.#made.get(a);
        const perm =
          inner?.op === "transpose"
            ? node.attributes.perm.map((axis) => inner.attributes.perm[axis] as number)
            : node.attributes.perm;
        const source = inner?.op === "transpose" ? (inner.inputs[0] as ValueId) : a;
        if (perm.every((axis, i) => axis === i)) return source;
        return source === a ? null : (this.#emit({ ...node, attributes: { perm } }, [source])[0] as ValueId);
      }
      default:
        return null;
    }
  }

  /**
   * Elementwise operators broadcast by themselves: an expanded operand is not needed where the other one is full-sized.
   */
  #withoutExpand(node: Node, inputs: readonly ValueId[]): readonly ValueId[] {
    if (node.op !== "add" && node.op !== "sub" && node.op !== "mul" && node.op !== "div") return inputs;
    if (inputs.some((id) => this.#isTableGradient(id))) return inputs; // its summands are of one shape
    const result = this.#broadcast(inputs);
    return inputs.reduce<readonly ValueId[]>((operands, id, i) => {
      const maker = this.#made.get(id);
      const shorter = maker?.op === "expand" ? operands.with(i, maker.inputs[0] as ValueId) : operands;
      return shapesEqual(this.#broadcast(shorter), result) ? shorter : operands;
    }, inputs);
  }

  #isTableGradient(id: ValueId): boolean {
    const node = this.#made.get(id);
    return (
      node?.op === "embeddingGrad" ||
      (node?.op === "add" && node.inputs.some((summand) => this.#isTableGradient(summand)))
    );
  }

  #broadcast(inputs: readonly ValueId[]): Shape {
    return inputs.reduce<Shape>((shape, id) => broadcastShapes(shape, this.builder.shapeOf(id)) ?? [], []);
  }

  #resultIs(inputs: readonly ValueId[], id: ValueId): boolean {
    return shapesEqual(this.#broadcast(inputs), this.builder.shapeOf(id));
  }

  /** The constant that fills a value, seen through reshape, expand and transpose. */
  #constantOf(id: ValueId): number | undefined {
    const node = this.#made.get(id);
    if (node?.op === "constant") return node.attributes.value;
    return node?.op === "reshape" || node?.op === "expand" || node?.op === "transpose"
      ? this.#constantOf(node.inputs[0] as ValueId)
      : undefined;
  }
}
