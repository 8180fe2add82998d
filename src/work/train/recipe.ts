/**
 * A recipe is everything that decides the trained weights; a run is one execution of it. A recipe file holds both,
 * apart: only the first is hashed. Field names are those of the field; every default is here.
 */
import { z } from "zod";
import { ROLES, TABLE_FORMATS } from "../../language/data/index.ts";
import { FAMILY_NAMES, familyTextLayout } from "../../language/models/index.ts";
import { canonicalJson, LockstepError, parseOptions, sha256Hex } from "../../base/index.ts";
import {
  defaultPhases,
  OBJECTIVES,
  phaseSchema,
  SHORTHANDS,
  taskSchema,
  type ObjectiveName,
  type ObjectiveTask,
  type PhaseRecipe,
  type Start,
} from "./objectives/index.ts";
import { defaultShards } from "./plan.ts";
import type { TrainingData } from "./training-data.ts";

const rate = z.number().min(0).max(0.9);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const recipeSchema = z.strictObject({
  /** Decides everything that is drawn: first weights, split, order, masks, dropout. */
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  /** SHA-256 of the training file's bytes and the columns read from it; filled in when the file is read. */
  data: z
    .strictObject({
      /** Of the file's bytes: 64 hexadecimal characters. */
      sha256,
      /** Column of the text. */
      text: z.string(),
      /** Column of the label; absent where none was read. */
      label: z.string().optional(),
      /**
       * Further columns that were read, by what they hold: second, negative, labels, score, tags, answer, input,
       * system.
       */
      columns: z.partialRecord(z.enum(ROLES), z.string()).optional(),
      /** What a row of the file is, where its name did not say it. */
      format: z.enum(TABLE_FORMATS).optional(),
    })
    .optional(),
  /**
   * Share of the texts held out, chosen by a seeded hash of the text; null: enough for about 60 texts, but no less than
   * 5 % and no more than 20 %.
   */
  validation_fraction: z.number().min(0).max(0.5).nullable().default(null),
  /** Longest row in tokens, special tokens included. Longer texts are cut. */
  max_tokens: z.int().min(8).max(512).default(64),
  /** SHA-256 of the weights started from (`--from`); absent: from nothing. */
  from: sha256.optional(),
  /** SHA-256 of the teacher that phases learn from: the name of its version (`--teacher`); absent: there is none. */
  teacher: sha256.optional(),
  /** Sizes of a model that starts from nothing; ignored with `from`. */
  model: z
    .strictObject({
      /** Family, as `config.json` calls it. Causal language models need one that does not look ahead. */
      model_type: z.enum(FAMILY_NAMES).default("bert"),
      /** Width of a token's vector; a multiple of 4 and of the number of heads. */
      hidden_size: z.int().min(8).max(4096).multipleOf(4).default(256),
      /** Transformer layers. */
      num_hidden_layers: z.int().min(1).max(48).default(1),
      /** Attention heads in each layer. */
      num_attention_heads: z.int().min(1).max(64).default(4),
      /** Width of the feed-forward part of each layer. */
      intermediate_size: z.int().min(8).max(16_384).default(1024),
      /** Standard deviation of the first weights. */
      initializer_range: z.number().positive().max(1).default(0.04),
    })
    .prefault({}),
  /** The tokenizer, which is trained on the training texts; ignored with `from`. */
  tokenizer: z
    .strictObject({
      /**
       * Pieces of words, as BERT has them, or pairs of bytes, from which every text comes back unchanged. Where it is
       * not said: pairs of bytes for the families that are not read as BERT is (`gpt2`, `llama`, `roberta`, …), unless
       * `lowercase` is.
       */
      model: z.enum(["wordpiece", "byte-pairs"]).optional(),
      /** Tokens at most; of pairs of bytes at least 300, as each of the 256 bytes is one. */
      vocab_size: z.int().min(64).max(200_000).default(2048),
      /** A token stands at least this often in the texts. */
      min_frequency: z.int().min(1).max(1_000_000).default(2),
      /** Whether capitals and accents are dropped; pairs of bytes keep them. */
      lowercase: z.boolean().default(true),
    })
    .prefault({}),
  /** Share of the elements between layers that a training step leaves out. */
  hidden_dropout: rate.default(0.1),
  /** Share of the attention weights that a training step leaves out. */
  attention_dropout: rate.default(0.1),
  /** Share of the classifier's inputs that a training step leaves out. */
  classifier_dropout: rate.default(0.1),
  /** What stands for a text: the mean of its tokens, its first or its last. With `from`: what the encoder says. */
  pooling: z.enum(["mean", "first", "last"]).default("mean"),
  /**
   * What is trained, one after another: each phase starts from the weights of the one before it. The last one decides
   * what the version answers.
   */
  phases: z.array(phaseSchema).min(1).max(16),
  /** Answers abstain below the confidence at which the validation split reaches this accuracy; null: they never do. */
  target_accuracy: z.number().min(0).max(1).nullable().default(null),
  /** Which arithmetic decides the bits. */
  executor: z.enum(["native", "portable"]).default("native"),
});

