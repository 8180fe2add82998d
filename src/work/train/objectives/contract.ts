/**
 * What an objective is: the settings of its phases, and how examples become a loss, a batch and a figure. It adds
 * nothing to the order of things: everything it makes is a function of (phase, data, seed, epoch, step, shard).
 */
import { z } from "zod";
import type { Seed } from "../../../base/index.ts";
import { ROLES, TABLE_FORMATS, type ReadingName } from "../../../language/data/index.ts";
import type { SpecialIds } from "../../../language/text/index.ts";
import type { Head, LayerContext, ModelConfig, ParameterInfo, Pooling } from "../../../language/models/index.ts";
import type { Graph, ValueId } from "../../../numeric/graph/index.ts";
import type { HostTensor } from "../../../numeric/tensor/index.ts";
import type { VersionTask } from "../../infer/index.ts";
import type { PlanOptions } from "../plan.ts";
import { shardWeightsSchema } from "../shard-weights.ts";
import type { Dataset, TrainingData } from "../training-data.ts";

const powerOfTwo = z
  .int()
  .min(1)
  .max(4096)
  .refine((n) => (n & (n - 1)) === 0, "must be a power of two");

/** What every phase has, whatever it trains for: its length, batches, rates. */
export const commonSettings = z.strictObject({
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
  /**
   * How shards are weighted, Σ αᵢ = 1: by the losses they hold ("size": the plain mean over the batch), all alike, by
   * tokens, by examples, by their losses in earlier steps, or by a function of one's own, of this name, which a program
   * gives to `train`.
   */
  shard_weights: shardWeightsSchema.default("size"),
  /** What this phase alone is trained on, where that is not the training file; filled in when it is read. */
  data: z
    .strictObject({
      /** SHA-256 of the file's bytes: 64 hexadecimal characters. */
      sha256: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .optional(),
      /** What a row of the file is. */
      format: z.enum(TABLE_FORMATS).optional(),
      /** Column of the text. */
      text: z.string().optional(),
      /** Column of the label; absent where none was read. */
      label: z.string().optional(),
      /** Further columns that were read, by what they hold. */
      columns: z.partialRecord(z.enum(ROLES), z.string()).optional(),
      /** Share of these texts held out; null: by the same rule as of the training file's. */
      validation_fraction: z.number().min(0).max(0.5).nullable().optional(),
    })
    .optional(),
});
export type CommonSettings = z.output<typeof commonSettings>;

/** What a phase's program depends on. */
export interface ModelContext<S extends CommonSettings = CommonSettings> {
  /** Its part of the recipe. */
  readonly phase: S;
  readonly config: ModelConfig;
  readonly pooling: Pooling;
  /** Classes of the data. */
  readonly labels: number;
  /** Who is learned from, in a phase that learns from somebody. */
  readonly teacher?: Teacher;
}

/** A model that was trained before and is learned from; plain data, the same in every worker. */
export interface Teacher {
  readonly config: ModelConfig;
  /** By parameter name, in shared memory; none where it was asked before the first step. */
  readonly weights: Readonly<Record<string, HostTensor<"float32">>>;
}

/** Of a phase; plain data, the same in every worker. */
export interface PhaseContext<S extends CommonSettings = CommonSettings> extends ModelContext<S> {
  readonly special: SpecialIds;
  /** Of classes, by id. */
  readonly names: readonly string[];
  readonly data: TrainingData;
  readonly plan: PlanOptions;
}

export interface ShardKey {
  readonly epoch: number;
  readonly seed: Seed;
  readonly step: number;
  readonly shard: number;
}

export interface ShardInputs {
  /** Of the loss program, all but `loss_scale`. */
  readonly inputs: Record<string, HostTensor>;
  /** How many losses are summed in it; 0: the shard is skipped. */
  readonly count: number;
  readonly tokens: number;
  readonly paddedTokens: number;
}

/** What a version is made for whose last phase has an objective. */
export type ObjectiveTask = VersionTask;

/** Whether a phase begins with weights that were drawn, or with those of an encoder. */
export type Start = "nothing" | "encoder";

/**
 * What the shards of a step have to know of each other before their losses: a row of numbers for each row of theirs, in
 * the order of the batch (shard by shard).
 */
export interface Shared<S extends CommonSettings = CommonSettings> {
  /** Output: `shared` [rows, width]. With the dropout of the loss program. */
  program(context: PhaseContext<S>): Graph;
  width(context: PhaseContext<S>): number;
  /** Rows of so many examples. */
  rows(context: PhaseContext<S>, examples: number): number;
}

/** A whole batch as a shard's loss sees it. */
export interface SharedBatch {
  /** [rows, width] of all shards. */
  readonly shared: Float32Array;
  /** Where the shard's first example stands in the batch. */
  readonly first: number;
}

