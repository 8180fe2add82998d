/** Options of the executors, in one place: unit, bounds and default of each. */
import { z } from "zod";
import type { HostKernels } from "./host.ts";

export interface NativeOptions {
  /**
   * Threads inside one operator. Lockstep's parallelism is workers, so more than one is for a single caller with idle
   * cores. 1..256. @default 1
   */
  readonly intraOpThreads?: number;
  /** What computes embedding rows and dropout masks, and in which memory. @default plain TypeScript */
  readonly kernels?: HostKernels;
  /**
   * Path prefix of a timing trace (Chrome's format) that ONNX Runtime writes for each session when it is disposed.
   * @default no trace
   */
  readonly trace?: string;
}

export interface PortableOptions {
  /** See NativeOptions. */
  readonly kernels?: HostKernels;
  /**
   * The bytes of `ort-wasm-simd-threaded.wasm`; a browser must hand them over. @default read from the installed package
   */
  readonly wasm?: Uint8Array;
}

const kernels = z
  .custom<HostKernels>(
    (value) => typeof value === "object" && value !== null && "fillDropoutMask" in value,
    "expected host kernels",
  )
  .optional();

export const NATIVE_OPTIONS = z.strictObject({
  intraOpThreads: z.int().min(1).max(256).default(1),
  kernels,
  trace: z.string().min(1).optional(),
});
export const PORTABLE_OPTIONS = z.strictObject({ kernels, wasm: z.instanceof(Uint8Array).optional() });
