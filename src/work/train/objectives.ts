/**
 * What a phase trains for: its head, its loss program, and how a shard's examples become that program's inputs. An objective
 * adds nothing to the order of things: inputs are a function of (examples, seed, step, shard).
 */
import { invariant, PURPOSE, uniform, type Seed } from "../../base/index.ts";
import { maskTokens } from "../../language/data/index.ts";
import { batchInputs, type Head } from "../../language/models/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { SpecialIds } from "../../language/text/index.ts";
import { tokenCount, type TrainingData } from "./plan.ts";

export type ObjectiveOptions =
  | { readonly kind: "masked-lm"; readonly maskRate: number; readonly vocabSize: number }
  | { readonly kind: "classify"; readonly labels: number; readonly pooling: "mean" | "first"; readonly labelSmoothing: number; readonly tokenDropout: number };

export interface ShardInputs {
  /** Of the loss program, all but `loss_scale`. */
  readonly inputs: Record<string, HostTensor>;
  /** How many losses are summed in it; 0: the shard is skipped. */
  readonly count: number;
  readonly tokens: number;
  readonly paddedTokens: number;
}

export function headOf(options: ObjectiveOptions): Head {
  return options.kind === "masked-lm" ? { kind: "masked-lm" } : { kind: "sequence", labels: options.labels, pooling: options.pooling };
}

/** The inputs of shard `shard` at `step`. Products of a single row take another kernel, so rows and positions are padded to two. */
export function shardInputs(options: ObjectiveOptions, data: TrainingData, special: SpecialIds, examples: Int32Array, key: { seed: Seed; step: number; shard: number }): ShardInputs {
  const lengths = Array.from(examples, (example) => tokenCount(data, example));
  const T = Math.max(2, ...lengths);
  const rows = Array.from(examples, (example) => ({ ids: data.ids.subarray(data.offsets[example], data.offsets[example + 1]) }));
  const inputs = batchInputs(rows, headOf(options), { tokens: T, padId: special.pad, real: "float32" });
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const paddedTokens = rows.length * T;
  const ids = inputs["input_ids"]?.data;
  invariant(ids instanceof Int32Array, "token ids are int32");

  if (options.kind === "masked-lm") {
    const masked = maskTokens(ids, special, options.vocabSize, { rate: options.maskRate, ...key });
    ids.set(masked.inputs);
    const P = Math.max(2, masked.positions.length);
    const positions = new Int32Array(P);
    positions.set(masked.positions);
    return { inputs: { ...inputs, positions: tensor("int32", [P], positions), ...targets(masked.labels, P) }, count: masked.positions.length, tokens, paddedTokens };
  }
  if (options.tokenDropout > 0) dropTokens(ids, special, options.tokenDropout, key);
  const labels = examples.map((example) => data.labels[example]!);
  return { inputs: { ...inputs, ...targets(labels, Math.max(2, rows.length)) }, count: labels.length, tokens, paddedTokens };
}

function targets(labels: Int32Array, rows: number): Record<string, HostTensor> {
  const padded = new Int32Array(rows);
  padded.set(labels);
  const weights = new Float32Array(rows).fill(1, 0, labels.length);
  return { labels: tensor("int32", [rows], padded), label_weights: tensor("float32", [rows], weights) };
}

/** Replaces ordinary tokens by [MASK], each with probability `rate`. */
function dropTokens(ids: Int32Array, special: SpecialIds, rate: number, key: { seed: Seed; step: number; shard: number }): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i];
    if (id === special.pad || id === special.cls || id === special.sep) continue;
    if (uniform(key.seed, PURPOSE.augment, key.step, key.shard, i) < rate) ids[i] = special.mask;
  }
}
