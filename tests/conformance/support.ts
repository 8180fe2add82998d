/**
 * What the conformance suite shares: tensors made from the generator, running a graph on an executor, one measure of
 * difference.
 */
import { fillNormal, PURPOSE, seedFrom, type Seed } from "../../src/base/index.ts";
import { evalShape, type Graph, type Shape, type SymbolBindings, type Value } from "../../src/numeric/graph/index.ts";
import type { Bindings, CacheShape, Executor, Form, RandomKey } from "../../src/numeric/runtime/index.ts";
import { elements, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const SEED: Seed = seedFrom(7);

export function reals(shape: readonly number[], stream: number, scale = 1): HostTensor<"float32"> {
  const data = new Float32Array(elements(shape));
  fillNormal(data, 0, scale, SEED, PURPOSE.init, stream, 0);
  return tensor("float32", shape, data);
}

export function ints(shape: readonly number[], values: readonly number[]): HostTensor<"int32"> {
  return tensor(
    "int32",
    shape,
    Int32Array.from({ length: elements(shape) }, (_, i) => values[i % values.length] ?? 0),
  );
}

/** Declared inputs and parameters of a graph by name. */
export function declared(graph: Graph, op: "input" | "parameter"): Map<string, Value> {
  return new Map(
    graph.nodes.flatMap((node) =>
      node.op === op ? [[node.attributes.name, graph.values[node.outputs[0] ?? -1] as Value] as const] : [],
    ),
  );
}

export function weightsOf(graph: Graph, scale = 0.5): Record<string, HostTensor<"float32">> {
  return Object.fromEntries(
    [...declared(graph, "parameter")].map(([name, { shape }], i) => [
      name,
      reals(evalShape(shape, {}), 100 + i, scale),
    ]),
  );
}

export function emptyOutputs(graph: Graph, symbols: SymbolBindings): Record<string, HostTensor<"float32">> {
  return Object.fromEntries(
    [...graph.outputs].map(([name, id]) => {
      const shape = evalShape(graph.values[id]?.shape as Shape, symbols);
      // NaN: an output that nobody writes is seen
      return [name, tensor("float32", shape, new Float32Array(elements(shape)).fill(NaN))];
    }),
  );
}

export interface Run {
  readonly executor: Executor;
  readonly graph: Graph;
  readonly form: Form;
  readonly weights: Bindings;
  readonly inputs: Bindings;
  readonly symbols: SymbolBindings;
  readonly random?: RandomKey | undefined;
  readonly caches?: readonly CacheShape[] | undefined;
}

/** Loads, runs once and disposes. */
export async function runOnce({
  executor,
  graph,
  form,
  weights,
  inputs,
  symbols,
  random,
  caches = [],
}: Run): Promise<Record<string, HostTensor<"float32">>> {
  const session = await executor.load(graph, { form, weights });
  try {
    const outputs = emptyOutputs(graph, symbols);
    await session.run(inputs, outputs, random, { caches: caches.map((shape) => executor.createCache(shape, 64)) });
    return outputs;
  } finally {
    await session.dispose();
  }
}

/**
 * max |actual − expected| / max |scale|, 0 where nothing differs; NaN anywhere counts as infinite. `scale` is
 * `expected` by default.
 */
export function difference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  scale: ArrayLike<number> = expected,
): number {
  let gap = 0;
  for (let i = 0; i < expected.length; i++)
    gap = Math.max(
      gap,
      Math.abs((actual[i] as number) - (expected[i] as number)) || (actual[i] === expected[i] ? 0 : Infinity),
    );
  return gap === 0 ? 0 : gap / Array.from(scale).reduce((size, value) => Math.max(size, Math.abs(value)), 0);
}
