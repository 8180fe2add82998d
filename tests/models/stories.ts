/** stories260K: a published Llama in the layout of llama2.c, whose turned pairs lie side by side. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { elements, tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

const FOLDER = join(import.meta.dirname, "../fixtures/models/stories260K");

/** What its authors' code gives: computed in NumPy with float64. */
export interface StoriesReference {
  /** The greedy text. */
  readonly ids: readonly number[];
  /** Of those ids and a few more; a line break is <0x0A>. */
  readonly greedy_text: string;
  readonly logits_pos0: readonly number[];
  /** −log of each next token's probability. */
  readonly nll_next: readonly number[];
}

export function storiesReference(): StoriesReference {
  return JSON.parse(readFileSync(join(FOLDER, "reference.json"), "utf8")) as StoriesReference;
}

/** The checkpoint of llama2.c (version 0): seven sizes, then float32 tensors. */
export function stories(): { readonly json: object; readonly tensors: ReadonlyMap<string, HostTensor> } {
  const file = readFileSync(join(FOLDER, "stories260K.bin"));
  const [C, F, layers, H, G, V, longest] = Array.from({ length: 7 }, (_, i) => file.readInt32LE(4 * i)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const D = C / H;
  const numbers = new Float32Array(file.buffer.slice(file.byteOffset + 28, file.byteOffset + file.length));
  const tensors = new Map<string, HostTensor>();
  let at = 0;
  const take = (shape: readonly number[]): Float32Array => numbers.subarray(at, (at += elements(shape)));
  const add = (name: string, shape: readonly number[], arrange = (data: Float32Array) => data): void => {
    tensors.set(name, tensor("float32", shape, arrange(take(shape))));
  };
  const inLayers = (name: string, shape: readonly number[], arrange?: (data: Float32Array) => Float32Array): void => {
    for (let layer = 0; layer < layers; layer++) add(`model.layers.${layer}.${name}.weight`, shape, arrange);
  };
  /** Rows 2i and 2i + 1 of a head become rows i and i + D/2. */
  const halves = (data: Float32Array): Float32Array => {
    const out = new Float32Array(data.length);
    for (let row = 0; row < data.length / C; row++) {
      const [head, i] = [Math.floor(row / D), row % D];
      const to = head * D + (i % 2 === 0 ? i / 2 : D / 2 + (i - 1) / 2);
      out.set(data.subarray(row * C, (row + 1) * C), to * C);
    }
    return out;
  };
  add("model.embed_tokens.weight", [V, C]);
  inLayers("input_layernorm", [C]);
  inLayers("self_attn.q_proj", [C, C], halves);
  inLayers("self_attn.k_proj", [G * D, C], halves);
  inLayers("self_attn.v_proj", [G * D, C]);
  inLayers("self_attn.o_proj", [C, C]);
  inLayers("post_attention_layernorm", [C]);
  inLayers("mlp.gate_proj", [F, C]);
  inLayers("mlp.down_proj", [C, F]);
  inLayers("mlp.up_proj", [F, C]);
  add("model.norm.weight", [C]);
  const json = {
    model_type: "llama",
    vocab_size: V,
    hidden_size: C,
    intermediate_size: F,
    num_hidden_layers: layers,
    num_attention_heads: H,
    num_key_value_heads: G,
    max_position_embeddings: longest,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
  };
  return { json, tensors };
}
