/** One label for each text: cross-entropy with label smoothing, and word dropout. */
import { z } from "zod";
import { batchInputs, buildModel, crossEntropySum, modelGraph } from "../../../language/models/index.ts";
import { tensor } from "../../../numeric/tensor/index.ts";
import { WordDropout } from "../word-dropout.ts";
import { commonSettings, type ModelContext, type Objective, type PhaseContext } from "./contract.ts";
import { rowsOf, servedRows, targetInputs, targets } from "./rows.ts";

export const classifyPhase = commonSettings.extend({
  objective: z.literal("classify"),
  /** Share of the target that goes to all classes alike, so that the model does not become too sure. */
  label_smoothing: z.number().min(0).max(0.9).default(0.1),
  /** Share of the input tokens left out, drawn anew at every step; never [CLS] and [SEP]. */
  token_dropout: z.number().min(0).max(0.9).default(0),
});

type Settings = z.output<typeof classifyPhase>;

function head({ labels, pooling }: ModelContext<Settings>) {
  return { kind: "sequence", labels, pooling } as const;
}

function wordDropout({ phase, data, special, plan }: PhaseContext<Settings>): WordDropout {
  return new WordDropout(data, special, phase.token_dropout, plan.seed);
}

export const classify: Objective<Settings> = {
  description: "One label for each text, by cross-entropy.",
  task: "classify",
  defaults: {
    nothing: { epochs: 8, batch_size: 32, learning_rate: 1e-3, adam_beta2: 0.98, token_dropout: 0.15 },
    encoder: { epochs: 5, batch_size: 32, learning_rate: 2e-4, head_multiplier: 10 },
  },
  head,
  loss(layers, context) {
    const logits = buildModel(layers, context.config, head(context)); // [B, L]
    const { labels, weights } = targetInputs(layers.builder, "B");
    const { label_smoothing: smoothing } = context.phase;
    return crossEntropySum(layers.builder, logits, labels, weights, context.labels, smoothing);
  },
  lengths(context) {
    const dropout = wordDropout(context);
    return (epoch, example) => dropout.tokens(epoch, example).length;
  },
  inputs(context, examples, { epoch }) {
    const { config, data, special } = context;
    const dropout = wordDropout(context);
    const { rows, T, sizes } = rowsOf(Array.from(examples, (example) => ({ ids: dropout.tokens(epoch, example) })));
    const inputs = batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" });
    const labels = examples.map((example) => data.labels[example]!);
    return {
      inputs: { ...inputs, ...targets(labels, Math.max(2, rows.length)) },
      count: labels.length,
      ...sizes,
    };
  },
  validation: {
    name: "accuracy",
    program: (context) => modelGraph(context.config, head(context)),
    batch(context, examples) {
      const { config, data, special, labels } = context;
      const { rows, T } = servedRows(data, examples);
      const B = Math.max(2, rows.length);
      return {
        inputs: batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" }),
        outputs: { logits: tensor("float32", [B, labels], new Float32Array(B * labels)) },
      };
    },
    width: 1,
    read({ data, labels }, examples, { logits }) {
      return examples.map((example, row) =>
        likeliest(logits!.data.subarray(row * labels, (row + 1) * labels)) === data.labels[example] ? 1 : 0,
      );
    },
    figure: (right) => right.reduce((sum, one) => sum + one, 0) / right.length,
  },
};

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
