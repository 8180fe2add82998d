/** Reference vectors made with PyTorch in float64 (tests/fixtures/golden): how they are read and compared. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  batchInputs,
  modelParameters,
  parseModelConfig,
  type ModelConfig,
  type Head,
  type ParameterInfo,
} from "../../src/language/models/index.ts";
import { readSafetensors, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const GOLDEN = join(import.meta.dirname, "../fixtures/golden");

export interface GoldenBatch {
  readonly input_ids: number[][];
  readonly attention_mask: number[][];
  /** Where the family has them. */
  readonly token_type_ids?: number[][];
  readonly labels: number[] | number[][];
}
export interface GoldenCase {
  readonly name: string;
  readonly config: ModelConfig;
  readonly head: Exclude<Head, { kind: "encoder" }>;
  readonly parameters: readonly ParameterInfo[];
  readonly weights: ReadonlyMap<string, HostTensor>;
  readonly expected: ReadonlyMap<string, HostTensor>;
  readonly losses: readonly number[];
  readonly batches: readonly GoldenBatch[];
}

export const BERT_CASES = ["bert-sequence-classification", "bert-masked-lm", "bert-token-classification"] as const;
export const ENCODER_CASES = [
  ...BERT_CASES,
  "distilbert-sequence-classification",
  "distilbert-masked-lm",
  "distilbert-token-classification",
  "roberta-sequence-classification",
  "roberta-masked-lm",
  "roberta-token-classification",
] as const;

export async function goldenCase(name: (typeof ENCODER_CASES)[number]): Promise<GoldenCase> {
  const folder = join(GOLDEN, name);
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const { config, labels } = parseModelConfig(json("config.json"));
  const count = labels?.length ?? 0;
  const head: GoldenCase["head"] = name.endsWith("masked-lm")
    ? { kind: "masked-lm" }
    : name.endsWith("sequence-classification")
      ? { kind: "sequence", labels: count, pooling: "first" }
      : { kind: "token", labels: count };
  const { tensors: weights } = readSafetensors(join(folder, "model.safetensors"));
  const { tensors: expected } = readSafetensors(join(folder, "expected.safetensors"));
  const { losses } = json("expected.json") as { losses: number[] };
  return {
    name,
    config,
    head,
    parameters: modelParameters(config, head),
    weights,
    expected,
    losses,
    batches: json("batches.json") as GoldenBatch[],
  };
}

/** Families in which the reference numbers padding too, and its logits are compared there. */
const NUMBERS_PADDING: Readonly<Record<string, boolean>> = { bert: true, distilbert: true };

/** The inputs of a loss program; masked LM selects every position of the padded batch, so that logits compare whole. */
export function goldenInputs(
  golden: GoldenCase,
  batch: GoldenBatch,
  real: "float32" | "float64",
): Record<string, HostTensor> {
  const lengths = batch.attention_mask.map((row) => row.reduce((sum, bit) => sum + bit, 0));
  const rows = batch.input_ids.map((row, b) => ({
    ids: Int32Array.from(row.slice(0, lengths[b])),
    typeIds: Int32Array.from((batch.token_type_ids?.[b] ?? []).slice(0, lengths[b])),
  }));
  const T = batch.input_ids[0]!.length;
  const inputs = batchInputs(rows, golden.config, golden.head, { tokens: T, padId: golden.config.pad_token_id, real });
  const labels = Int32Array.from(batch.labels.flat());
  const weights = Array.from(labels, (label) => (label === -100 ? 0 : 1));
  const total = weights.reduce((sum: number, weight) => sum + weight, 0);
  const reals = (shape: number[], values: number[]): HostTensor =>
    real === "float32"
      ? tensor("float32", shape, Float32Array.from(values))
      : tensor("float64", shape, Float64Array.from(values));
  return {
    ...inputs,
    ...(NUMBERS_PADDING[golden.config.model_type] === true
      ? {
          position_ids: tensor(
            "int32",
            [rows.length, T],
            Int32Array.from({ length: rows.length * T }, (_, i) => i % T),
          ),
        }
      : {}),
    ...(golden.head.kind === "masked-lm"
      ? {
          positions: tensor(
            "int32",
            [rows.length * T],
            Int32Array.from({ length: rows.length * T }, (_, i) => i),
          ),
        }
      : {}),
    labels: tensor("int32", [labels.length], labels),
    label_weights: reals([labels.length], weights),
    loss_scale: reals([], [1 / total]),
  };
}

/** Largest difference over the tensor's largest magnitude, which is held to at least `floor`. */
export function difference(actual: HostTensor["data"], expected: HostTensor["data"], floor: number): number {
  let largest = floor;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(Number(expected[i])));
    worst = Math.max(worst, Math.abs(Number(expected[i]) - Number(actual[i])));
  }
  return worst / largest;
}

/**
 * A thousandth of the largest magnitude over all expected tensors with the prefix: a gradient that is 0 in theory is
 * held to the others' scale.
 */
export function floorOf(expected: ReadonlyMap<string, HostTensor>, prefix: string): number {
  let largest = 0;
  for (const [name, { data }] of expected)
    if (name.startsWith(prefix)) for (const value of data) largest = Math.max(largest, Math.abs(Number(value)));
  return largest / 1000;
}
