/**
 * Instruction tuning (Wei et al. 2022): conversations, of which the assistant's answers are learned, each token of them
 * from all that stands before it.
 */
import { z } from "zod";
import { packedWhole } from "../packing.ts";
import { causalObjective } from "./causal.ts";
import { commonSettings } from "./contract.ts";
import { fromTeacher } from "./distillation.ts";

export const instructionTuningPhase = commonSettings.extend({
  objective: z.literal("instruction-tuning"),
  /**
   * Whether several conversations share a row of `max_tokens`, whole and unseen by each other; else each has a row of
   * its own, and rows of like length are trained together.
   */
  packing: z.boolean().default(false),
  ...fromTeacher,
});

export const instructionTuning = causalObjective<z.output<typeof instructionTuningPhase>>({
  description:
    "Instruction tuning: conversations, of which the assistant's answers are learned. Reads a column `messages` " +
    "(lists of `role` and `content`), or `instruction` and `output`, with `input` and `system` where they are " +
    "there. The chat template is the tokenizer's own. A conversation longer than `max_tokens` is cut at its end. Of " +
    "models that look ahead, such as BERT, none has this head.",
  reading: "chats",
  arrange: {
    whole: false,
    rows: (dataset, length, _, { packing }) => (packing ? packedWhole(dataset, length) : dataset),
  },
  defaults: {
    nothing: { epochs: 5, batch_size: 16, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 16, learning_rate: 5e-5 },
  },
  keepsApart: () => true,
});
