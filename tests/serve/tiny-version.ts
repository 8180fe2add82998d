/** The files of a tiny BERT classifier with made-up weights, over shared memory; the seed decides the weights. */
import { seedFrom } from "../../src/base/index.ts";
import {
  modelParameters,
  formatModelConfig,
  initializeParameters,
  type Head,
} from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { encodeSafetensors } from "../../src/numeric/tensor/index.ts";
import { bertConfig } from "../models/bert-config.ts";

const LABELS = ["card", "cash", "loan"];
const HEAD: Head = { kind: "sequence", labels: LABELS.length, pooling: "first" };

export function tinyFiles(seed: number): ReadonlyMap<string, Uint8Array> {
  const tokenizer = trainWordPiece(["my card has not arrived", "cash was not given", "can i have a loan"], {
    vocabSize: 64,
    minFrequency: 1,
  });
  const config = bertConfig({
    vocab_size: 64,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    intermediate_size: 64,
    max_position_embeddings: 96,
    type_vocab_size: 2,
  });
  const weights = initializeParameters(modelParameters(config, HEAD), 0.3, seedFrom(seed));
  const text = new TextEncoder();
  return new Map(
    [
      ["config.json", text.encode(formatModelConfig(config, HEAD, LABELS))],
      ["model.safetensors", encodeSafetensors(weights)],
      ...Object.entries(tokenizer.files).map(([name, content]) => [name, text.encode(content)] as const),
    ].map(([name, bytes]) => [name as string, shared(bytes as Uint8Array)] as const),
  );
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}
