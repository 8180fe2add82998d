/**
 * What a phase trains for: its head, its loss program, and how a shard's examples become that program's inputs. An
 * objective adds nothing to the order of things: inputs are a function of (examples, seed, step, shard).
 */
import { invariant, type Seed } from "../../base/index.ts";
import { maskTokens, type MaskReplacement } from "../../language/data/index.ts";
import {
  batchInputs,
  crossEntropyGraph,
  type Head,
  type ModelConfig,
  type Pooling,
} from "../../language/models/index.ts";
import { differentiate } from "../../numeric/autodiff/index.ts";
import type { Graph } from "../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import { TrainingPlan, type PlanOptions, type TrainingData } from "./plan.ts";
import { WordDropout } from "./word-dropout.ts";

export type ObjectiveOptions =
  | {
      readonly kind: "masked-lm";
      readonly maskRate: number;
      readonly replacement: MaskReplacement;
      readonly vocabSize: number;
    }
  | {
      readonly kind: "classify";
      readonly labels: number;
      readonly pooling: Pooling;
      readonly labelSmoothing: number;
      readonly tokenDropout: number;
    };

export interface ShardInputs {
  /** Of the loss program, all but `loss_scale`. */
  readonly inputs: Record<string, HostTensor>;
  /** How many losses are summed in it; 0: the shard is skipped. */
  readonly count: number;
  readonly tokens: number;
  readonly paddedTokens: number;
}

interface ShardKey {
  readonly epoch: number;
  readonly seed: Seed;
  readonly step: number;
  readonly shard: number;
}

export function headOf(options: ObjectiveOptions): Exclude<Head, { kind: "encoder" }> {
  return options.kind === "masked-lm"
    ? { kind: "masked-lm" }
    : { kind: "sequence", labels: options.labels, pooling: options.pooling };
}

/** Outputs: `loss`, and `grad.<parameter>` for each parameter. */
export function gradientProgram(config: ModelConfig, options: ObjectiveOptions): Graph {
  const labelSmoothing = options.kind === "classify" ? options.labelSmoothing : 0;
  return differentiate(crossEntropyGraph(config, headOf(options), { dropout: true, labelSmoothing }), {
    loss: "loss",
    keep: ["loss"],
  });
}

/** The plan of a phase: by the lengths that rows have once words were dropped. */
export function objectivePlan(
  options: ObjectiveOptions,
  data: TrainingData,
  special: SpecialIds,
  plan: PlanOptions,
): TrainingPlan {
  const dropout = wordDropout(options, data, special, plan.seed);
  return new TrainingPlan(data, plan, (epoch, example) => dropout.tokens(epoch, example).length);
}

function wordDropout(options: ObjectiveOptions, data: TrainingData, special: SpecialIds, seed: Seed): WordDropout {
  return new WordDropout(data, special, options.kind === "classify" ? options.tokenDropout : 0, seed);
}

/**
 * The inputs of shard `shard` at `step`. Products of a single row take another kernel, so rows and positions are padded
 * to two.
 */
export function shardInputs(
  config: ModelConfig,
  options: ObjectiveOptions,
  data: TrainingData,
  special: SpecialIds,
  examples: Int32Array,
  key: ShardKey,
): ShardInputs {
  const dropout = wordDropout(options, data, special, key.seed);
  const rows = Array.from(examples, (example) => ({ ids: dropout.tokens(key.epoch, example) }));
  const lengths = rows.map(({ ids }) => ids.length);
  const T = Math.max(2, ...lengths);
  const inputs = batchInputs(rows, config, headOf(options), { tokens: T, padId: special.pad, real: "float32" });
  const sizes = { tokens: lengths.reduce((sum, length) => sum + length, 0), paddedTokens: rows.length * T };
  if (options.kind === "classify") {
    const labels = examples.map((example) => data.labels[example]!);
    return { inputs: { ...inputs, ...targets(labels, Math.max(2, rows.length)) }, count: labels.length, ...sizes };
  }
  const ids = inputs["input_ids"]?.data;
  invariant(ids instanceof Int32Array, "token ids are int32");
  const masked = maskTokens(ids, special, options.vocabSize, {
    rate: options.maskRate,
    replacement: options.replacement,
    ...key,
  });
  ids.set(masked.inputs);
  const P = Math.max(2, masked.positions.length);
  const positions = new Int32Array(P);
  positions.set(masked.positions);
  return {
    inputs: { ...inputs, positions: tensor("int32", [P], positions), ...targets(masked.labels, P) },
    count: masked.positions.length,
    ...sizes,
  };
}

function targets(labels: Int32Array, rows: number): Record<string, HostTensor> {
  const padded = new Int32Array(rows);
  padded.set(labels);
  const weights = new Float32Array(rows).fill(1, 0, labels.length);
  return { labels: tensor("int32", [rows], padded), label_weights: tensor("float32", [rows], weights) };
}
