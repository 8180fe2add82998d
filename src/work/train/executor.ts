/**
 * Executors as training uses them: with dropout masks drawn by the SIMD kernel, which needs them in WebAssembly memory.
 * The bits are those of the plain form.
 */
import { invariant } from "../../base/index.ts";
import { compileKernels, createKernels, type Kernels } from "../../numeric/kernels/index.ts";
import {
  createExecutor,
  PLAIN_KERNELS,
  type Executor,
  type HostKernels,
  type ScopeHandle,
} from "../../numeric/runtime/index.ts";
import { newSharedMemory } from "../../numeric/tensor/index.ts";

export async function trainingExecutor(name: "native" | "portable", scope?: ScopeHandle): Promise<Executor> {
  return await createExecutor(name, { kernels: simdHostKernels(), scope });
}

/** Every buffer gets a memory of its own, half as large again as asked for, so that it seldom has to be replaced. */
function simdHostKernels(): HostKernels {
  const module = compileKernels();
  const byBuffer = new WeakMap<ArrayBufferLike, Kernels>();
  return {
    ...PLAIN_KERNELS,
    allocate(elements) {
      const memory = newSharedMemory(Math.ceil((elements * 6) / 65_536) * 65_536 + 65_536);
      byBuffer.set(memory.buffer, createKernels(memory, module));
      return new Float32Array(memory.buffer, 1024, Math.floor((memory.buffer.byteLength - 1024) / 4));
    },
    fillDropoutMask(target, rate, site, key) {
      const kernels = byBuffer.get(target.buffer);
      invariant(kernels !== undefined, "masks lie in memory that the kernels were bound to");
      kernels.dropoutMask(target.byteOffset, target.length, rate, site, key);
    },
  };
}
