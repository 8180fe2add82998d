/** Matching a folder's tensors to a model's parameters, under any name that its family knows; shapes must agree. */
import { LockstepError } from "../../base/index.ts";
import { elements, firstNonFinite, tensor, type HostTensor, type UnreadTensor } from "../../numeric/tensor/index.ts";
import { parameterNames, type ModelConfig } from "./families.ts";
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
 * Tensors that the model has no use for are left aside, whatever their type and values (a pooler beside mean pooling,
 * an old head). Float64 becomes float32, rounded to the nearest as PyTorch does.
 * @throws WEIGHTS_INVALID where a tensor's shape or dtype is not the parameter's, or a value is NaN or infinite.
 */
export function matchWeights(
  config: ModelConfig,
  parameters: readonly ParameterInfo[],
  tensors: ReadonlyMap<string, HostTensor>,
  unread: ReadonlyMap<string, UnreadTensor> = new Map(),
): MatchedWeights {
  const weights = new Map<string, HostTensor<"float32">>();
  const missing: ParameterInfo[] = [];
  for (const info of parameters) {
    const names = parameterNames(config, info.name);
    const name = names.find((one) => tensors.has(one));
    if (name !== undefined) {
      weights.set(info.name, fitting(info, name, tensors.get(name)!));
      continue;
    }
    const other = names.find((one) => unread.has(one));
    if (other !== undefined)
      throw new LockstepError(
        "WEIGHTS_INVALID",
        `tensor "${other}" is stored as ${unread.get(other)!.stored}, which is not read; convert the weights to F32, ` +
          "F16 or BF16",
        { tensor: other },
      );
    missing.push(info);
  }
  return { weights, missing };
}

function fitting(info: ParameterInfo, name: string, found: HostTensor): HostTensor<"float32"> {
  const same = found.shape.length === info.shape.length && found.shape.every((dim, axis) => dim === info.shape[axis]);
  if (!same)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `tensor "${name}" is ${found.dtype} [${found.shape.join(", ")}], but config.json asks for float32 [` +
        `${info.shape.join(", ")}]: the two are not of the same model`,
      { tensor: name, shape: found.shape, expected: info.shape },
    );
  const { data } = found;
  if (!(data instanceof Float32Array || data instanceof Float64Array))
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `tensor "${name}" is ${found.dtype}, and a parameter has fractions; convert the weights to F32, F16 or BF16`,
      { tensor: name, dtype: found.dtype },
    );
  const single = tensor("float32", info.shape, data instanceof Float32Array ? data : Float32Array.from(data));
  const bad = firstNonFinite([[name, single]]);
  if (bad !== undefined)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `tensor "${name}" in model.safetensors has NaN or infinity at element ${bad.index}; the file is damaged, its ` +
        "training diverged, or a number is too large for float32",
      { tensor: name, index: bad.index },
    );
  return single;
}

/** How many numbers the parameters hold. */
export function parameterCount(parameters: readonly ParameterInfo[]): number {
  return parameters.reduce((sum, info) => sum + elements(info.shape), 0);
}
