/**
 * Loads a graph into one of the two builds of ONNX Runtime: lower, check the weights, hand them over, make the session.
 */
import { access, LockstepError } from "../../base/index.ts";
import type { Graph } from "../graph/index.ts";
import type { HostTensor } from "../tensor/index.ts";
import type { CacheStore } from "./cache.ts";
import type { Bindings, LoadOptions, Profile, Session } from "./contract.ts";
import type { HostKernels } from "./host.ts";
import { lower } from "./lower.ts";
import type { OrtLibrary, OrtSessionOptions } from "./ort.ts";
import { checkWeights, ProgramSession } from "./program-session.ts";
import type { LoweredProgram } from "./program.ts";

export interface Library {
  readonly library: OrtLibrary;
  readonly options: OrtSessionOptions;
  readonly kernels: HostKernels;
  readonly caches: CacheStore;
  /** It writes results into buffers of ours; where it cannot, they are copied. */
  readonly writesInPlace: boolean;
  /** It reads files and weights from shared memory; where it cannot, they are copied first. */
  readonly takesSharedMemory: boolean;
}

export async function loadProgram(
  graph: Graph,
  load: LoadOptions,
  profile: Profile,
  { library, options, kernels, caches, writesInPlace, takesSharedMemory }: Library,
): Promise<Session> {
  const name =
    load.name ?? `program (${[...graph.outputs.keys()].slice(0, 3).join(", ")}${graph.outputs.size > 3 ? ", …" : ""})`;
  const program = lower(graph, { form: load.form });
  checkWeights(name, program, load);
  try {
    const session = await library.InferenceSession.create(program.model, {
      ...options,
      ...initializers(library, program, load, takesSharedMemory),
    });
    const weights = keptWeights(program, load.weights);
    return new ProgramSession({ name, profile, program, library, session, weights, kernels, caches, writesInPlace });
  } catch (cause) {
    throw new LockstepError(
      "RUNTIME_FAILED",
      `${name} cannot be loaded into ${profile.build}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { program: name, executor: profile.executor },
      { cause },
    );
  }
}

/** Where the session finds its weights while it is made. */
function initializers(
  library: OrtLibrary,
  { form, weightFeeds }: LoweredProgram,
  { weights, packed }: LoadOptions,
  takesSharedMemory: boolean,
): Pick<OrtSessionOptions, "externalData" | "shared"> {
  if (form === "shared" || weightFeeds.size === 0) return {};
  if (packed !== undefined && takesSharedMemory) {
    const tensors = [...weightFeeds].map(([name, initializer]) => {
      const { dtype, data, shape } = weights[name] as HostTensor;
      access(data, "r"); // in native code, where the explorer cannot see it
      return [initializer, new library.Tensor(dtype, data, shape)] as const;
    });
    return { shared: { packed, tensors: Object.fromEntries(tensors) } };
  }
  return {
    externalData: [...weightFeeds].map(([name, path]) => ({ path, data: bytesOf(weights, name, takesSharedMemory) })),
  };
}

/** The binding refuses shared memory, so it is copied; the copy is garbage once the session has packed its own. */
function bytesOf(weights: Bindings, name: string, takesSharedMemory: boolean): Uint8Array {
  const { data } = weights[name] as HostTensor;
  const { buffer, byteOffset, byteLength } = data;
  if (takesSharedMemory) access(data, "r"); // in native code, where the explorer cannot see it
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return takesSharedMemory || buffer instanceof ArrayBuffer ? bytes : bytes.slice();
}

/**
 * What runs read from outside the session: in packed form the embedding tables only, so that the other buffers can be
 * dropped.
 */
function keptWeights({ form, gatherFeeds }: LoweredProgram, weights: Bindings): Bindings {
  if (form === "shared") return weights;
  const tables = new Set(gatherFeeds.map(({ table }) => table));
  return Object.fromEntries(Object.entries(weights).filter(([name]) => tables.has(name)));
}
