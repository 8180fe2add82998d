/**
 * A recipe is everything that decides the trained weights; a run is one execution of it. A recipe file holds both,
 * apart: only the first is hashed. Field names are those of the field; every default is here.
 */
import { z } from "zod";
import { canonicalJson, parseOptions, sha256Hex } from "../../base/index.ts";

const rate = z.number().min(0).max(0.9);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const powerOfTwo = z
  .int()
  .min(1)
  .max(4096)
  .refine((n) => (n & (n - 1)) === 0, "must be a power of two");

/** One pass of training over the data: its length, batches, rates. */
const phaseSchema = z.strictObject({
  /** Passes over the training texts; 0 leaves the phase out. */
  epochs: z.int().min(0).max(10_000),
  /** Texts a step. */
  batch_size: z.int().min(1).max(65_536),
  /**
   * Logical shards a step, a power of two; null: as many as leave each at least 256 tokens, 2 at least where a batch
   * has two texts.
   */
  shards: powerOfTwo.nullable().default(null),
  /** Peak rate of AdamW, reached after the warm-up, then falling in a straight line to 0. */
  learning_rate: z.number().positive().max(1),
  /** The head's rate as a multiple of the encoder's. */
  head_multiplier: z.number().positive().max(1000).default(1),
  /** Share of the steps over which the rate rises from 0. */
  warmup_ratio: z.number().min(0).max(1).default(0.1),
  /** Decoupled; not on biases and layer norms. */
  weight_decay: z.number().min(0).max(1).default(0.01),
  /** How long AdamW's mean of the gradient remembers. */
  adam_beta1: z.number().min(0).max(0.9999).default(0.9),
  /** How long AdamW's mean of the squared gradient remembers. */
  adam_beta2: z.number().min(0).max(0.99999).default(0.999),
  /** Added to AdamW's denominator, so that it is never 0. */
  adam_epsilon: z.number().positive().max(1).default(1e-8),
  /** Largest global norm of the gradient. */
  max_grad_norm: z.number().positive().max(1e9).default(1),
  /** How shards are weighted, Σ αᵢ = 1: by what they hold (the plain mean over the batch), or equally. */
  shard_weights: z.enum(["size", "equal"]).default("size"),
});

export const recipeSchema = z.strictObject({
  /** What is trained: one label for each text. */
  task: z.literal("classify").default("classify"),
  /** Decides everything that is drawn: first weights, split, order, masks, dropout. */
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(1),
  /** SHA-256 of the training file's bytes and the columns read from it; filled in when the file is read. */
  data: z
    .strictObject({
      /** Of the file's bytes: 64 hexadecimal characters. */
      sha256,
      /** Column of the text. */
      text: z.string(),
      /** Column of the label. */
      label: z.string(),
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
  /** Sizes of a model that starts from nothing; ignored with `from`. */
  model: z
    .strictObject({
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
  /** Of the WordPiece tokenizer, which is trained on the training texts; ignored with `from`. */
  tokenizer: z
    .strictObject({
      /** Tokens at most. */
      vocab_size: z.int().min(64).max(200_000).default(2048),
      /** A token stands at least this often in the texts. */
      min_frequency: z.int().min(1).max(1_000_000).default(2),
      /** Whether capitals and accents are dropped. */
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
  /** Masked language modelling on the training texts: guessing words that are hidden. */
  pretrain: phaseSchema.extend({
    /** Share of the tokens that masked language modelling asks for. */
    mask_rate: z.number().positive().max(0.9).default(0.15),
    /**
     * What one masked token in ten is replaced by: any word of the vocabulary, or, as in recipes of before this
     * setting, any of its tokens, special ones too.
     */
    mask_replacement: z.enum(["word", "any"]).default("word"),
  }),
  /** Learning the labels. */
  finetune: phaseSchema.extend({
    /** Share of the target that goes to all classes alike, so that the model does not become too sure. */
    label_smoothing: z.number().min(0).max(0.9).default(0.1),
    /** Share of the input tokens left out, drawn anew at every step; never [CLS] and [SEP]. */
    token_dropout: rate.default(0),
  }),
  /** Answers abstain below the confidence at which the validation split reaches this accuracy; null: they never do. */
  target_accuracy: z.number().min(0).max(1).nullable().default(null),
  /** Which arithmetic decides the bits. */
  executor: z.enum(["native", "portable"]).default("native"),
});

export type Recipe = z.infer<typeof recipeSchema>;
export type PhaseRecipe = z.infer<typeof phaseSchema>;

/** What may be given: any part of a recipe. The rest comes from the preset, then from the schema. */
export type RecipeInput = DeepPartial<z.input<typeof recipeSchema>>;
type DeepPartial<T> = T extends object ? { readonly [Key in keyof T]?: DeepPartial<T[Key]> | undefined } : T;

/** Rates that suit a small model from nothing, on thousands of short texts. */
const FROM_NOTHING: RecipeInput = {
  pretrain: { epochs: 5, batch_size: 32, learning_rate: 1.5e-3, adam_beta2: 0.98 },
  finetune: { epochs: 8, batch_size: 32, learning_rate: 1e-3, adam_beta2: 0.98, token_dropout: 0.15 },
};

/** Rates that suit a pre-trained encoder. */
const FROM_ENCODER: RecipeInput = {
  pretrain: { epochs: 0, batch_size: 32, learning_rate: 1e-4 },
  finetune: { epochs: 5, batch_size: 32, learning_rate: 2e-4, head_multiplier: 10 },
};

/** The complete recipe. @throws OPTION_INVALID naming the field that is unknown or out of range. */
export function resolveRecipe(input: RecipeInput): Recipe {
  const preset = input.from === undefined ? FROM_NOTHING : FROM_ENCODER;
  return Object.freeze(parseOptions(recipeSchema, merge(preset, input), "recipe"));
}

/** The share that is held out of `rows` texts where the recipe leaves it open, in whole thousandths. */
export function defaultValidationFraction(rows: number): number {
  return Math.ceil(1000 * Math.min(0.2, Math.max(0.05, 60 / rows))) / 1000;
}

/**
 * A recipe that was written whole before a setting existed means what was done then: one that says the rest of
 * `pretrain` and not `mask_replacement` drew replacements from the whole vocabulary.
 */
export function upgradeRecipe(recipe: RecipeInput): RecipeInput {
  const { pretrain } = recipe;
  const isWhole = pretrain?.mask_rate !== undefined && pretrain.adam_epsilon !== undefined;
  if (!isWhole || pretrain.mask_replacement !== undefined) return recipe;
  return { ...recipe, pretrain: { ...pretrain, mask_replacement: "any" } };
}

/** `over` on top of `under`, object by object; an undefined value hides nothing. */
function merge(under: unknown, over: unknown): unknown {
  if (over === undefined) return under;
  if (!isRecord(under) || !isRecord(over)) return over;
  return Object.fromEntries(
    [...new Set([...Object.keys(under), ...Object.keys(over)])].map((key) => [key, merge(under[key], over[key])]),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** SHA-256 of the recipe's canonical JSON: two runs with the same one end with the same weights, on one profile. */
export function recipeHash(recipe: Recipe): string {
  return sha256Hex(canonicalJson(recipe));
}
