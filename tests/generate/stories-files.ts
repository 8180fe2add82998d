/** stories260K (the checkpoint of llama2.c) as a folder in the Hugging Face layout, in memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scoredBpeTokenizerJson } from "../../src/language/text/index.ts";
import { encodeSafetensors } from "../../src/numeric/tensor/index.ts";
import { stories } from "../models/stories.ts";

const FOLDER = join(import.meta.dirname, "../fixtures/models/stories260K");

/** llama2.c's format: the longest token, then of each its score, its length in bytes, and its bytes. */
function readPieces(path: string): [string, number][] {
  const bytes = readFileSync(path);
  const pieces: [string, number][] = [];
  for (let at = 4; at < bytes.length;) {
    const length = bytes.readInt32LE(at + 4);
    pieces.push([bytes.toString("utf8", at + 8, at + 8 + length), bytes.readFloatLE(at)]);
    at += 8 + length;
  }
  return pieces;
}

/** `tokenizer.json` */
export function storiesTokenizer(): string {
  const pieces = readPieces(join(FOLDER, "tok512.bin")).map(([piece, score]): [string, number] => [
    piece.trim().startsWith("<s>") || piece.trim() === "</s>" ? piece.trim() : piece.replaceAll(" ", "▁"),
    score,
  ]);
  return JSON.stringify(scoredBpeTokenizerJson({ pieces, unknown: "<unk>", begin: "<s>", end: "</s>" }));
}

/** `over`: fields of config.json. */
export function storiesFiles(over: object = {}): ReadonlyMap<string, Uint8Array> {
  const { json, tensors } = stories();
  const text = new TextEncoder();
  const config = { architectures: ["LlamaForCausalLM"], bos_token_id: 1, eos_token_id: 2, ...json, ...over };
  return new Map([
    ["config.json", text.encode(JSON.stringify(config))],
    ["model.safetensors", encodeSafetensors(tensors)],
    ["tokenizer.json", text.encode(storiesTokenizer())],
    ["tokenizer_config.json", text.encode('{"bos_token":"<s>","eos_token":"</s>","unk_token":"<unk>"}')],
  ]);
}
