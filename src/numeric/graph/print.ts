/**
 * Graphs as text, one line per node, for tests and debugging: `%4: real[B, T, C] = matmul(%1, %3) transB alpha=0.5`.
 */
import { showShape } from "./infer.ts";
import type { Graph, Node } from "./types.ts";

export function print(graph: Graph): string {
  const lines = graph.nodes.map((node) => {
    const results = node.outputs.map((id) => {
      const value = graph.values[id];
      return `%${id}: ${value === undefined ? "?" : showShape(value)}`;
    });
    return [
      `${results.join(", ")} = ${node.op}(${node.inputs.map((id) => `%${id}`).join(", ")})`,
      ...attributes(node),
    ].join(" ");
  });
  return [...lines, ...[...graph.outputs].map(([name, id]) => `output ${name} = %${id}`)].join("\n");
}

function attributes(node: Node): string[] {
  return Object.entries(node.attributes).flatMap(([name, value]: [string, unknown]) => {
    if (value === false || (name === "alpha" && value === 1)) return [];
    if (value === true) return [name];
    if (Array.isArray(value)) return [`${name}=[${value.join(", ")}]`];
    return [`${name}=${String(value)}`];
  });
}
