/**
 * The small training, far longer than twenty lives of `kill.long.test.ts` go; its first phase asks a function for the
 * weights of its shards.
 */
import type { RecipeInput } from "../../src/work/train/index.ts";
import { curriculum } from "./asked-weights.ts";
import { SMALL } from "./small.ts";

export const KILLED: RecipeInput = {
  ...SMALL,
  pretrain: { ...SMALL.pretrain, epochs: 28, shard_weights: { function: "curriculum" } },
  finetune: { ...SMALL.finetune, epochs: 28 },
};
export const KILLED_RUN = { shardWeights: { curriculum } };
