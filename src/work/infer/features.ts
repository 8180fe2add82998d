/**
 * What a version's classifier sees of a row: the pooled features, [hidden_size] numbers, before the last linear layer.
 * The program is the version's own, with another output; it runs one row at a time, so a row's features are a function
 * of the row alone.
 */
import { bertGraph, batchInputs } from "../../language/models/index.ts";
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
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

/** @throws RUNTIME_FAILED */
export async function openFeatures(version: Version, executor: Executor): Promise<FeatureExtractor> {
  const {
    config: { hidden_size: C },
    head,
    tokenizer,
    weights,
  } = version;
  const session = await executor.load(featureGraph(version), { form: "packed", weights, name: "features" });
  return {
    profile: session.profile,
    run: async (row) => {
      const inputs = batchInputs([row], head, {
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

/** The encoder and its pooling; with the first token's pooling, BERT's dense layer and tanh as well. */
function featureGraph({ config, head }: Version): Graph {
  const encoder = bertGraph(config, { kind: "encoder", pooling: head.pooling });
  const g = GraphBuilder.from(encoder, "none");
  const pooled = encoder.outputs.get("pooled")!; // [B, C]
  if (head.pooling === "mean") {
    g.output("features", pooled);
    return g.build();
  }
  const C = config.hidden_size;
  const weight = g.parameter("bert.pooler.dense.weight", [C, C]);
  const bias = g.parameter("bert.pooler.dense.bias", [C]);
  g.output("features", g.tanh(g.add(g.matmul(pooled, weight, { transB: true }), bias)));
  return g.build();
}