export type Recipe = z.output<typeof recipeSchema>;

/** A phase as it may be given: its objective, and any of its settings. */
export type PhaseInput = {
  readonly [N in ObjectiveName]: PhaseSettings<N> & { readonly objective: N };
}[ObjectiveName];
export type PhaseSettings<N extends ObjectiveName> = DeepPartial<
  Omit<Extract<z.input<typeof phaseSchema>, { readonly objective: N }>, "objective">
>;

/**
 * What may be given: any part of a recipe. The rest comes from the phases' own defaults, then from the schema. `phases`
 * replaces the phases that a recipe has by itself, or changes some of them by their places from 0.
 */
export type RecipeInput = DeepPartial<Omit<z.input<typeof recipeSchema>, "phases">> & {
  /** What the version is to answer: chooses the phases where none are given. @default "classify" */
  readonly task?: ObjectiveTask | undefined;
  readonly phases?: readonly PhaseInput[] | Readonly<Record<number, Partial<PhaseInput>>> | undefined;
} & Shorthands;

/** `pretrain`, `finetune`: settings of the first phase of that objective, over what `phases` says. */
export type Shorthands = {
  readonly [K in keyof typeof SHORTHANDS]?: PhaseSettings<ShorthandObjective<K>> | undefined;
};
export type ShorthandObjective<K extends keyof typeof SHORTHANDS> = (typeof SHORTHANDS)[K];

type DeepPartial<T> = T extends object ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined } : T;

/**
 * The complete recipe. `adapts`: there are texts of a domain to be learned first, so that an encoder to start from has
 * a phase for them by itself. @throws OPTION_INVALID naming the field that is unknown or out of range.
 */
export function resolveRecipe(
  { task, ...input }: RecipeInput,
  { adapts = false }: { readonly adapts?: boolean } = {},
): Recipe {
  const asked = parseOptions(taskSchema.default("classify"), task, "task");
  const start: Start = input.from === undefined ? "nothing" : "encoder";
  const own = Object.fromEntries(Object.entries(input).filter(([key]) => !(key in SHORTHANDS)));
  const tokenizer = newTokenizerOf(input, start);
  const phases = withShorthands(phasesOf(defaultPhases(asked, start, adapts), input.phases), input);
  const recipe = parseOptions(
    recipeSchema,
    { ...own, tokenizer, phases: phases.map((phase) => complete(phase, start)).map(taughtBy(input.teacher)) },
    "recipe",
  );
  if (task !== undefined) requireTask(recipe, task);
  return Object.freeze(recipe);
}

/**
 * Where `model` is unsaid, `lowercase` is a word for pieces of words alone: so whole recipes of before there was a
 * choice, which say it, mean what they meant, under the hash of then.
 */
function newTokenizerOf({ tokenizer, model }: RecipeInput, start: Start): RecipeInput["tokenizer"] {
  const family = FAMILY_NAMES.find((name) => name === model?.model_type);
  const isBert = family === undefined || familyTextLayout(family) === "bert";
  const usual = isBert || tokenizer?.lowercase !== undefined ? "wordpiece" : "byte-pairs";
  if (start !== "nothing" || (tokenizer?.model ?? usual) === "wordpiece") return tokenizer;
  const { vocab_size = 2048, lowercase = false } = tokenizer ?? {};
  if (vocab_size < 300)
    throw new LockstepError(
      "OPTION_INVALID",
      `tokenizer.vocab_size is ${vocab_size}, too small for pairs of bytes, of which each of the 256 bytes is one; ` +
        'give at least 300, or "wordpiece" as tokenizer.model',
      { vocab_size },
    );
  if (lowercase)
    throw new LockstepError(
      "OPTION_INVALID",
      'tokenizer.lowercase is true, and pairs of bytes keep a text as it is; leave it out, or give "wordpiece" as ' +
        "tokenizer.model",
      { lowercase },
    );
  return { ...tokenizer, model: "byte-pairs", lowercase };
}