/** Both rank 0: what is differentiated, and the part of it that the shard reports as its own loss. */
export interface TwoLosses {
  readonly loss: ValueId;
  readonly reported: ValueId;
}

/** The figure on the texts held out, such as `accuracy`, 0 to 1, and what else is worth knowing there. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  /** By name. */
  readonly further?: Readonly<Record<string, number>>;
}

/** A figure on the held-out examples at the end of each epoch. */
export interface Validation<S extends CommonSettings = CommonSettings> {
  readonly name: string;
  /** Whether a phase with these settings has it. @default it has */
  applies?(phase: S): boolean;
  /** Outputs: `logits`. Without dropout. */
  program(context: PhaseContext<S>): Graph;
  /** `outputs`: where the run is to write. */
  batch(
    context: PhaseContext<S>,
    examples: readonly number[],
  ): { readonly inputs: Record<string, HostTensor>; readonly outputs: Record<string, HostTensor<"float32">> };
  /** A few numbers an example, `width` of each, from what a run has written. */
  width(context: PhaseContext<S>): number;
  read(
    context: PhaseContext<S>,
    examples: readonly number[],
    outputs: Readonly<Record<string, HostTensor<"float32">>>,
  ): ArrayLike<number>;
  /** The figure, from the numbers of all examples in their order: [examples, width]. */
  figure(numbers: Float64Array, context: PhaseContext<S>): number;
  /** More figures from the same numbers, by name. @default none */
  readonly further?: (numbers: Float64Array) => Readonly<Record<string, number>>;
}

/** How an objective learns from a teacher. */
export interface Teaching<S extends CommonSettings = CommonSettings> {
  /** Whether a phase with these settings does. */
  isUsed(phase: S): boolean;
  /**
   * The task that the teacher is asked about every text before the first step, its outputs becoming `data.values`;
   * undefined: it is asked in every step.
   */
  before(phase: S): "classify" | "embed" | undefined;
  /** What it is asked in every step. Contexts have the teacher's config. */
  readonly inSteps:
    | {
        /** The head that it needs. */
        head(context: ModelContext<S>): Head;
        /** Without dropout. */
        program(context: ModelContext<S>): Graph;
        /** `outputs`: inputs of the loss program, which the run writes. */
        batch(
          context: PhaseContext<S>,
          examples: Int32Array,
          key: ShardKey,
        ): { readonly inputs: Record<string, HostTensor>; readonly outputs: Record<string, HostTensor<"float32">> };
      }
    | undefined;
}

export interface Arrangement<S extends CommonSettings = CommonSettings> {
  /** Whether texts are read whole, to be cut into rows here; else they come cut to `length`. */
  readonly whole: boolean;
  rows(dataset: Dataset, length: number, special: SpecialIds, phase: S): Dataset;
}

/** Methods, so that an objective of one kind of phase can stand in a table of all (their parameters are bivariant). */
export interface Objective<S extends CommonSettings = CommonSettings> {
  /** A sentence or two, for people. */
  readonly description: string;
  /** What a version answers whose last phase this is. */
  readonly task: ObjectiveTask;
  /** What it makes of a table's rows. */
  readonly reading: ReadingName;
  /** Examples as they are trained on, with rows of at most `length` tokens. @default as they are read */
  readonly arrange?: Arrangement<S>;
  /** Settings that suit a start, under what is given and over the schema's own defaults. */
  readonly defaults: { readonly [K in Start]: Readonly<Record<string, unknown>> };
  head(context: ModelContext<S>): Head;
  /** Parameters beside those of the model, which are trained with it and no part of a version. @default none */
  parameters?(context: ModelContext<S>): readonly ParameterInfo[];
  /** How it learns from a teacher. @default it cannot */
  readonly teaching?: Teaching<S>;
  /** Writes the model and its loss, rank 0: the sum of the losses of a shard, not divided by anything. */
  loss(layers: LayerContext, context: ModelContext<S>): ValueId | TwoLosses;
  /** For losses that are not sums over examples. @default none: a shard knows its own rows */
  readonly shared?: Shared<S>;
  /** Tokens of an example in an epoch, for the plan. */
  lengths(context: PhaseContext<S>): (epoch: number, example: number) => number;
  /**
   * `batch`: of an objective with `shared`; left out, the inputs are those of its program.
   *
   * Products of a single row take another kernel, so rows and positions are padded to two.
   */
  inputs(context: PhaseContext<S>, examples: Int32Array, key: ShardKey, batch?: SharedBatch): ShardInputs;
  readonly validation: Validation<S> | undefined;
}
