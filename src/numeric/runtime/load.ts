/**
 * Loads a graph into one of the two builds of ONNX Runtime: lower, check the weights, hand them over, make the session.
 */
import { LockstepError } from "../../base/index.ts";
import type { Graph } from "../graph/index.ts";
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
  readonly writesInPlace: boolean;
}

export async function loadProgram(
  graph: Graph,
  load: LoadOptions,
  profile: Profile,
  { library, options, kernels, writesInPlace }: Library,
): Promise<Session> {
  const name =
    load.name ?? `program (${[...graph.outputs.keys()].slice(0, 3).join(", ")}${graph.outputs.size > 3 ? ", …" : ""})`;
  const program = lower(graph, { form: load.form });
  checkWeights(name, program, load);
  try {
    const session = await library.InferenceSession.create(program.model, {
      ...options,
      ...externalData(program, load.weights),
    });
    const weights = keptWeights(program, load.weights);
    return new ProgramSession({ name, profile, program, library, session, weights, kernels, writesInPlace });
  } catch (cause) {
    throw new LockstepError(
      "RUNTIME_FAILED",
      `${name} cannot be loaded into ${profile.build}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { program: name, executor: profile.executor },
      { cause },
    );
  }
}

function externalData(
  { form, weightFeeds }: LoweredProgram,
  weights: Bindings,
): Pick<OrtSessionOptions, "externalData"> {
  if (form === "shared" || weightFeeds.size === 0) return {};
  return { externalData: [...weightFeeds].map(([name, path]) => ({ path, data: bytesOf(weights, name) })) };
}

/** The library refuses shared memory here, so it is copied; the copy is garbage once the session has packed its own. */
function bytesOf(weights: Bindings, name: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = (weights[name] as NonNullable<Bindings[string]>).data;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  return buffer instanceof ArrayBuffer ? bytes : bytes.slice();
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
