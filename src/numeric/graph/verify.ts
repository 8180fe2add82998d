/**
 * What a legal graph is, checked over the finished data: every transform is followed by this check. Local legality is
 * the table in infer.ts; here is what concerns several nodes at once.
 */
import { LockstepError } from "../../base/index.ts";
import { canonicalShape, shapesEqual, symbolsOf } from "./dim.ts";
import { declaredShape, inferNode, showShape, type TypedShape } from "./infer.ts";
import type { Dim, Graph, Node, Value } from "./types.ts";

/** Throws GRAPH_INVALID with what is wrong and at which node. */
export function verify(graph: Graph): void {
  checkOrder(graph);
  checkNames(graph);
  graph.nodes.forEach((node, index) => checkShapes(graph, node, index));
  checkOutputs(graph);
  checkSymbols(graph);
  checkEmbeddings(graph);
  checkSites(graph);
  checkCaches(graph);
}

function fail(message: string, details: Record<string, string | number> = {}): never {
  throw new LockstepError("GRAPH_INVALID", message, details);
}

function checkOrder({ values, nodes }: Graph): void {
  values.forEach((value, index) => {
    if (value.id !== index) fail(`value ${index} carries the id ${value.id}`, { value: index });
  });
  const defined = new Set<number>();
  nodes.forEach((node, index) => {
    for (const id of node.inputs)
      if (!defined.has(id))
        fail(`node ${index} (${node.op}) uses value ${id} before any node defines it`, {
          node: index,
          op: node.op,
          value: id,
        });
    for (const id of node.outputs) {
      if (values[id] === undefined || defined.has(id))
        fail(
          `node ${index} (${node.op}) defines value ${id}, which ` +
            (defined.has(id) ? "is defined already" : "does not exist"),
          { node: index, op: node.op, value: id },
        );
      defined.add(id);
    }
  });
  if (defined.size !== values.length) fail(`${values.length - defined.size} value(s) are defined by no node`);
}

function checkNames({ nodes }: Graph): void {
  const names = new Set<string>();
  for (const node of nodes) {
    if (node.op !== "input" && node.op !== "parameter") continue;
    const { name } = node.attributes;
    if (name === "" || names.has(name))
      fail(`${node.op} name ${JSON.stringify(name)} is empty or taken`, { op: node.op, name });
    names.add(name);
  }
}

function checkShapes({ values }: Graph, node: Node, index: number): void {
  const declared = (id: number): Value => values[id] as Value; // checkOrder came first
  const expected: readonly TypedShape[] =
    node.op === "input" || node.op === "parameter"
      ? node.outputs.map((id) => declaredShape(node.op, node.attributes.name, declared(id).type, declared(id).shape))
      : inferNode(node, node.inputs.map(declared));
  if (expected.length !== node.outputs.length)
    fail(`node ${index} (${node.op}) has ${node.outputs.length} output(s), not ${expected.length}`, {
      node: index,
      op: node.op,
    });
  node.outputs.forEach((id, i) => {
    const actual = declared(id);
    const wanted = expected[i] as TypedShape;
    if (actual.type !== wanted.type || !shapesEqual(actual.shape, wanted.shape))
      fail(`node ${index} (${node.op}) gives ${showShape(wanted)}, but value ${id} says ${showShape(actual)}`, {
        node: index,
        op: node.op,
        value: id,
      });
    if (canonicalShape(actual.shape).some((dim, axis) => dim !== actual.shape[axis]))
      fail(`value ${id} of node ${index} (${node.op}) has a shape that is not canonical: ${showShape(actual)}`, {
        node: index,
        value: id,
      });
  });
}

function checkOutputs({ values, outputs }: Graph): void {
  if (outputs.size === 0) fail("the graph has no outputs; name at least one");
  for (const [name, id] of outputs)
    if (values[id] === undefined)
      fail(`output ${name} is value ${id}, which does not exist`, { output: name, value: id });
}

