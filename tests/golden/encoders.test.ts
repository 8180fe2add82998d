/**
 * The golden ladder for encoders in every executor: logits, loss, every gradient, ten losses, the weights after ten
 * steps of AdamW.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crossEntropyGraph } from "../../src/language/models/index.ts";
import { differentiate } from "../../src/numeric/autodiff/index.ts";
import { compileKernels, createKernels } from "../../src/numeric/kernels/index.ts";
import { createExecutor, type ExecutorName } from "../../src/numeric/runtime/index.ts";
import { Arena, elements, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { biasCorrection } from "../../src/work/train/schedule.ts";
import { ENCODER_CASES, difference, floorOf, goldenCase, goldenInputs, type GoldenCase } from "./cases.ts";

const ADAMW = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const BARS = { float32: { logits: 5e-6, weights: 1e-3 }, float64: { logits: 1e-9, weights: 1e-6 } };

interface Optimized {
  readonly weights: Record<string, HostTensor>;
  readonly gradients: Record<string, HostTensor>;
  step(step: number): void;
}

/** Float32 weights and moments in shared memory, updated by the kernels that training uses. */
function kernelOptimizer(golden: GoldenCase): Optimized {
  const arena = Arena.for([
    golden.parameters.flatMap(({ name, shape }) =>
      ["w", "grad", "m", "v"].map((part) => ({ name: `${part}.${name}`, dtype: "float32" as const, shape })),
    ),
  ]);
  const kernels = createKernels(arena.memories[0]!, compileKernels());
  for (const { name } of golden.parameters) arena.get(`w.${name}`).data.set(golden.weights.get(name)!.data as never);
  const offset = (name: string) => arena.place(name).offset;
  return {
    weights: Object.fromEntries(golden.parameters.map(({ name }) => [name, arena.get(`w.${name}`)])),
    gradients: Object.fromEntries(golden.parameters.map(({ name }) => [`grad.${name}`, arena.get(`grad.${name}`)])),
    step(step) {
      const settings = {
        ...ADAMW,
        gradScale: 1,
        correction1: biasCorrection(ADAMW.beta1, step),
        correction2: biasCorrection(ADAMW.beta2, step),
      };
      for (const { name, shape } of golden.parameters)
        kernels.adamw(
          {
            w: offset(`w.${name}`),
            g: offset(`grad.${name}`),
            m: offset(`m.${name}`),
            v: offset(`v.${name}`),
            n: elements(shape),
          },
          settings,
        );
    },
  };
}

/** The oracle's: the formula in float64. */
function plainOptimizer(golden: GoldenCase): Optimized {
  const state = golden.parameters.map(({ name, shape }) => {
    const zeros = () => new Float64Array(elements(shape));
    return {
      name,
      shape,
      w: Float64Array.from(golden.weights.get(name)!.data as Float32Array),
      g: zeros(),
      m: zeros(),
      v: zeros(),
    };
  });
  const tensors = (part: "w" | "g", prefix: string) =>
    Object.fromEntries(
      state.map((one) => [`${prefix}${one.name}`, { dtype: "float64" as const, shape: one.shape, data: one[part] }]),
    );
  return {
    weights: tensors("w", ""),
    gradients: tensors("g", "grad."),
    step(step) {
      const c1 = biasCorrection(ADAMW.beta1, step);
      const c2 = biasCorrection(ADAMW.beta2, step);
      for (const { w, g, m, v } of state) {
        for (let i = 0; i < w.length; i++) {
          m[i] = ADAMW.beta1 * m[i]! + (1 - ADAMW.beta1) * g[i]!;
          v[i] = ADAMW.beta2 * v[i]! + (1 - ADAMW.beta2) * g[i]! * g[i]!;
          w[i] =
            w[i]! * (1 - ADAMW.learningRate * ADAMW.weightDecay) -
            (ADAMW.learningRate * (m[i]! / c1)) / (Math.sqrt(v[i]! / c2) + ADAMW.epsilon);
        }
      }
    },
  };
}

for (const name of ENCODER_CASES) {
  for (const executorName of ["reference", "native", "portable"] satisfies ExecutorName[]) {
    test(`${name} in ${executorName}`, async (t) => {
      const golden = await goldenCase(name);
      const executor = await createExecutor(executorName);
      const bars = BARS[executor.real];
      const state = executor.real === "float64" ? plainOptimizer(golden) : kernelOptimizer(golden);
      const program = differentiate(crossEntropyGraph(golden.config, golden.head), { loss: "loss" });
      const session = await executor.load(program, { form: "shared", weights: state.weights });
      const real = (shape: readonly number[]): HostTensor => ({
        dtype: executor.real,
        shape,
        data: executor.real === "float32" ? new Float32Array(elements(shape)) : new Float64Array(elements(shape)),
      });
      const worst = { logits: 0, gradients: 0, losses: 0, weights: 0 };
      const expectedLogits = golden.expected.get("logits")!;
      const logits = real([elements(expectedLogits.shape.slice(0, -1)), expectedLogits.shape.at(-1)!]);
      for (const [step, batch] of golden.batches.entries()) {
        const loss = real([]);
        await session.run(goldenInputs(golden, batch, executor.real), {
          loss,
          ...(step === 0 ? { logits } : {}),
          ...state.gradients,
        });
        worst.losses = Math.max(
          worst.losses,
          Math.abs(Number(loss.data[0]) - golden.losses[step]!) / golden.losses[step]!,
        );
        if (step === 0) {
          worst.logits = difference(logits.data, expectedLogits.data, 0);
          const floor = floorOf(golden.expected, "grad.");
          for (const { name: parameter } of golden.parameters)
            worst.gradients = Math.max(
              worst.gradients,
              difference(
                state.gradients[`grad.${parameter}`]!.data,
                golden.expected.get(`grad.${parameter}`)!.data,
                floor,
              ),
            );
        }
        state.step(step);
      }
      await session.dispose();
      const floor = floorOf(golden.expected, "step10.");
      for (const { name: parameter } of golden.parameters)
        worst.weights = Math.max(
          worst.weights,
          difference(state.weights[parameter]!.data, golden.expected.get(`step10.${parameter}`)!.data, floor),
        );
      t.diagnostic(
        `largest differences: ${Object.entries(worst)
          .map(([what, value]) => `${what} ${value.toExponential(2)}`)
          .join(", ")}`,
      );
      assert.equal(
        [...golden.expected.keys()].filter((key) => key.startsWith("grad.")).length,
        golden.parameters.length,
        "every reference gradient has a parameter",
      );
      for (const what of ["logits", "gradients", "losses"] as const)
        assert.ok(worst[what] <= bars.logits, `${what}: ${worst[what]} > ${bars.logits}`);
      assert.ok(worst.weights <= bars.weights, `weights after ten steps: ${worst.weights} > ${bars.weights}`);
    });
  }
}
