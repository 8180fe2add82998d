/** Any number of labels for each text: binary cross-entropy, each label by itself. */
import { z } from "zod";
import { binaryCrossEntropySum, buildModel } from "../../../language/models/index.ts";
import { commonSettings } from "./contract.ts";
import { weightsOf, valueTargets } from "./rows.ts";
import { sequenceHead, textsObjective, tokenDropout } from "./texts.ts";

export const multiLabelPhase = commonSettings.extend({
  objective: z.literal("multi-label"),
  ...tokenDropout,
});

export const multiLabel = textsObjective<z.output<typeof multiLabelPhase>>({
  description:
    "Any number of labels for each text, or for two texts, by binary cross-entropy. Reads the column `labels`: a " +
    "JSON list, or names with | between them.",
  task: "multi-label",
  reading: "text-classes",
  outputs: ({ labels }) => labels,
  loss(layers, context) {
    const g = layers.builder;
    const logits = buildModel(layers, context.config, sequenceHead(context.labels, context)); // [B, L]
    const wanted = g.input("targets", "real", ["B", context.labels]);
    return binaryCrossEntropySum(g, logits, wanted, weightsOf(g, "B"), context.labels);
  },
  targets: ({ data, labels }, examples, rows) => valueTargets(data, examples, [rows, labels]),
  figure: {
    name: "micro F1",
    width: () => 3,
    numbers: ({ data, labels }, example, logits) => {
      const wanted = data.values!.subarray(example * labels, (example + 1) * labels);
      const given = logits.map((logit) => (logit > 0 ? 1 : 0)); // a probability above one half
      return [count(given.map((one, label) => one * wanted[label]!)), count(given), count(wanted)];
    },
    figure: microF1,
  },
});

function count(ones: Float32Array): number {
  return ones.reduce((sum, one) => sum + one, 0);
}

/** Of [examples, 3]: right ones, those that were given, those that were wanted. 1 where there is nothing to find. */
export function microF1(numbers: Float64Array): number {
  const [right, given, wanted] = [0, 1, 2].map((at) => {
    let sum = 0;
    for (let i = at; i < numbers.length; i += 3) sum += numbers[i]!;
    return sum;
  }) as [number, number, number];
  return given + wanted === 0 ? 1 : (2 * right) / (given + wanted);
}
