/** Tiny versions with made-up weights, one for each thing that a version can be made for. */
import { seedFrom } from "../../src/base/index.ts";
import {
  formatModelConfig,
  initializeParameters,
  modelParameters,
  newModelConfig,
  type FamilyName,
  type Head,
} from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { digestTensors, encodeSafetensors } from "../../src/numeric/tensor/index.ts";
import type { VersionTask } from "../../src/work/infer/index.ts";

export const WORDS = ["card", "cash", "loan"];
export const TAGS = ["O", "B-card", "I-card", "B-loan", "I-loan"];

interface Made {
  readonly head: Head;
  readonly labels?: readonly string[];
  /** Fields of lockstep.json. */
  readonly own: object;
  /** @default "bert" */
  readonly family?: FamilyName;
  /** Fields of config.json that say the same of a folder without lockstep.json. */
  readonly config?: object;
}

const calibration = { temperature: 0.5, threshold: 0.5 };

const MADE: { readonly [T in VersionTask]: Made } = {
  classify: {
    head: { kind: "sequence", labels: 3, pooling: "first" },
    labels: WORDS,
    own: { labels: WORDS, pooling: "first", calibration },
  },
  "multi-label": {
    head: { kind: "sequence", labels: 3, pooling: "first" },
    labels: WORDS,
    own: { labels: WORDS, pooling: "first", calibration },
    config: { problem_type: "multi_label_classification" },
  },
  score: {
    head: { kind: "sequence", labels: 1, pooling: "first" },
    own: { pooling: "first", activation: "sigmoid" },
    config: { num_labels: 1 },
  },
  "token-classify": { head: { kind: "token", labels: TAGS.length }, labels: TAGS, own: { labels: TAGS } },
  embed: { head: { kind: "encoder", pooling: "mean" }, own: { pooling: "mean", normalize: true } },
  "masked-lm": { head: { kind: "masked-lm" }, own: {} },
  "causal-lm": { head: { kind: "causal-lm" }, own: {}, family: "gpt2" },
};

export const VERSION_TASKS = Object.keys(MADE) as readonly VersionTask[];

export interface Options {
  /** Leave lockstep.json out, so that the folder is somebody else's. @default false */
  readonly foreign?: boolean;
  /** Fields of config.json over those that it has. */
  readonly config?: object;
}

/** The files, over shared memory. The weights are the same however the folder says what it is. */
export function filesOf(task: VersionTask, { foreign = false, config: over = {} }: Options = {}) {
  const { head, labels, own, family = "bert", config: said = {} } = MADE[task];
  const tokenizer = trainWordPiece(["my card has not arrived", "cash was not given", "can i have a loan, please?"], {
    vocabSize: 80,
    minFrequency: 1,
    maxLength: 32,
  });
  const config = newModelConfig(family, {
    vocab_size: 80,
    hidden_size: 16,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    intermediate_size: 24,
    max_position_embeddings: 32,
    pad_token_id: 0,
    initializer_range: 0.3,
  });
  const weights = initializeParameters(modelParameters(config, head), 0.3, seedFrom(7));
  const text = new TextEncoder();
  const json = JSON.parse(formatModelConfig(config, head, labels)) as object;
  const lockstep = {
    format: 1,
    task,
    max_tokens: 32,
    weights_sha256: digestTensors(weights),
    ...own,
  };
  const files: (readonly [string, Uint8Array])[] = [
    ["config.json", text.encode(JSON.stringify({ ...json, ...said, ...over }))],
    ["model.safetensors", encodeSafetensors(weights)],
    ...(foreign ? [] : [["lockstep.json", text.encode(JSON.stringify(lockstep))] as const]),
    ...Object.entries(tokenizer.files).map(([name, content]) => [name, text.encode(content)] as const),
  ];
  return new Map(files.map(([name, bytes]) => [name, shared(bytes)]));
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
