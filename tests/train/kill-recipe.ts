/** The small training, far longer than twenty lives of `kill.long.test.ts` go. */
import type { RecipeInput } from "../../src/work/train/index.ts";
import { SMALL } from "./small.ts";

export const KILLED: RecipeInput = {
  ...SMALL,
  pretrain: { ...SMALL.pretrain, epochs: 28 },
  finetune: { ...SMALL.finetune, epochs: 28 },
};
