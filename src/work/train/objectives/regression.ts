/** A number for each text: squared error. */
import { z } from "zod";
import { buildModel, squaredErrorSum } from "../../../language/models/index.ts";
import { commonSettings } from "./contract.ts";
import { valueTargets, weightsOf } from "./rows.ts";
import { sequenceHead, textsObjective, tokenDropout } from "./texts.ts";

export const regressionPhase = commonSettings.extend({
  objective: z.literal("regression"),
  ...tokenDropout,
});

export const regression = textsObjective<z.output<typeof regressionPhase>>({
  description: "A number for each text, or for two texts, by squared error. Reads the column `score`.",
  task: "score",
  reading: "text-score",
  outputs: () => 1,
  loss(layers, context) {
    const g = layers.builder;
    const predictions = buildModel(layers, context.config, sequenceHead(1, context)); // [B, 1]
    return squaredErrorSum(g, predictions, g.input("targets", "real", ["B"]), weightsOf(g, "B"));
  },
  targets: ({ data }, examples, rows) => valueTargets(data, examples, [rows]),
  figure: {
    name: "root mean squared error",
    width: () => 1,
    numbers: ({ data }, example, logits) => [square(logits[0]! - data.values![example]!)],
    figure: (squares) => Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / squares.length),
  },
});

function square(x: number): number {
  return x * x;
}
