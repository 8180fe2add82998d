/** Options of the executors, in one place: unit, bounds and default of each. */
import { z } from "zod";
import type { ScopeHandle } from "./handles.ts";
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
  /**
   * What this thread has in native code, made for it by its supervisor (`createNativeScope`), which can end its runs
   * and releases what it leaves. @default nobody's
   */
  readonly scope?: ScopeHandle | undefined;
}

export interface PortableOptions {
  /** See NativeOptions. */
  readonly kernels?: HostKernels;
  /**
   * The bytes of `ort-wasm-simd-threaded.wasm`; a browser must hand them over. @default read from the installed package
   */
  readonly wasm?: Uint8Array;
  /** See NativeOptions. Nothing of this executor is native, so it is ignored. */
  readonly scope?: ScopeHandle | undefined;
}

const kernels = z
  .custom<HostKernels>(
    (value) => typeof value === "object" && value !== null && "fillDropoutMask" in value,
    "expected host kernels",
  )
  .optional();

const scope = z
  .custom<ScopeHandle>((value) => typeof value === "object" && value !== null, "expected a scope")
  .optional();

export const NATIVE_OPTIONS = z.strictObject({
  intraOpThreads: z.int().min(1).max(256).default(1),
  kernels,
  trace: z.string().min(1).optional(),
  scope,
});
export const PORTABLE_OPTIONS = z.strictObject({ kernels, wasm: z.instanceof(Uint8Array).optional(), scope });
