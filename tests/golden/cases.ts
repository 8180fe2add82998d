/**
 * Folders of reference vectors made with PyTorch (tests/fixtures/golden/README.md says what is in them): how they are
 * read and compared. Which objective a folder is for follows from its class and its batches (kinds.ts).
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import {
  matchWeights,
  modelParameters,
  parseModelConfig,
  type Head,
  type ModelConfig,
  type ParameterInfo,
} from "../../src/language/models/index.ts";
import { readSafetensors, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { KINDS, kindOf, type KindName } from "./kinds.ts";

export const FIXTURES = join(import.meta.dirname, "../fixtures/golden");
export const BERT_CASES = ["bert-sequence-classification", "bert-masked-lm", "bert-token-classification"] as const;
export const ENCODER_CASES = [
  ...BERT_CASES,
  "bert-multi-label",
  "bert-regression",
  "bert-sentence-pairs",
  "distilbert-sequence-classification",
  "distilbert-masked-lm",
  "distilbert-token-classification",
  "roberta-sequence-classification",
  "roberta-masked-lm",
  "roberta-token-classification",
] as const;
export const DECODER_CASES = [
  "gpt2-causal-lm",
  "gpt2-sequence-classification",
  "gpt2-token-classification",
  "llama-causal-lm",
  "llama-rope-scaled-causal-lm",
  "llama-sequence-classification",
  "llama-token-classification",
  "mistral-causal-lm",
  "qwen2-causal-lm",
  "qwen3-causal-lm",
] as const;

/** Right-padded rows; a batch of pairs has two texts a row. */
export interface GoldenBatch {
  readonly input_ids?: readonly (readonly number[])[];
  readonly attention_mask?: readonly (readonly number[])[];
  readonly token_type_ids?: readonly (readonly number[])[];
  readonly labels?: readonly number[] | readonly (readonly number[])[];
  readonly first?: readonly (readonly number[])[];
  readonly first_mask?: readonly (readonly number[])[];
  readonly second?: readonly (readonly number[])[];
  readonly second_mask?: readonly (readonly number[])[];
}

/** What greedy decoding appends to a prompt, and how far each chosen logit lies above the next one. */
export interface Generation {
  readonly prompt: readonly number[];
  readonly tokens: readonly number[];
  readonly margin: readonly number[];
}

export interface GoldenCase {
  readonly name: string;
  readonly kind: KindName;
  readonly config: ModelConfig;
  readonly head: Head;
  readonly parameters: readonly ParameterInfo[];
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  /** The tensors of the weights file as they stand there. */
  readonly stored: ReadonlyMap<string, HostTensor>;
  readonly expected: ReadonlyMap<string, HostTensor>;
  readonly losses: readonly number[];
  readonly batches: readonly GoldenBatch[];
  readonly generations: readonly Generation[];
}

export function goldenCase(name: string, parent = FIXTURES): GoldenCase {
  const folder = join(parent, name);
  const json = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), "utf8"));
  const parsed = parseModelConfig(json("config.json"));
  const batches = json("batches.json") as GoldenBatch[];
  const kind = kindOf(parsed, batches[0] as GoldenBatch);
  const head = KINDS[kind].head(parsed);
  const { config } = parsed;
  const parameters = modelParameters(config, head);
  const { tensors: stored } = readSafetensors(join(folder, "model.safetensors"));
  const { weights, missing } = matchWeights(config, parameters, stored);
  if (missing.length > 0) throw new Error(`${name} has no tensor for ${missing.map((one) => one.name).join(", ")}`);
  return {
    name: basename(folder),
    kind,
    config,
    head,
    parameters,
    weights,
    stored,
    expected: readSafetensors(join(folder, "expected.safetensors")).tensors,
    losses: (json("expected.json") as { losses: number[] }).losses,
    batches,
    generations: existsSync(join(folder, "generation.json")) ? (json("generation.json") as Generation[]) : [],
  };
}

/**
 * Whether PyTorch went through float32 on its way: causal language models compute their loss there whatever the
 * model's type is, Llama's relatives their norms and rotations too. Then no figure is nearer than float32.
 */
export function isSingle({ losses }: GoldenCase): boolean {
  return losses.every((loss) => Math.fround(loss) === loss);
}

/** Under the first of these names that the folder has. */
export function expectedOf(
  { name, expected }: GoldenCase,
  names: readonly string[],
): { readonly key: string; readonly tensor: HostTensor } {
  for (const key of names) {
    const found = expected.get(key);
    if (found !== undefined) return { key, tensor: found };
  }
  throw new Error(`${name} expects nothing of ${names.join(" or ")}`);
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
