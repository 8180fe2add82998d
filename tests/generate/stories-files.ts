/** stories260K (the checkpoint of llama2.c) as a folder in the Hugging Face layout, in memory. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scoredBpeTokenizerJson } from "../../src/language/text/index.ts";
import { encodeSafetensors, type HostTensor } from "../../src/numeric/tensor/index.ts";
import { stories } from "../models/stories.ts";
import { f32, floatTensor, floats, ggufBytes, ints, paired, string, strings, u32 } from "../tensor/gguf-writer.ts";

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

function scoredPieces(): [string, number][] {
  return readPieces(join(FOLDER, "tok512.bin")).map(([piece, score]): [string, number] => [
    piece.trim().startsWith("<s>") || piece.trim() === "</s>" ? piece.trim() : piece.replaceAll(" ", "▁"),
    score,
  ]);
}

/** `tokenizer.json` */
export function storiesTokenizer(): string {
  return JSON.stringify(
    scoredBpeTokenizerJson({ pieces: scoredPieces(), unknown: "<unk>", begin: "<s>", end: "</s>" }),
  );
}

const SOURCES: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^model\.embed_tokens/, "token_embd"],
  [/^model\.norm/, "output_norm"],
  [/^model\.layers\.(\d+)\./, "blk.$1."],
  [/self_attn\.([qkv])_proj/, "attn_$1"],
  [/self_attn\.o_proj/, "attn_output"],
  [/input_layernorm/, "attn_norm"],
  [/post_attention_layernorm/, "ffn_norm"],
  [/mlp\.(\w+)_proj/, "ffn_$1"],
];

/** The same as llama.cpp's converter writes it. */
export function storiesGguf(): Uint8Array {
  const { json, tensors } = stories();
  const sizes = json as Readonly<Record<string, number>>;
  const [H, G] = [sizes["num_attention_heads"]!, sizes["num_key_value_heads"]!];
  const pieces = scoredPieces();
  const kinds = pieces.map(([piece], id) => (id === 0 ? 2 : id < 3 ? 3 : /^<0x..>$/.test(piece) ? 6 : 1));
  return ggufBytes({
    entries: [
      string("general.architecture", "llama"),
      u32("llama.context_length", sizes["max_position_embeddings"]!),
      u32("llama.embedding_length", sizes["hidden_size"]!),
      u32("llama.block_count", sizes["num_hidden_layers"]!),
      u32("llama.feed_forward_length", sizes["intermediate_size"]!),
      u32("llama.attention.head_count", H),
      u32("llama.attention.head_count_kv", G),
      f32("llama.attention.layer_norm_rms_epsilon", 1e-5),
      string("tokenizer.ggml.model", "llama"),
      strings(
        "tokenizer.ggml.tokens",
        pieces.map(([piece]) => piece),
      ),
      floats(
        "tokenizer.ggml.scores",
        pieces.map(([, score]) => score),
      ),
      ints("tokenizer.ggml.token_type", kinds),
      u32("tokenizer.ggml.bos_token_id", 1),
      u32("tokenizer.ggml.eos_token_id", 2),
    ],
    tensors: [...tensors].map(([name, one]) => {
      const heads = name.includes("q_proj") ? H : name.includes("k_proj") ? G : 0;
      const { shape, data } = heads === 0 ? one : paired(one as HostTensor<"float32">, heads);
      return floatTensor(
        SOURCES.reduce((text, [pattern, to]) => text.replace(pattern, to), name),
        shape,
        data as Float32Array,
      );
    }),
  });
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
