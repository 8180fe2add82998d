/** The briefest training that has everything: one phase, a checkpoint after every step, a version. */
import type { TrainInput } from "../../src/edge/api/index.ts";
import { TINY } from "../stress/tiny-store.ts";

export const BRIEF: TrainInput = { ...TINY, finetune: { epochs: 3, batch_size: 24, shards: 2, learning_rate: 5e-3 } };

/** Its last phase, whose weights of shards are asked of a function of this name. */
export function asking(name: string): Pick<TrainInput, "finetune"> {
  return { finetune: { ...BRIEF.finetune, shard_weights: { function: name } } };
}
