/**
 * A trained model as the files of a version, in the Hugging Face layout. Everything in them follows from the recipe; no
 * clock is read.
 */
import { canonicalJson } from "../../base/index.ts";
import { formatModelConfig, type Head, type ModelConfig } from "../../language/models/index.ts";
import type { Tokenizer } from "../../language/text/index.ts";
import { digestTensors, encodeSafetensors, type HostTensor } from "../../numeric/tensor/index.ts";
import type { Estimate, Share } from "../../work/evaluate/index.ts";
import type { Calibration, LockstepFile, LockstepFileOf, VersionTask } from "../../work/infer/index.ts";
import { recipeHash, requireTask, type Recipe } from "../../work/train/index.ts";

/** Figures of one table by their names: which ones, the task's measure says (`work/evaluate`). */
export interface KeptFigures {
  /** Of a classifier. */
  readonly accuracy?: Share;
  /** The test table. */
  readonly data_sha256?: string;
  readonly [figure: string]: number | string | (Estimate & { readonly total?: number }) | undefined;
}

/** Measured figures that are kept in the version. */
export interface Metrics {
  readonly validation?: KeptFigures;
  readonly test?: KeptFigures;
  readonly baseline?: { readonly name: string; readonly accuracy: Share };
}

/** As people write it: entity_f1 is "entity F1". */
export function figureName(name: string): string {
  return name
    .replaceAll("_", " ")
    .replace(/\bf1\b/, "F1")
    .replace(/^r2$/, "R squared");
}

export interface VersionContent {
  readonly recipe: Recipe;
  readonly config: ModelConfig;
  readonly head: Head;
  readonly labels: readonly string[];
  readonly tokenizer: Tokenizer;
  readonly weights: ReadonlyMap<string, HostTensor<"float32">>;
  readonly calibration: Calibration;
  readonly metrics: Metrics;
}

const UTF8 = new TextEncoder();

export function weightsHash(weights: ReadonlyMap<string, HostTensor<"float32">>): string {
  return digestTensors(weights);
}

/** What `lockstep.json` says beside the fields of every version, and `config.json` beside the model's own. */
interface Own<T extends VersionTask> {
  readonly fields: (content: VersionContent) => Omit<LockstepFileOf<T>, "task" | keyof Common>;
  readonly config?: Readonly<Record<string, unknown>>;
}
type Common = Pick<LockstepFile, "format" | "max_tokens" | "weights_sha256" | "recipe_sha256">;

const classes = ({ labels, recipe, calibration: { temperature, threshold } }: VersionContent) => ({
  labels: [...labels],
  pooling: recipe.pooling,
  calibration: { temperature, threshold },
});
const OWN: { readonly [T in VersionTask]: Own<T> } = {
  classify: { fields: classes },
  "multi-label": {
    fields: (content) => ({ ...classes(content), calibration: { ...content.calibration } }),
    config: { problem_type: "multi_label_classification" },
  },
  score: {
    fields: ({ recipe }) => ({ pooling: recipe.pooling, activation: "identity" }),
    config: { problem_type: "regression", id2label: { "0": "score" }, label2id: { score: 0 } },
  },
  "token-classify": {
    fields: ({ labels, calibration: { temperature } }) => ({ labels: [...labels], calibration: { temperature } }),
  },
  "masked-lm": { fields: () => ({}) },
  "causal-lm": { fields: () => ({}) },
  embed: { fields: ({ recipe }) => ({ pooling: recipe.pooling, normalize: true }) },
};

/** Shared buffers, so that replicas read the very bytes that were hashed. */
export function versionFiles(content: VersionContent): Map<string, Uint8Array> {
  const { recipe, config, head, labels, tokenizer, weights, metrics } = content;
  const task = requireTask(recipe);
  const own = {
    format: 1,
    task,
    ...OWN[task].fields(content),
    max_tokens: Math.min(recipe.max_tokens, tokenizer.maxLength),
    weights_sha256: weightsHash(weights),
    recipe_sha256: recipeHash(recipe),
    recipe,
    metrics,
  };
  const described = formatModelConfig(config, head, labels.length === 0 ? undefined : labels);
  const files = new Map<string, Uint8Array>([
    ["config.json", UTF8.encode(withFields(described, OWN[task].config))],
    ["lockstep.json", UTF8.encode(`${canonicalJson(own)}\n`)],
    ["model.safetensors", encodeSafetensors(weights, { format: "pt" })],
  ]);
  for (const [name, text] of Object.entries(tokenizer.files)) {
    if (typeof text === "string")
      files.set(name, UTF8.encode(name === "tokenizer_config.json" ? withMaxLength(text, own.max_tokens) : text));
  }
  return new Map([...files].map(([name, bytes]) => [name, toShared(bytes)]));
}

function withFields(json: string, fields: Readonly<Record<string, unknown>> | undefined): string {
  if (fields === undefined) return json;
  return `${JSON.stringify({ ...(JSON.parse(json) as object), ...fields }, null, 2)}\n`;
}

/**
 * Fine-tuned on shorter rows than the tokenizer it came with allows: elsewhere, too, texts are to be cut where they are
 * cut here.
 */
function withMaxLength(tokenizerConfig: string, maxTokens: number): string {
  const config = JSON.parse(tokenizerConfig) as Record<string, unknown>;
  return config["model_max_length"] === maxTokens
    ? tokenizerConfig
    : `${JSON.stringify({ ...config, model_max_length: maxTokens }, null, 2)}\n`;
}

export function toShared(bytes: Uint8Array): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return shared;
}
