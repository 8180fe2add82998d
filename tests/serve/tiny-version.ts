/** The files of a tiny BERT classifier with made-up weights, over shared memory; the seed decides the weights. */
import { seedFrom } from "../../src/base/index.ts";
import { bertConfig, bertParameters, formatBertConfig, initializeParameters } from "../../src/language/models/index.ts";
import { trainWordPiece } from "../../src/language/text/index.ts";
import { encodeSafetensors } from "../../src/numeric/tensor/index.ts";

const LABELS = ["card", "cash", "loan"];

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
  const weights = initializeParameters(
    bertParameters(config, { kind: "sequence", labels: LABELS.length, pooling: "first" }),
    0.3,
    seedFrom(seed),
  );
  const text = new TextEncoder();
  return new Map(
    [
      ["config.json", text.encode(formatBertConfig(config, "BertForSequenceClassification", LABELS))],
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
