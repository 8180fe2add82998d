/** A tiny version as files, with the pooling, labels and limit asked for. */
import { seedFrom } from "../../src/base/index.ts";
import {
  modelParameters,
  formatModelConfig,
  initializeParameters,
  type Pooling,
} from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { encodeSafetensors, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { readVersion, type Version } from "../../src/work/infer/index.ts";
import { bertConfig } from "../models/bert-config.ts";

export const LABELS = ["card", "cash", "loan"];
export const TEXT = new TextEncoder();

export interface Tiny {
  readonly pooling?: Pooling;
  readonly positions?: number;
  /** Fields over those of a correct `lockstep.json`; null: no such file. */
  readonly own?: object | null;
  readonly change?: (weights: Map<string, HostTensor<"float32">>) => void;
}

export function tinyFiles({ pooling = "mean", positions = 96, own = {}, change }: Tiny = {}): Map<string, Uint8Array> {
  const tokenizer = trainWordPiece(["my card has not arrived", "cash was not given", "can i have a loan"], {
    vocabSize: 64,
    minFrequency: 1,
    maxLength: Math.max(3, positions),
  });
  const config = bertConfig({
    vocab_size: 64,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 48,
    max_position_embeddings: positions,
    type_vocab_size: 2,
  });
  const head = { kind: "sequence", labels: LABELS.length, pooling } as const;
  const weights = initializeParameters(modelParameters(config, head), 0.3, seedFrom(5));
  change?.(weights);
  const lockstep = {
    format: 1,
    task: "classify",
    labels: LABELS,
    pooling,
    max_tokens: positions,
    calibration: { temperature: 2, threshold: 0.4 },
    weights_sha256: "none",
  };
  return new Map<string, Uint8Array>([
    ["config.json", TEXT.encode(formatModelConfig(config, head, LABELS))],
    ["model.safetensors", encodeSafetensors(weights)],
    ...(own === null ? [] : [["lockstep.json", TEXT.encode(JSON.stringify({ ...lockstep, ...own }))] as const]),
    ...Object.entries(tokenizer.files).map(([name, content]) => [name, TEXT.encode(content)] as const),
  ]);
}

export function tinyVersion(options: Tiny = {}): Version {
  return readVersion(tinyFiles(options));
}
