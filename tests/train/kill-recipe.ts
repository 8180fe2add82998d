/** The small training, long enough to be killed twenty times. */
import type { RecipeInput } from "../../src/work/train/index.ts";
import { SMALL } from "./small.ts";

export const KILLED: RecipeInput = {
  ...SMALL,
  pretrain: { ...SMALL.pretrain, epochs: 15 },
  finetune: { ...SMALL.finetune, epochs: 15 },
};
