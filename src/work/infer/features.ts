/**
 * What a version's classifier sees of a row: the pooled features, [hidden_size] numbers, before the last linear layer.
 * The program is the version's own, with another output; it runs one row at a time, so a row's features are a function
 * of the row alone.
 */
import { LockstepError } from "../../base/index.ts";
import { batchInputs, featureGraph, type Head } from "../../language/models/index.ts";
import type { Executor, Profile } from "../../numeric/runtime/index.ts";
import { tensor } from "../../numeric/tensor/index.ts";
import { rowLength, type TokenRow } from "./predictor.ts";
import type { Version } from "./version.ts";

export interface FeatureExtractor {
  readonly profile: Profile;
  /** [hidden_size] */
  run(row: TokenRow): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** @throws INPUT_INVALID: the version has no such layer; RUNTIME_FAILED */
export async function openFeatures(version: Version, executor: Executor): Promise<FeatureExtractor> {
  const { config, tokenizer, weights } = version;
  const head = sequenceHead(version);
  const C = config.hidden_size;
  const session = await executor.load(featureGraph(config, head.pooling), {
    form: "packed",
    weights,
    name: "features",
  });
  return {
    profile: session.profile,
    run: async (row) => {
      const inputs = batchInputs([row], config, head, {
        tokens: rowLength(row),
        minimumRows: 1,
        padId: tokenizer.special.pad,
        real: "float32",
      });
      const features = new Float32Array(C);
      await session.run(inputs, { features: tensor("float32", [1, C], features) });
      return features;
    },
    dispose: () => session.dispose(),
  };
}

/** @throws INPUT_INVALID */
export function sequenceHead({ head, task }: Version): Extract<Head, { readonly kind: "sequence" }> {
  if (head.kind === "sequence") return head;
  throw new LockstepError("INPUT_INVALID", `a version made for ${task} has no last layer that is a classifier`, {
    task,
  });
}
