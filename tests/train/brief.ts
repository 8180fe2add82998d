/** The briefest training that has everything: one phase, a checkpoint after every step, a version. */
import type { TrainInput } from "../../src/edge/api/index.ts";
import { TINY } from "../stress/tiny-store.ts";

export const BRIEF: TrainInput = { ...TINY, finetune: { epochs: 3, batch_size: 24, shards: 2, learning_rate: 5e-3 } };

/** A step by its kind: which checkpoint, which version and how often do not matter, nor which of the small files. */
export function kindOf(step: string): string {
  return step
    .replaceAll(/step-\d+/g, "step-*")
    .replaceAll(/[0-9a-f]{64}/g, "<version>")
    .replaceAll(/runs\/[0-9a-f]{16}/g, "runs/<run>")
    .replaceAll(/(special_tokens_map|tokenizer|tokenizer_config|lockstep)\.json|vocab\.txt/g, "config.json");
}
