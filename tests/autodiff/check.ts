/** Gradients of our rules beside central differences, both in float64 on the reference executor. */
import { PURPOSE, seedFrom, uniform } from "../../src/base/index.ts";
import { differentiateBy } from "../../src/numeric/autodiff/differentiate.ts";
import { RULES, type RuleTable } from "../../src/numeric/autodiff/rules.ts";
import { evalShape, type Graph, GraphBuilder, type ValueId } from "../../src/numeric/graph/index.ts";
import type { Bindings, RandomKey } from "../../src/numeric/runtime/contract.ts";
import { createReferenceExecutor } from "../../src/numeric/runtime/reference.ts";
import { elements, type HostTensor, tensor } from "../../src/numeric/tensor/index.ts";

const STEP = 1e-5;
const RANDOM: RandomKey = { seed: [1, 2], step: 3, shard: 4 };

export interface GradientCase {
  readonly name: string;
  /** Writes the function; its declared parameters and real inputs are differentiated by. */
  readonly build: (b: GraphBuilder) => ValueId;
  /** Int inputs, as they are. */
  readonly ints?: Readonly<Record<string, HostTensor>>;
  /** Values of the symbols. */
  readonly symbols?: Readonly<Record<string, number>>;
  /** Values are drawn from here. @default [-2, 2] */
  readonly domain?: readonly [number, number];
  /** Real inputs that are not differentiated by. */
  readonly fixed?: readonly string[];
}

/** Uniform values, a function of the name and the seed alone. */
export function randomTensor(
  name: string,
  shape: readonly number[],
  [low, high]: readonly [number, number],
  seed = 0,
): HostTensor<"float64"> {
  const key = seedFrom(`${name} ${seed}`);
  return tensor(
    "float64",
    shape,
    Float64Array.from({ length: elements(shape) }, (_, i) => low + (high - low) * uniform(key, PURPOSE.test, 0, 0, i)),
  );
}

export function int32(shape: readonly number[], values: readonly number[]): HostTensor {
  return tensor("int32", shape, Int32Array.from(values));
}

/**
 * The largest difference between rule and central difference, relative to the largest slope of that variable (at least
 * 1).
 */
export async function gradientError(gradientCase: GradientCase, rules: RuleTable = RULES, seed = 0): Promise<number> {
  const { build, ints = {}, symbols = {}, domain = [-2, 2], fixed = [] } = gradientCase;
  const b = new GraphBuilder();
  const y = build(b);
  const weighted = b.mul(y, b.input("probe", "real", b.shapeOf(y)));
  const rank = b.shapeOf(y).length;
  b.output("loss", rank === 0 ? weighted : b.reduceSum(weighted, [...Array(rank).keys()]));
  const graph = b.build();
  const variables = declared(graph).filter(({ name }) => name !== "probe" && !fixed.includes(name));
  const values: Record<string, HostTensor<"float64">> = {};
  for (const { name, shape } of declared(graph))
    values[name] = randomTensor(name, evalShape(shape, symbols), domain, seed);
  const slopes = await analytic(
    differentiateBy(rules, graph, { loss: "loss", wrt: variables.map(({ name }) => name), keep: [] }),
    values,
    ints,
  );
  const loss = await lossOf(graph, values, ints);
  let worst = 0;
  for (const { name } of variables) {
    const slope = slopes[name] as Float64Array;
    const scale = slope.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
    const data = (values[name] as HostTensor<"float64">).data;
    for (let i = 0; i < data.length; i++) {
      const middle = data[i] as number;
      data[i] = middle + STEP;
      const above = await loss();
      data[i] = middle - STEP;
      const below = await loss();
      data[i] = middle;
      worst = Math.max(worst, Math.abs((above - below) / (2 * STEP) - (slope[i] as number)) / scale);
    }
  }
  return worst;
}

function declared(graph: Graph): { name: string; parameter: boolean; shape: readonly (number | string)[] }[] {
  return graph.nodes.flatMap((node) => {
    const value = graph.values[node.outputs[0] ?? 0];
    return (node.op === "parameter" || node.op === "input") && value?.type === "real"
      ? [{ name: node.attributes.name, parameter: node.op === "parameter", shape: value.shape }]
      : [];
  });
}

function bindingsOf(graph: Graph, values: Bindings, parameter: boolean): Bindings {
  return Object.fromEntries(
    declared(graph)
      .filter((each) => each.parameter === parameter)
      .map(({ name }) => [name, values[name] as HostTensor]),
  );
}

async function analytic(
  graph: Graph,
  values: Readonly<Record<string, HostTensor<"float64">>>,
  ints: Bindings,
): Promise<Readonly<Record<string, Float64Array>>> {
  const session = await createReferenceExecutor().load(graph, {
    form: "shared",
    weights: bindingsOf(graph, values, true),
  });
  const gradients = Object.fromEntries(
    [...graph.outputs.keys()].map((name) => {
      const { shape } = values[name.slice("grad.".length)] as HostTensor;
      return [name, tensor("float64", shape, new Float64Array(elements(shape)))];
    }),
  );
  await session.run({ ...bindingsOf(graph, values, false), ...ints }, gradients, RANDOM);
  return Object.fromEntries(Object.entries(gradients).map(([name, { data }]) => [name.slice("grad.".length), data]));
}

async function lossOf(graph: Graph, values: Bindings, ints: Bindings): Promise<() => Promise<number>> {
  const session = await createReferenceExecutor().load(graph, {
    form: "shared",
    weights: bindingsOf(graph, values, true),
  });
  const loss = tensor("float64", [], new Float64Array(1));
  return async () => {
    await session.run({ ...bindingsOf(graph, values, false), ...ints }, { loss }, RANDOM);
    return loss.data[0] as number;
  };
}