/** Every symbol must follow from the shapes of the inputs: alone in a dimension, or beside symbols that do. */
function checkSymbols({ values, nodes }: Graph): void {
  const known = new Set<string>();
  const dims = nodes
    .filter((node) => node.op === "input")
    .flatMap((node) => node.outputs.flatMap((id) => values[id]?.shape ?? []));
  for (let before = -1; known.size !== before;) {
    before = known.size;
    for (const dim of dims) {
      const unknown = symbolsOf(dim).filter((symbol) => !known.has(symbol));
      if (unknown.length === 1) known.add(unknown[0] as string);
    }
  }
  const decided = new Set<Dim>();
  for (const value of values) {
    if (value.shape.every((dim) => typeof dim === "number" || decided.has(dim))) continue;
    for (const dim of value.shape) decided.add(dim);
    const open = value.shape.flatMap(symbolsOf).find((symbol) => !known.has(symbol));
    if (open !== undefined)
      fail(`symbol ${open} in ${showShape(value)} (value ${value.id}) follows from no input's shape`, {
        symbol: open,
        value: value.id,
      });
  }
}

/** An embedding's table is a parameter. A table's gradient is never computed with: it is summed into a graph output. */
function checkEmbeddings({ values, nodes, outputs }: Graph): void {
  const producer = new Map<number, Node>(nodes.flatMap((node) => node.outputs.map((id) => [id, node] as const)));
  const sparse = new Set<number>();
  const used = new Set<number>(outputs.values());
  nodes.forEach((node, index) => {
    if (node.op === "embedding" && producer.get(node.inputs[0] as number)?.op !== "parameter")
      fail(`node ${index} (embedding): the table must be a parameter`, { node: index, op: node.op });
    const summands = node.inputs.filter((id) => sparse.has(id));
    for (const id of summands) {
      const whole =
        node.op === "add" &&
        node.inputs.every((other) => shapesEqual(values[other]?.shape ?? [], values[id]?.shape ?? []));
      if (!whole)
        fail(
          `node ${index} (${node.op}) computes with value ${id}, the gradient of an embedding table; it may ` +
            "only be added to others of its shape and be an output",
          { node: index, op: node.op, value: id },
        );
      used.add(id);
    }
    if (node.op === "embeddingGrad" || summands.length > 0) for (const id of node.outputs) sparse.add(id);
  });
  for (const id of sparse)
    if (!used.has(id)) fail(`value ${id}, the gradient of an embedding table, is in no graph output`, { value: id });
}

/** Two masks of one site would drop the same elements: almost surely a mistake. */
function checkSites({ nodes }: Graph): void {
  const sites = new Set<number>();
  for (const node of nodes) {
    if (node.op !== "dropoutMask") continue;
    const { site } = node.attributes;
    if (sites.has(site))
      fail(`two dropout masks share site ${site}; each needs a number of its own`, { op: node.op, site });
    sites.add(site);
  }
}

/** A layer of a sequence is written once in a run; what a slot's layers are like, the cache must be like. */
function checkCaches({ nodes }: Graph): void {
  const seen = new Set<string>();
  const alike = new Map<number, string>();
  const inputs = new Set(nodes.flatMap(({ op, outputs }) => (op === "input" ? outputs : [])));
  for (const node of nodes) {
    if (node.op !== "cachedAttention") continue;
    const { slot, layer, keyHeads, width } = node.attributes;
    const details = { op: node.op, slot, layer };
    if (seen.has(`${slot} ${layer}`)) fail(`layer ${layer} of the cache in slot ${slot} is written twice`, details);
    seen.add(`${slot} ${layer}`);
    const shape = `${keyHeads} key heads of ${width}`;
    const known = alike.get(slot) ?? shape;
    if (known !== shape) fail(`slot ${slot} has layers of ${known} and of ${shape}`, details);
    alike.set(slot, shape);
    if (!inputs.has(node.inputs[1] as number))
      fail(`total of slot ${slot} must be an input: it is checked before the run`, details);
  }
}
