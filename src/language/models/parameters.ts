/** What a model's parameters are (name, shape, first value, decay) and how their first values are drawn. */
import { PURPOSE, fillNormal, invariant, type Seed } from "../../base/index.ts";
import { elements, tensor, type HostTensor } from "../../numeric/tensor/index.ts";

export interface ParameterInfo {
  /** As in the Hugging Face layout. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly init: "normal" | "zeros" | "ones";
  /** Whether weight decay applies: not to biases and layer norms. */
  readonly decay: boolean;
  /** `head` parameters may train at another rate than the `encoder`. */
  readonly group: "encoder" | "head";
}

/**
 * First values: `normal` ones with the given standard deviation, each a function of (seed, place in the list, element)
 * alone, so that two runs of one recipe start from the same bits everywhere.
 */
export function initializeParameters(
  parameters: readonly ParameterInfo[],
  deviation: number,
  seed: Seed,
): Map<string, HostTensor<"float32">> {
  return new Map(parameters.map((info, place) => [info.name, initializeParameter(info, place, deviation, seed)]));
}

export function initializeParameter(
  info: ParameterInfo,
  place: number,
  deviation: number,
  seed: Seed,
): HostTensor<"float32"> {
  const data = new Float32Array(elements(info.shape));
  if (info.init === "ones") data.fill(1);
  if (info.init === "normal") fillNormal(data, 0, deviation, seed, PURPOSE.init, place, 0);
  return tensor("float32", info.shape, data);
}

/** Builds the list and refuses a repeated name. */
export class ParameterList {
  readonly items: ParameterInfo[] = [];

  add(name: string, shape: readonly number[], init: ParameterInfo["init"], group: ParameterInfo["group"]): void {
    invariant(!this.items.some((item) => item.name === name), `parameter ${name} declared twice`);
    this.items.push({ name, shape, init, decay: init === "normal", group });
  }

  /** y = x·Wᵀ + b with W [outputs, inputs]. */
  linear(name: string, inputs: number, outputs: number, group: ParameterInfo["group"] = "encoder"): void {
    this.add(`${name}.weight`, [outputs, inputs], "normal", group);
    this.add(`${name}.bias`, [outputs], "zeros", group);
  }

  /** y = x·Wᵀ with W [outputs, inputs]. */
  product(name: string, inputs: number, outputs: number, group: ParameterInfo["group"] = "encoder"): void {
    this.add(`${name}.weight`, [outputs, inputs], "normal", group);
  }

  /** Of an RMS norm, which only scales. */
  rmsNorm(name: string, channels: number): void {
    this.add(`${name}.weight`, [channels], "ones", "encoder");
  }

  layerNorm(name: string, channels: number, group: ParameterInfo["group"] = "encoder"): void {
    this.add(`${name}.weight`, [channels], "ones", group);
    this.add(`${name}.bias`, [channels], "zeros", group);
  }
}
