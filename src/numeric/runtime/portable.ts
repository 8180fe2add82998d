/**
 * The portable executor: the same programs in WebAssembly, in Node and in a browser. SIMD but never relaxed SIMD, one
 * thread: the WebAssembly standard fixes every bit, so the profile names the .wasm and no CPU. Results are copied: the
 * library ignores preallocated outputs in silence.
 */
import { parseOptions, sha256Hex } from "../../base/index.ts";
import type { Executor } from "./contract.ts";
import { PLAIN_KERNELS } from "./host.ts";
import { loadProgram, type Library } from "./load.ts";
import { PORTABLE_OPTIONS, type PortableOptions } from "./options.ts";
import { loadLibrary } from "./ort.ts";
import { LOWERING, profileOf } from "./profile.ts";

const WASM = "onnxruntime-web/ort-wasm-simd-threaded.wasm";

export async function createPortableExecutor(options: PortableOptions = {}): Promise<Executor> {
  const { kernels = PLAIN_KERNELS, wasm } = parseOptions(PORTABLE_OPTIONS, options, "options of the portable executor");
  const library = await loadLibrary("onnxruntime-web", () => import("onnxruntime-web/wasm"));
  const wasmBinary = wasm ?? await installedWasm();
  // what is hashed is the very buffer that is handed over; the first executor of a thread decides, later ones reuse its module
  Object.assign(library.env.wasm, { numThreads: 1, proxy: false, simd: true, wasmBinary });
  const build = `onnxruntime-web ${library.env.versions["web"] ?? "unknown"}, wasm ${sha256Hex(wasmBinary)}, lowering ${LOWERING}`;
  const binding: Library = {
    library, kernels, writesInPlace: false,
    options: { executionProviders: ["wasm"], executionMode: "sequential", graphOptimizationLevel: "all", logSeverityLevel: 3 },
  };
  return {
    name: "portable",
    real: "float32",
    load: (graph, load) => loadProgram(graph, load, profileOf({ executor: "portable", form: load.form, build, cpu: "any" }), binding),
  };
}

async function installedWasm(): Promise<Uint8Array> {
  const { readFile } = await import("node:fs/promises");
  return readFile(new URL(import.meta.resolve(WASM)));
}
