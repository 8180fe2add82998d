/**
 * Recipes of before they had `phases`: one called `pretrain` (masked words), one `finetune` (labels). They are read for
 * ever, and checkpoints that were written under their hashes are found.
 */
import { canonicalJson, sha256Hex } from "../../base/index.ts";
import { phaseSchema, SHORTHANDS } from "./objectives/index.ts";
import { isRecord, type Recipe, type RecipeInput } from "./recipe.ts";

type Fields = Readonly<Record<string, unknown>>;

export interface Upgraded {
  /** `phases` by their places among those that a recipe has by itself. */
  readonly recipe: RecipeInput;
  /** The same settings with `phases` as a list, to be held against today's schema. */
  readonly listed: object;
  /** What to say of it, after the name of the file. */
  readonly message: string;
}

/**
 * Settings with `pretrain` or `finetune` as settings with `phases`; undefined where they have neither. A recipe that
 * was written whole before a setting existed means what was done then: one that says the rest of `pretrain` and not
 * `mask_replacement` drew replacements from the whole vocabulary.
 */
export function upgradeRecipe(recipe: Fields): Upgraded | undefined {
  const old = Object.entries(SHORTHANDS).flatMap(([name, objective], place) =>
    name in recipe ? [{ name, objective, place, settings: recipe[name] }] : [],
  );
  if (old.length === 0 || "phases" in recipe) return undefined;
  const own = Object.fromEntries(Object.entries(recipe).filter(([key]) => !(key in SHORTHANDS)));
  const phases = old.map(
    ({ place, settings }) => [place, isRecord(settings) ? asItMeant(settings) : settings] as const,
  );
  return {
    recipe: { ...own, phases: Object.fromEntries(phases) as Readonly<Record<number, object>> },
    listed: {
      ...own,
      phases: old.map(({ objective, settings }) => (isRecord(settings) ? { objective, ...settings } : settings)),
    },
    message:
      "was written before recipes had phases: " +
      old.map(({ name, objective }) => `its "${name}" is read as the phase ${objective}`).join(", "),
  };
}

function asItMeant(phase: Fields): Fields {
  const isWhole = phase["mask_rate"] !== undefined && phase["adam_epsilon"] !== undefined;
  return isWhole && phase["mask_replacement"] === undefined ? { ...phase, mask_replacement: "any" } : phase;
}

/** Settings of a phase that recipes of before had, in the order of `SHORTHANDS`. */
const COMMON = [
  "epochs",
  "batch_size",
  "shards",
  "learning_rate",
  "head_multiplier",
  "warmup_ratio",
  "weight_decay",
  "adam_beta1",
  "adam_beta2",
  "adam_epsilon",
  "max_grad_norm",
  "shard_weights",
] as const;
const FIELDS: { readonly [K in keyof typeof SHORTHANDS]: readonly string[] } = {
  pretrain: [...COMMON, "mask_rate", "mask_replacement"],
  finetune: [...COMMON, "label_smoothing", "token_dropout"],
};

/** The hash that this recipe had when it was written without `phases`; undefined where it could not be. */
export function recipeHashBefore({ phases, model: { model_type, ...model }, ...recipe }: Recipe): string | undefined {
  const names = Object.keys(FIELDS) as (keyof typeof SHORTHANDS)[];
  if (
    model_type !== "bert" ||
    phases.length !== names.length ||
    phases.some(({ objective }, i) => objective !== SHORTHANDS[names[i]!])
  )
    return undefined;
  const before = names.map((name, place) => {
    const phase: Fields = phases[place]!;
    return [name, Object.fromEntries(FIELDS[name].map((field) => [field, phase[field]]))] as const;
  });
  // A setting that is newer has to be at its default, which is what was done then.
  const said = before.map(
    ([name, settings]) => phaseSchema.safeParse({ ...settings, objective: SHORTHANDS[name] }).data,
  );
  if (canonicalJson(said) !== canonicalJson(phases)) return undefined;
  return sha256Hex(canonicalJson({ ...recipe, model, ...Object.fromEntries(before), task: "classify" }));
}
