/** Floating-point operations of a graph's matrix products, and nothing else: two for each multiply-add. */
import { evalShape, type Graph, type SymbolBindings } from "../src/numeric/graph/index.ts";

export function matmulFlops({ nodes, values }: Graph, symbols: SymbolBindings): number {
  let flops = 0;
  for (const node of nodes) {
    if (node.op !== "matmul") continue;
    const left = evalShape(values[node.inputs[0]!]!.shape, symbols);
    const out = evalShape(values[node.outputs[0]!]!.shape, symbols);
    const inner = left.at(node.attributes.transA ? -2 : -1) ?? 1;
    flops += 2 * inner * out.reduce((product, dim) => product * dim, 1);
  }
  return flops;
}
