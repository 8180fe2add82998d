/** One label for each text: cross-entropy with label smoothing, and word dropout. */
import { z } from "zod";
import { buildModel, crossEntropySum } from "../../../language/models/index.ts";
import { commonSettings } from "./contract.ts";
import { CLASSES_TAUGHT, fromTeacher, taughtClasses, withTeacher } from "./distillation.ts";
import { targetInputs, targets } from "./rows.ts";
import { sequenceHead, textsObjective, tokenDropout } from "./texts.ts";

export const classifyPhase = commonSettings.extend({
  objective: z.literal("classify"),
  /** Share of the target that goes to all classes alike, so that the model does not become too sure. */
  label_smoothing: z.number().min(0).max(0.9).default(0.1),
  ...tokenDropout,
  ...fromTeacher,
});

export const classify = textsObjective<z.output<typeof classifyPhase>>({
  description: "One label for each text, or for two texts, by cross-entropy.",
  task: "classify",
  reading: "text-class",
  outputs: ({ labels }) => labels,
  loss(layers, context) {
    const logits = buildModel(layers, context.config, sequenceHead(context.labels, context)); // [B, L]
    const { labels, weights } = targetInputs(layers.builder, "B");
    const { label_smoothing: smoothing } = context.phase;
    const loss = crossEntropySum(layers.builder, logits, labels, weights, context.labels, smoothing);
    const taught = { logits, rows: "B", classes: context.labels, weights, loss };
    return withTeacher(layers.builder, context.phase.distillation, taught);
  },
  teaching: CLASSES_TAUGHT,
  targets: (context, examples, rows) => ({
    ...targets(
      examples.map((example) => context.data.labels[example]!),
      rows,
    ),
    ...taughtClasses(context, examples, rows),
  }),
  figure: {
    name: "accuracy",
    width: () => 1,
    numbers: ({ data }, example, logits) => [likeliest(logits) === data.labels[example] ? 1 : 0],
    figure: (right) => right.reduce((sum, one) => sum + one, 0) / right.length,
  },
});

/** The first of the largest. */
export function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
