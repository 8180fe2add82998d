/**
 * The golden ladder of one reference folder in one executor: logits, losses, every gradient, the weights after ten
 * steps, and what greedy decoding appends.
 */
import { batchInputs, modelGraph, parameterNames } from "../../src/language/models/index.ts";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import { bindShapes, evalShape, type Graph } from "../../src/numeric/graph/index.ts";
import type { Executor, Session } from "../../src/numeric/runtime/index.ts";
import { elements, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { openDecoder } from "../../src/work/generate/index.ts";
import { difference, expectedOf, floorOf, isSingle, type GoldenCase } from "./cases.ts";
import { KINDS, type Real } from "./kinds.ts";
import { kernelOptimizer, plainOptimizer } from "./optimizers.ts";

/** Largest differences, relative to the largest magnitude of each tensor; the first four of each step's kind. */
export interface Ladder {
  readonly logits: number;
  readonly gradients: number;
  readonly losses: number;
  readonly weights: number;
  /** Chosen tokens that differ where the margin is over 1e-4, of those compared; null where there is no generation. */
  readonly tokens: { readonly compared: number; readonly wrong: number } | null;
  /** The logits of decoding step by step over a cache, from those computed whole for each token; null as `tokens`. */
  readonly cached: number | null;
}
const BARS = { float32: { near: 5e-6, weights: 1e-3 }, float64: { near: 1e-9, weights: 1e-6 } };
const MARGIN = 1e-4;
const CACHED = 1e-5;

/** What each figure is held to. A reference that went through float32 is no nearer than that, in any executor. */
export function barsOf(golden: GoldenCase, real: Real): { readonly near: number; readonly weights: number } {
  return BARS[isSingle(golden) ? "float32" : real];
}

/** What is over its bar, in words; none where all is well. */
export function failuresOf(golden: GoldenCase, real: Real, ladder: Ladder): readonly string[] {
  const bars = barsOf(golden, real);
  return [
    ...(["logits", "gradients", "losses"] as const).flatMap((what) =>
      ladder[what] <= bars.near ? [] : [`${what}: ${ladder[what]} > ${bars.near}`],
    ),
    ...(ladder.weights <= bars.weights ? [] : [`weights after ten steps: ${ladder.weights} > ${bars.weights}`]),
    ...(ladder.tokens === null || ladder.tokens.wrong === 0
      ? []
      : [`${ladder.tokens.wrong} of ${ladder.tokens.compared} decoded tokens differ`]),
    ...((ladder.cached ?? 0) <= CACHED ? [] : [`step by step: ${ladder.cached} > ${CACHED}`]),
  ];
}

export async function climb(golden: GoldenCase, executor: Executor): Promise<Ladder> {
  const real = executor.real;
  const kind = KINDS[golden.kind];
  const state = real === "float64" ? plainOptimizer(golden) : kernelOptimizer(golden);
  const program = differentiate(kind.graph(golden.config, golden.head), { loss: "loss" });
  const session = await executor.load(program, { form: "shared", weights: state.weights });
  let [logitsGap, gradients, losses] = [0, 0, 0];
  for (const [step, batch] of golden.batches.entries()) {
    const loss = zeros([], real);
    const inputs = kind.inputs(batch, golden.config, golden.head, real);
    const logits = zeros(logitsShape(program, inputs), real);
    await session.run(inputs, { loss, ...(step === 0 ? { logits } : {}), ...state.gradients });
    const expected = golden.losses[step]!;
    losses = Math.max(losses, Math.abs(Number(loss.data[0]) - expected) / Math.abs(expected));
    if (step === 0) {
      const expectedLogits = expectedOf(golden, ["logits"]);
      logitsGap = difference(counted(golden, logits.data), counted(golden, expectedLogits.tensor.data), 0);
      gradients = parametersGap(golden, "grad.", (name) => state.gradients[`grad.${name}`]!);
    }
    state.step(step);
  }
  await session.dispose();
  return {
    logits: logitsGap,
    gradients,
    losses,
    weights: parametersGap(golden, "step10.", (name) =>
      real === "float64" ? state.weights[name]! : withoutNoise(golden, name, state.weights[name]!),
    ),
    ...(golden.generations.length === 0 ? { tokens: null, cached: null } : await decode(golden, executor)),
  };
}

function zeros(shape: readonly number[], real: Real): HostTensor {
  return real === "float32"
    ? tensor("float32", shape, new Float32Array(elements(shape)))
    : tensor("float64", shape, new Float64Array(elements(shape)));
}

/**
 * In float32 AdamW makes steps of whatever rounding leaves of a gradient that is 0 in theory (a key's bias: a softmax
 * ignores it). Such elements, whose gradient in float64 is under a 10^12th of the largest, are taken to be as expected;
 * but not rows of a matrix that have none at all, such as words that a batch does not have.
 */
function withoutNoise(golden: GoldenCase, parameter: string, actual: HostTensor): HostTensor {
  const of = (prefix: string) =>
    expectedOf(
      golden,
      parameterNames(golden.config, parameter).map((one) => `${prefix}${one}`),
    ).tensor.data;
  const [gradient, weights] = [of("grad."), of("step10.")];
  const noise = 1e-9 * floorOf(golden.expected, "grad.");
  const isNoise = (i: number): boolean =>
    Math.abs(Number(gradient[i])) <= noise && (actual.shape.length < 2 || gradient[i] !== 0);
  return tensor(
    "float64",
    actual.shape,
    Float64Array.from(actual.data, (value: number | bigint, i: number) => Number(isNoise(i) ? weights[i] : value)),
  );
}

function logitsShape({ nodes, values, outputs }: Graph, inputs: Readonly<Record<string, HostTensor>>): number[] {
  const declared = nodes.flatMap((node) =>
    node.op === "input"
      ? [
          {
            what: node.attributes.name,
            shape: values[node.outputs[0]!]!.shape,
            actual: inputs[node.attributes.name]!.shape,
          },
        ]
      : [],
  );
  return evalShape(values[outputs.get("logits")!]!.shape, bindShapes(declared));
}

/** Logits of padding mean nothing and are left out. */
function counted({ kind, batches }: GoldenCase, data: HostTensor["data"]): Float64Array {
  const mask = KINDS[kind].byToken ? batches[0]!.attention_mask!.flat() : [1];
  const width = data.length / mask.length;
  return Float64Array.from(Array.from(data, Number).filter((_, i) => mask[Math.floor(i / width)] !== 0));
}

function parametersGap(golden: GoldenCase, prefix: string, actual: (parameter: string) => HostTensor): number {
  const floor = floorOf(golden.expected, prefix);
  const found = new Set<string>();
  const worst = golden.parameters.reduce((gap, { name }) => {
    const expected = expectedOf(
      golden,
      parameterNames(golden.config, name).map((one) => `${prefix}${one}`),
    );
    found.add(expected.key);
    return Math.max(gap, difference(actual(name).data, expected.tensor.data, floor));
  }, 0);
  const others = [...golden.expected.keys()].filter((key) => key.startsWith(prefix) && !found.has(key));
  if (others.length > 0)
    throw new Error(`the reference has tensors that no parameter stands for: ${others.join(", ")}`);
  return worst;
}

/**
 * Greedy decoding, everything computed anew for each token, and beside it over a cache: the prompt at once, then a
 * token at a time. What is compared is the choice after the expected text, twice, and the two ways' logits.
 */
async function decode(golden: GoldenCase, executor: Executor): Promise<Pick<Ladder, "tokens" | "cached">> {
  const { config, head } = golden;
  const weights = Object.fromEntries(golden.weights);
  const session = await executor.load(modelGraph(config, head), { form: "packed", weights });
  const decoder = await openDecoder({ config, weights }, executor, { slots: [1] });
  let [compared, wrong, cached] = [0, 0, 0];
  for (const { prompt, tokens, margin } of golden.generations) {
    const sequence = decoder.open();
    for (const [i, token] of tokens.entries()) {
      const text = [...prompt, ...tokens.slice(0, i)];
      const whole = await next(golden, executor.real, session, text);
      const [step] = await decoder.step([{ sequence, ids: Int32Array.from(text.slice(sequence.length)) }]);
      cached = Math.max(cached, difference(step!, Float64Array.from(whole), 0));
      if (margin[i]! <= MARGIN) continue;
      compared++;
      if (largest(whole) !== token || largest([...step!]) !== token) wrong++;
    }
    sequence.close();
  }
  await session.dispose();
  await decoder.dispose();
  return { tokens: { compared, wrong }, cached };
}

async function next(golden: GoldenCase, real: Real, session: Session, ids: readonly number[]): Promise<number[]> {
  const { config, head } = golden;
  const shape = { tokens: Math.max(ids.length, 2), padId: config.pad_token_id, real };
  const logits = zeros([1, config.vocab_size], real);
  await session.run(
    {
      ...batchInputs([{ ids: Int32Array.from(ids) }], config, head, shape),
      positions: tensor("int32", [1], Int32Array.of(ids.length - 1)),
    },
    { logits },
  );
  return Array.from(logits.data, Number);
}

function largest(values: readonly number[]): number {
  return values.indexOf(values.reduce((most, value) => Math.max(most, value), -Infinity));
}
