/**
 * The native executor: ONNX Runtime's CPU kernels in this process. Full speed; the bits belong to the kind of CPU, and
 * not to the way the library is reached (native-choice.ts).
 */
import { parseOptions } from "../../base/index.ts";
import type { CApi } from "./c-api.ts";
import { CacheStore } from "./cache.ts";
import type { ScopeHandle } from "./handles.ts";
import type { Executor, Form } from "./contract.ts";
import { PLAIN_KERNELS } from "./host.ts";
import { loadProgram, type Library } from "./load.ts";
import { chooseNative } from "./native-choice.ts";
import { NATIVE_OPTIONS, type NativeOptions } from "./options.ts";
import { loadLibrary, QUIET, type OrtLibrary, type OrtSessionOptions, type OrtTensor } from "./ort.ts";
import { cpuClass, LOWERING, profileOf } from "./profile.ts";
import { requireNoTelemetry, requireOneAttention } from "./telemetry.ts";
import type { TypedArray } from "../tensor/index.ts";

export async function createNativeExecutor(options: NativeOptions = {}): Promise<Executor> {
  const {
    intraOpThreads,
    kernels = PLAIN_KERNELS,
    trace,
    scope,
  } = parseOptions(NATIVE_OPTIONS, options, "options of the native executor");
  const { api, build: libraryBuild } = await chooseNative();
  const library = api === null ? await binding() : overCApi(api, scope);
  const cpu = await cpuClass();
  const build = (form: Form): string => {
    // with weights as inputs the library splits some products by its threads, and the bits depend on how many there are
    const threads = form === "shared" && intraOpThreads > 1 ? `, ${intraOpThreads} intra-op threads` : "";
    return `${libraryBuild}, lowering ${LOWERING}${threads}`;
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
  // shared, so that a sequence can go on in another thread
  const caches = new CacheStore({ real: "float32", allocate: (bytes) => new SharedArrayBuffer(bytes) });
  const reached: Library = {
    library,
    caches,
    options: sessionOptions,
    kernels,
    writesInPlace: true,
    takesSharedMemory: api !== null,
  };
  return {
    name: "native",
    real: "float32",
    createCache: (shape, tokens) => caches.create(shape, tokens),
    load: (graph, load) =>
      loadProgram(
        graph,
        load,
        profileOf({ executor: "native", form: load.form, build: build(load.form), cpu }),
        reached,
      ),
  };
}

function binding(): Promise<OrtLibrary> {
  requireNoTelemetry();
  requireOneAttention();
  return loadLibrary("onnxruntime-node", () => import("onnxruntime-node"));
}

function overCApi(api: CApi, scope: ScopeHandle | undefined): OrtLibrary {
  return {
    Tensor: CTensor,
    InferenceSession: {
      create: async (model, { shared, ...options }) => api.createSession(model, options, { scope, shared }),
    },
    env: { versions: { node: api.version }, wasm: {} },
  };
}

/** A tensor over memory of the caller's. */
class CTensor implements OrtTensor {
  readonly type: string;
  readonly data: TypedArray;
  readonly dims: readonly number[];

  constructor(type: string, data: TypedArray, dims: readonly number[]) {
    this.type = type;
    this.data = data;
    this.dims = dims;
  }
}
