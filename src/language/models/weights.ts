/**
 * Matching a folder's tensors to a model's parameters: the `bert.` prefix may be missing, and layer norms may have
 * their old names (`gamma`, `beta`: the first published BERT weights have); shapes must agree.
 */
import { LockstepError } from "../../base/index.ts";
import { elements, tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { ParameterInfo } from "./parameters.ts";

export interface MatchedWeights {
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  /**
   * Parameters that the folder has no tensor for: they start from fresh values, or make the folder unusable; the caller
   * decides.
   */
  readonly missing: readonly ParameterInfo[];
}

/**
 * Tensors that the model has no use for are left aside (a pooler beside mean pooling, an old head).
 * @throws WEIGHTS_INVALID where a tensor's shape or dtype is not the parameter's.
 */
export function matchWeights(
  parameters: readonly ParameterInfo[],
  tensors: ReadonlyMap<string, HostTensor>,
): MatchedWeights {
  const weights = new Map<string, HostTensor<"float32">>();
  const missing: ParameterInfo[] = [];
  for (const info of parameters) {
    const found = namesOf(info.name)
      .map((name) => tensors.get(name))
      .find((candidate) => candidate !== undefined);
    if (found === undefined) missing.push(info);
    else weights.set(info.name, fitting(info, found));
  }
  return { weights, missing };
}

/** The names that a parameter is known by, the first one first. */
function namesOf(name: string): string[] {
  const old = name.replace(/LayerNorm\.weight$/, "LayerNorm.gamma").replace(/LayerNorm\.bias$/, "LayerNorm.beta");
  return [name, old].flatMap((one) => [one, one.replace(/^bert\./, "")]);
}

function fitting(info: ParameterInfo, found: HostTensor): HostTensor<"float32"> {
  const same = found.shape.length === info.shape.length && found.shape.every((dim, axis) => dim === info.shape[axis]);
  if (!same || found.dtype !== "float32") {
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `tensor "${info.name}" is ${found.dtype} [${found.shape.join(", ")}], but config.json asks for float32 [` +
        `${info.shape.join(", ")}]: the two are not of the same model`,
      { tensor: info.name, shape: found.shape, expected: info.shape },
    );
  }
  return tensor("float32", info.shape, found.data as Float32Array);
}

/** How many numbers the parameters hold. */
export function parameterCount(parameters: readonly ParameterInfo[]): number {
  return parameters.reduce((sum, info) => sum + elements(info.shape), 0);
}
