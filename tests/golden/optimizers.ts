/** Ten steps of AdamW on a reference folder: by the kernels that training uses, and by the formula in float64. */
import { compileKernels, createKernels } from "../../src/numeric/kernels/index.ts";
import { Arena, elements, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { biasCorrection } from "../../src/work/train/schedule.ts";
import type { GoldenCase } from "./cases.ts";

const ADAMW = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

export interface Optimized {
  readonly weights: Record<string, HostTensor>;
  readonly gradients: Record<string, HostTensor>;
  step(step: number): void;
}

/** Float32 weights and moments in shared memory, updated by the kernels that training uses. */
export function kernelOptimizer(golden: GoldenCase): Optimized {
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
export function plainOptimizer(golden: GoldenCase): Optimized {
  const state = golden.parameters.map(({ name, shape }) => {
    const zeros = () => new Float64Array(elements(shape));
    return {
      name,
      shape,
      w: Float64Array.from(golden.weights.get(name)!.data),
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