/** What a version of this recipe is made for. @throws OPTION_INVALID where it is not `wanted` */
export function requireTask(recipe: Recipe, wanted?: ObjectiveTask): ObjectiveTask {
  const { objective } = recipe.phases.at(-1)!;
  const { task } = OBJECTIVES[objective];
  if (wanted === undefined || wanted === task) return task;
  throw new LockstepError(
    "OPTION_INVALID",
    `the last phase, ${objective}, ends with a model for ${task}, and ${wanted} is what is to be trained; end with a ` +
      "phase for it, or leave the task out",
    { objective },
  );
}

/** An array replaces `usual`; an object of places changes some of it. */
function phasesOf(usual: readonly unknown[] = [], given: RecipeInput["phases"]): readonly unknown[] {
  if (given === undefined) return usual;
  if (Array.isArray(given)) return given;
  const beyond = Object.keys(given).find((place) => !(Number(place) in usual));
  if (beyond !== undefined)
    throw new LockstepError(
      "OPTION_INVALID",
      `phases.${beyond}: there are ${usual.length} phases, numbered from 0; a list of all phases can be given instead`,
      { place: beyond },
    );
  return mergeSettings(usual, given) as readonly unknown[];
}

function withShorthands(phases: readonly unknown[], input: RecipeInput): readonly unknown[] {
  return Object.entries(SHORTHANDS).reduce((before, [name, objective]) => {
    const settings = input[name as keyof typeof SHORTHANDS];
    if (settings === undefined) return before;
    const place = before.findIndex((phase) => isRecord(phase) && phase["objective"] === objective);
    if (place < 0)
      throw new LockstepError(
        "OPTION_INVALID",
        `${name} is short for the first ${objective} phase, and there is none; name the phase by its place, such as ` +
          "phases.0",
        { [name]: null },
      );
    return mergeSettings(before, { [place]: settings }) as readonly unknown[];
  }, phases);
}

/** With a teacher and no word of what is learned from it, the last phase learns from it what it can. */
function taughtBy(teacher: string | undefined): (phase: unknown, place: number, phases: readonly unknown[]) => unknown {
  return (phase, place, phases) => {
    const isSaid = phases.some(
      (one) => isRecord(one) && ("distillation" in one || one["objective"] === "embedding-distillation"),
    );
    if (teacher === undefined || isSaid || place < phases.length - 1 || !isRecord(phase)) return phase;
    const shape = phaseSchema.options.find((option) => option.shape.objective.value === phase["objective"])?.shape;
    return shape !== undefined && "distillation" in shape ? { ...phase, distillation: {} } : phase;
  };
}

/** With the defaults of its objective; what names none is left to the schema to refuse. */
function complete(phase: unknown, start: Start): unknown {
  const name = isRecord(phase) ? phase["objective"] : undefined;
  const found = typeof name === "string" && Object.hasOwn(OBJECTIVES, name) ? (name as ObjectiveName) : undefined;
  return found === undefined ? phase : mergeSettings(OBJECTIVES[found].defaults[start], phase);
}

/** The phases that have epochs, with their places among all. */
export function trainedPhases(recipe: Recipe): readonly { readonly phase: PhaseRecipe; readonly place: number }[] {
  return recipe.phases.flatMap((phase, place) => (phase.epochs === 0 ? [] : [{ phase, place }]));
}

/** The share that is held out of `rows` texts where the recipe leaves it open, in whole thousandths. */
export function defaultValidationFraction(rows: number): number {
  return Math.ceil(1000 * Math.min(0.2, Math.max(0.05, 60 / rows))) / 1000;
}

/**
 * `over` on top of `under`, object by object; an undefined value hides nothing. A list is replaced as a whole, or
 * changed by an object of places.
 */
export function mergeSettings(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (Array.isArray(under) && isRecord(over)) return under.map((item, place) => mergeSettings(item, over[place]));
  if (!isRecord(under) || !isRecord(over)) return over;
  return Object.fromEntries(
    [...new Set([...Object.keys(under), ...Object.keys(over)])].map((key) => [
      key,
      mergeSettings(under[key], over[key]),
    ]),
  );
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The recipe with the number of shards in it, where it was left to be chosen: what decides the weights is recorded, not
 * worked out again by another version of this rule.
 */
export function recordShards(recipe: Recipe, data: readonly TrainingData[]): Recipe {
  const phases = recipe.phases.map((phase, place) => ({
    ...phase,
    shards: phase.shards ?? defaultShards(data[place]!, phase.batch_size),
  }));
  return Object.freeze({ ...recipe, phases });
}

/** SHA-256 of the recipe's canonical JSON: two runs with the same one end with the same weights, on one profile. */
export function recipeHash(recipe: Recipe): string {
  return sha256Hex(canonicalJson(recipe));
}
