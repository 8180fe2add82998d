/** Masked language modelling (Devlin et al. 2018): guessing the tokens of a text that are hidden. */
import { z } from "zod";
import { invariant } from "../../../base/index.ts";
import { maskTokens } from "../../../language/data/index.ts";
import { batchInputs, buildModel, crossEntropySum } from "../../../language/models/index.ts";
import { tensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount } from "../training-data.ts";
import { commonSettings, type Objective } from "./contract.ts";
import { rowsOf, targetInputs, targets } from "./rows.ts";

export const maskedLmPhase = commonSettings.extend({
  objective: z.literal("masked-lm"),
  /** Share of the tokens that are asked for. */
  mask_rate: z.number().positive().max(0.9).default(0.15),
  /**
   * What one masked token in ten is replaced by: any word of the vocabulary, or, as in recipes of before this setting,
   * any of its tokens, special ones too.
   */
  mask_replacement: z.enum(["word", "any"]).default("word"),
});

const HEAD = { kind: "masked-lm" } as const;

export const maskedLm: Objective<z.output<typeof maskedLmPhase>> = {
  description: "Masked language modelling on the training texts: guessing words that are hidden. Reads no labels.",
  task: "masked-lm",
  reading: "text",
  defaults: {
    nothing: { epochs: 5, batch_size: 32, learning_rate: 1.5e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 32, learning_rate: 1e-4 },
  },
  head: () => HEAD,
  loss(layers, { config }) {
    const logits = buildModel(layers, config, HEAD); // [P, V]
    const { labels, weights } = targetInputs(layers.builder, "P");
    return crossEntropySum(layers.builder, logits, labels, weights, config.vocab_size, 0);
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs({ phase, config, special, data }, examples, key) {
    const { rows, T, sizes } = rowsOf(Array.from(examples, (example) => rowOf(data, example)));
    const inputs = batchInputs(rows, config, HEAD, { tokens: T, padId: special.pad, real: "float32" });
    const ids = inputs["input_ids"]?.data;
    invariant(ids instanceof Int32Array, "token ids are int32");
    const masked = maskTokens(ids, special, config.vocab_size, {
      rate: phase.mask_rate,
      replacement: phase.mask_replacement,
      ...key,
    });
    ids.set(masked.inputs);
    const count = masked.positions.length;
    const P = Math.max(2, count);
    const positions = new Int32Array(P);
    positions.set(masked.positions);
    return {
      inputs: { ...inputs, positions: tensor("int32", [P], positions), ...targets(masked.labels, P) },
      count,
      ...sizes,
    };
  },
  validation: undefined,
};
