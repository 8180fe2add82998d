/** Causal language modelling: each token is guessed from those before it (Radford et al. 2018). */
import { z } from "zod";
import { packed } from "../packing.ts";
import { causalObjective } from "./causal.ts";
import { commonSettings } from "./contract.ts";
import { fromTeacher } from "./distillation.ts";

export const causalLmPhase = commonSettings.extend({
  objective: z.literal("causal-lm"),
  /** Whether a token sees only those of its own text, where several texts stand in one row. */
  keep_apart: z.boolean().default(true),
  ...fromTeacher,
});

export const causalLm = causalObjective<z.output<typeof causalLmPhase>>({
  description:
    "Causal language modelling: each token is guessed from those before it. Texts are packed into rows of " +
    "`max_tokens`; reads no labels, and of a .txt file each paragraph is a text. Of models that look ahead, such as " +
    "BERT, none has this head.",
  reading: "text",
  arrange: { whole: true, rows: (dataset, length, special) => packed(dataset, length, special) },
  defaults: {
    nothing: { epochs: 5, batch_size: 16, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 16, learning_rate: 5e-5 },
  },
  keepsApart: ({ keep_apart }) => keep_apart,
});
