/**
 * The part of ONNX Runtime's JavaScript interface that both packages share and we use, written down here so that
 * neither optional package is needed to compile against Lockstep.
 */
import { LockstepError } from "../../base/index.ts";
import type { PackedHandle } from "./handles.ts";
import type { TypedArray } from "../tensor/index.ts";

export interface OrtTensor {
  readonly type: string;
  readonly data: TypedArray;
  readonly dims: readonly number[];
}

/** Weights that all sessions of the process share, in the packed form too. */
export interface SharedWeights {
  readonly packed: PackedHandle;
  /** By the names of initializers. They must be shared memory, and neither change nor go while a session uses them. */
  readonly tensors: Readonly<Record<string, OrtTensor>>;
}

export interface OrtInferenceSession {
  /** `fetches`: names, or tensors over buffers that the native library writes in place. */
  run(
    feeds: Readonly<Record<string, OrtTensor>>,
    fetches: Readonly<Record<string, OrtTensor>> | readonly string[],
    options: { readonly logSeverityLevel: 4 },
  ): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

export interface OrtSessionOptions {
  readonly executionProviders?: readonly string[];
  readonly intraOpNumThreads?: number;
  readonly interOpNumThreads?: number;
  readonly executionMode?: "sequential";
  readonly graphOptimizationLevel?: "disabled" | "basic" | "extended" | "all";
  readonly enableCpuMemArena?: boolean;
  readonly enableMemPattern?: boolean;
  readonly logSeverityLevel?: 0 | 1 | 2 | 3 | 4;
  readonly enableProfiling?: boolean;
  readonly profileFilePrefix?: string;
  /** Contents of the external files that initializers name. */
  readonly externalData?: readonly { readonly path: string; readonly data: Uint8Array }[];
  /** Weights that lie once in the process (the C interface only). */
  readonly shared?: SharedWeights;
}

export interface OrtLibrary {
  readonly Tensor: new (type: string, data: TypedArray, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: OrtSessionOptions): Promise<OrtInferenceSession> };
  readonly env: {
    readonly versions: Readonly<Record<string, string | undefined>>;
    readonly wasm: {
      numThreads?: number;
      proxy?: boolean;
      simd?: boolean | string;
      wasmBinary?: Uint8Array | ArrayBuffer;
    };
  };
}

/** A run that was ended before it was done, by another thread. The next one may begin. */
export class InterruptedRun extends Error {}

/** Loads an optional package; RUNTIME_MISSING says how to get it, or why it does not load here. */
export async function loadLibrary(name: string, load: () => Promise<unknown>): Promise<OrtLibrary> {
  try {
    const module = (await load()) as { default?: unknown };
    return (module.default ?? module) as OrtLibrary;
  } catch (cause) {
    throw missingLibrary(name, cause);
  }
}

export function missingLibrary(name: string, cause: unknown): LockstepError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new LockstepError(
    "RUNTIME_MISSING",
    // Without scripts: what it brings for the CPU is in the package, and its script would fetch CUDA's libraries.
    `${name} cannot be loaded (${why}). Install it with: npm install ${name} --ignore-scripts`,
    { package: name },
    { cause },
  );
}

/** Fatal messages only. What goes wrong is thrown, so the library need not print it as well. */
export const QUIET = { logSeverityLevel: 4 } as const;
