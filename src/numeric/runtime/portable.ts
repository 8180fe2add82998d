/**
 * The portable executor: the same programs in WebAssembly, in Node and in a browser. SIMD but never relaxed SIMD, one
 * thread: the WebAssembly standard fixes every bit, so the profile names the .wasm and no CPU. Results are copied: the
 * library ignores preallocated outputs in silence.
 */
import { LockstepError, parseOptions, sha256Hex } from "../../base/index.ts";
import { CacheStore } from "./cache.ts";
import type { Executor } from "./contract.ts";
import { PLAIN_KERNELS } from "./host.ts";
import { loadProgram, type Library } from "./load.ts";
import { PORTABLE_OPTIONS, type PortableOptions } from "./options.ts";
import { loadLibrary, QUIET, type OrtLibrary } from "./ort.ts";
import { LOWERING, profileOf } from "./profile.ts";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.wasm";

export async function createPortableExecutor(options: PortableOptions = {}): Promise<Executor> {
  const { kernels = PLAIN_KERNELS, wasm } = parseOptions(PORTABLE_OPTIONS, options, "options of the portable executor");
  const library = await loadLibrary("onnxruntime-web", () => import("onnxruntime-web/wasm"));
  const digest = handOver(library, wasm ?? (await installedWasm()));
  const build = `onnxruntime-web ${library.env.versions["web"] ?? "unknown"}, wasm ${digest}, lowering ${LOWERING}`;
  const caches = new CacheStore({ real: "float32", allocate: (bytes) => new ArrayBuffer(bytes) });
  const binding: Library = {
    library,
    caches,
    kernels,
    writesInPlace: false,
    takesSharedMemory: false,
    options: { executionProviders: ["wasm"], executionMode: "sequential", graphOptimizationLevel: "all", ...QUIET },
  };
  return {
    name: "portable",
    real: "float32",
    createCache: (shape, tokens) => caches.create(shape, tokens),
    load: (graph, load) =>
      loadProgram(graph, load, profileOf({ executor: "portable", form: load.form, build, cpu: "any" }), binding),
  };
}

/**
 * What is hashed is the very buffer that the library gets. It compiles one module for each thread: the first one handed
 * over.
 */
function handOver({ env }: OrtLibrary, wasmBinary: Uint8Array): string {
  const digest = sha256Hex(wasmBinary);
  const earlier = env.wasm.wasmBinary;
  if (earlier !== undefined && sha256Hex(new Uint8Array(earlier)) !== digest) {
    throw new LockstepError(
      "OPTION_INVALID",
      "this thread already runs another build of onnxruntime-web; use the same .wasm, or another worker",
      { wasm: digest },
    );
  }
  Object.assign(env.wasm, {
    numThreads: 1,
    proxy: false,
    simd: true,
    ...(earlier === undefined ? { wasmBinary } : {}),
  });
  return digest;
}

async function installedWasm(): Promise<Uint8Array> {
  if (!("process" in globalThis))
    throw new LockstepError(
      "OPTION_INVALID",
      `outside Node the portable executor needs its option "wasm": the bytes of ${WASM}`,
      { option: "wasm" },
    );
  const { readFile } = await import("node:fs/promises");
  return readFile(new URL(import.meta.resolve(WASM)));
}
