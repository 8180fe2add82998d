/** The native executor: ONNX Runtime's CPU kernels in this process. Full speed; the bits belong to the kind of CPU. */
import { parseOptions } from "../../base/index.ts";
import type { Executor, Form } from "./contract.ts";
import { PLAIN_KERNELS } from "./host.ts";
import { loadProgram, type Library } from "./load.ts";
import { NATIVE_OPTIONS, type NativeOptions } from "./options.ts";
import { loadLibrary, QUIET, type OrtSessionOptions } from "./ort.ts";
import { cpuClass, LOWERING, profileOf } from "./profile.ts";
import { requireNoTelemetry } from "./telemetry.ts";

export async function createNativeExecutor(options: NativeOptions = {}): Promise<Executor> {
  const {
    intraOpThreads,
    kernels = PLAIN_KERNELS,
    trace,
  } = parseOptions(NATIVE_OPTIONS, options, "options of the native executor");
  requireNoTelemetry();
  const library = await loadLibrary("onnxruntime-node", () => import("onnxruntime-node"));
  const cpu = await cpuClass();
  const build = (form: Form): string => {
    // with weights as inputs the library splits some products by its threads, and the bits depend on how many there are
    const threads = form === "shared" && intraOpThreads > 1 ? `, ${intraOpThreads} intra-op threads` : "";
    return `onnxruntime-node ${library.env.versions["node"] ?? "unknown"}, lowering ${LOWERING}${threads}`;
  };
  const sessionOptions: OrtSessionOptions = {
    executionProviders: ["cpu"],
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    ...QUIET,
    ...(trace === undefined ? {} : { enableProfiling: true, profileFilePrefix: trace }),
  };
  const binding: Library = { library, options: sessionOptions, kernels, writesInPlace: true };
  return {
    name: "native",
    real: "float32",
    load: (graph, load) =>
      loadProgram(
        graph,
        load,
        profileOf({ executor: "native", form: load.form, build: build(load.form), cpu }),
        binding,
      ),
  };
}
