/** Functions of weights for tests: of what shards hold, and of what came of the steps before. */
import type { RecipeInput, ShardWeightFunction, StepFigures } from "../../src/work/train/index.ts";
import { SMALL } from "./small.ts";

/** Longer rows later, and more for shards whose losses were larger than the mean in the last steps. */
export const curriculum: ShardWeightFunction = ({ step, steps, shards, earlier }) => {
  const recent = earlier.slice(-20);
  const all = recent.flatMap(({ losses }) => Array.from(losses).filter((loss) => !Number.isNaN(loss)));
  const mean = all.reduce((sum, loss) => sum + loss, 0) / Math.max(1, all.length);
  return shards.map(({ shard, tokens, examples }) => {
    const last = recent.at(-1)?.losses[shard] ?? NaN;
    const harder = Number.isNaN(last) ? 1 : last / mean;
    const later = 1 + (step / steps) * (tokens / Math.max(1, examples.length));
    return harder * later * Math.sqrt(earlier.at(-1)?.weights[shard] ?? 1);
  });
};

/** Leaves the first shard out of every second step in which others have losses. */
export const sparing: ShardWeightFunction = ({ step, shards }) => {
  const spares = step % 2 === 1 && shards.some(({ shard, losses }) => shard > 0 && losses > 0);
  return shards.map(({ shard, losses }) => (shard === 0 && spares ? 0 : losses / 3));
};

/** The small training's second phase alone. */
export function askedRecipe(name: string): RecipeInput {
  return {
    ...SMALL,
    phases: [{ objective: "classify", ...SMALL.finetune, shard_weights: { function: name } }],
    pretrain: undefined,
  };
}

/** What a function is given, as one text: NaN and all. */
export function textOf(figures: StepFigures): string {
  return JSON.stringify(figures, (_, value: unknown) =>
    value instanceof Float64Array ? Array.from(value, String) : value,
  );
}
