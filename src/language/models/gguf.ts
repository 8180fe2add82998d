/**
 * What the metadata and the tensors of a GGUF file are called in the Hugging Face layout, and which tensors lie there
 * otherwise. One row an architecture (`general.architecture`); the names are those of llama.cpp (`gguf-py/gguf`
 * constants.py and tensor_mapping.py, and how `convert_hf_to_gguf.py` arranges weights,
 * https://github.com/ggml-org/llama.cpp). A key or a tensor of the architecture that is not known here is refused by
 * its name, since nobody knows whether answers depend on it.
 */
import { z } from "zod";
import { LockstepError, parseOptions, pow } from "../../base/index.ts";
import type { GgufHeader, OpenGguf } from "../../numeric/tensor/index.ts";

/** One tensor of the folder, and how it is made of one of the file. */
export interface GgufWeight {
  /** In the file. */
  readonly source: string;
  /** In the Hugging Face layout. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Puts values that lie as in the file into their places in the folder. */
  readonly arrange: (values: Float32Array) => void;
}

export interface GgufModel {
  /** As in `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: readonly GgufWeight[];
  /** A tensor that must have the values of another, since the layout has one for both. */
  readonly copies: readonly { readonly source: string; readonly of: string }[];
}

interface Facts {
  has(tensor: string): boolean;
  /** Rows of the table of words. */
  readonly vocab_size: number;
  /** What each frequency of the rotations is divided by, where the file has that. */
  readonly divisors: Float32Array | undefined;
}

interface Architecture {
  /** Metadata and facts to `config.json` and what the rows of queries and keys are. */
  read(fields: Readonly<Record<string, unknown>>, facts: Facts): Read;
}
interface Read {
  readonly config: Readonly<Record<string, unknown>>;
  readonly names: Names;
  /** By the tensor's name without its layer and without `.weight`: how it lies otherwise. */
  readonly arranged: Readonly<Record<string, Arrangement>>;
}
interface Names {
  /** Tensors beside the layers, without `.weight` or `.bias`. */
  readonly whole: Readonly<Record<string, string>>;
  /** What the layers are called: `model.layers`. */
  readonly layers: string;
  /** Tensors of a layer. */
  readonly layer: Readonly<Record<string, string>>;
}
interface Arrangement {
  readonly shape: (shape: readonly number[]) => readonly number[];
  readonly arrange: (values: Float32Array, shape: readonly number[]) => void;
}

const count = z.int().min(1).max(16_777_216);
const real = z.number().positive();
const scaling = {
  "rope.scaling.type": z.enum(["none", "linear"]).optional(),
  "rope.scaling.factor": real.optional(),
  "rope.scaling.finetuned": z.boolean().optional(),
  "rope.scaling.original_context_length": count.optional(),
};
const shared = {
  context_length: count,
  embedding_length: count,
  block_count: count,
  feed_forward_length: count,
  "attention.head_count": count,
  vocab_size: count.optional(),
};
const gated = z.strictObject({
  ...shared,
  ...scaling,
  "attention.head_count_kv": count.optional(),
  "attention.layer_norm_rms_epsilon": real,
  "attention.key_length": count.optional(),
  "attention.value_length": count.optional(),
  "rope.dimension_count": count.optional(),
  "rope.freq_base": real.optional(),
  // One expert is no mixture.
  expert_count: z.literal(0).optional(),
  expert_used_count: z.literal(0).optional(),
  tensor_data_layout: z.string().optional(),
});
const gpt2 = z.strictObject({ ...shared, "attention.layer_norm_epsilon": real });

const GATED_NAMES: Names = {
  whole: { token_embd: "model.embed_tokens", output_norm: "model.norm", output: "lm_head" },
  layers: "model.layers",
  layer: {
    attn_norm: "input_layernorm",
    attn_q: "self_attn.q_proj",
    attn_k: "self_attn.k_proj",
    attn_v: "self_attn.v_proj",
    attn_output: "self_attn.o_proj",
    attn_q_norm: "self_attn.q_norm",
    attn_k_norm: "self_attn.k_norm",
    ffn_norm: "post_attention_layernorm",
    ffn_gate: "mlp.gate_proj",
    ffn_up: "mlp.up_proj",
    ffn_down: "mlp.down_proj",
  },
};
const GPT2_NAMES: Names = {
  whole: { token_embd: "transformer.wte", position_embd: "transformer.wpe", output_norm: "transformer.ln_f" },
  layers: "transformer.h",
  layer: {
    attn_norm: "ln_1",
    attn_qkv: "attn.c_attn",
    attn_output: "attn.c_proj",
    ffn_norm: "ln_2",
    ffn_up: "mlp.c_fc",
    ffn_down: "mlp.c_proj",
  },
};

/** Its rows of queries and keys lie in pairs, for rotations of neighbours; in the folder the halves are apart. */
const LLAMA: Architecture = {
  read: (json, facts) => {
    const { config, heads, keyHeads } = gatedConfig("llama", json, facts);
    return {
      config: {
        ...config,
        architectures: ["LlamaForCausalLM"],
        attention_bias: facts.has("blk.0.attn_q.bias"),
        mlp_bias: facts.has("blk.0.ffn_gate.bias"),
      },
      names: GATED_NAMES,
      arranged: { attn_q: unpaired(heads), attn_k: unpaired(keyHeads) },
    };
  },
};
const qwen = (model_type: string, architecture: string): Architecture => ({
  read: (json, facts) => {
    const { config } = gatedConfig(model_type, json, facts);
    return { config: { ...config, architectures: [architecture] }, names: GATED_NAMES, arranged: {} };
  },
});
/** Its linear layers are stored the other way round in the folder. */
const GPT2: Architecture = {
  read: (json, { vocab_size }) => {
    const fields = parseOptions(gpt2, json, "the GGUF file's metadata (gpt2.…)", "MODEL_INVALID");
    return {
      config: {
        model_type: "gpt2",
        architectures: ["GPT2LMHeadModel"],
        vocab_size,
        n_positions: fields.context_length,
        n_embd: fields.embedding_length,
        n_layer: fields.block_count,
        n_head: fields["attention.head_count"],
        n_inner: fields.feed_forward_length,
        layer_norm_epsilon: shortest(fields["attention.layer_norm_epsilon"]),
        activation_function: "gelu_new",
      },
      names: GPT2_NAMES,
      arranged: Object.fromEntries(["attn_qkv", "attn_output", "ffn_up", "ffn_down"].map((name) => [name, TRANSPOSED])),
    };
  },
};

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  llama: LLAMA,
  qwen2: qwen("qwen2", "Qwen2ForCausalLM"),
  qwen3: qwen("qwen3", "Qwen3ForCausalLM"),
  gpt2: GPT2,
};

const DIVISORS = "rope_freqs.weight";

/** @throws MODEL_INVALID for an architecture, a key or a tensor that is not followed */
export function modelOfGguf(file: OpenGguf): GgufModel {
  const { metadata, tensors } = file;
  const parts = metadata.get("split.count");
  if (typeof parts === "number" && parts > 1)
    throw invalid(`it is one of ${parts} parts of a model; join them (llama-gguf-split --merge)`);
  const name = metadata.get("general.architecture");
  const architecture = typeof name === "string" && Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (architecture === undefined)
    throw invalid(
      `its architecture is ${JSON.stringify(name)?.slice(0, 60) ?? "not said"}; ` +
        `${Object.keys(ARCHITECTURES).join(", ")} are read`,
    );
  const prefix = `${String(name)}.`;
  const fields = Object.fromEntries(
    [...metadata].flatMap(([key, value]) => (key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [])),
  );
  const [vocab_size] = tensors.get("token_embd.weight")?.shape ?? [];
  if (vocab_size === undefined) throw invalid('it has no tensor "token_embd.weight"');
  const { config, names, arranged } = architecture.read(fields, {
    vocab_size,
    has: (one) => tensors.has(one),
    divisors: tensors.has(DIVISORS) ? file.read(DIVISORS).data : undefined,
  });
  const copies = "output" in names.whole ? [] : [{ source: "output.weight", of: "token_embd.weight" }];
  return {
    config: { ...config, ...tokenIds(metadata), dtype: "float32" },
    weights: weightsOf(file, names, arranged, [...copies.map(({ source }) => source), DIVISORS]),
    copies: copies.filter(({ source }) => tensors.has(source)),
  };
}

/** The ids that `config.json` names. */
function tokenIds(metadata: GgufHeader["metadata"]): Readonly<Record<string, unknown>> {
  const ids = { bos: "bos", eos: "eos", pad: "padding" };
  return Object.fromEntries(
    Object.entries(ids).flatMap(([name, key]) => {
      const value = metadata.get(`tokenizer.ggml.${key}_token_id`);
      return value === undefined ? [] : [[`${name}_token_id`, value]];
    }),
  );
}

function gatedConfig(
  model_type: string,
  json: Readonly<Record<string, unknown>>,
  facts: Facts,
): { readonly config: Readonly<Record<string, unknown>>; readonly heads: number; readonly keyHeads: number } {
  const fields = parseOptions(gated, json, `the GGUF file's metadata (${model_type}.…)`, "MODEL_INVALID");
  const heads = fields["attention.head_count"];
  const keyHeads = fields["attention.head_count_kv"] ?? heads;
  const width = fields["attention.key_length"] ?? fields.embedding_length / heads;
  for (const key of ["attention.value_length", "rope.dimension_count"] as const)
    if ((fields[key] ?? width) !== width)
      throw invalid(`its ${model_type}.${key} is ${fields[key]}, and a head has ${width} elements`);
  const rope_theta = shortest(fields["rope.freq_base"] ?? 10_000);
  return {
    config: {
      model_type,
      vocab_size: facts.vocab_size,
      hidden_size: fields.embedding_length,
      intermediate_size: fields.feed_forward_length,
      num_hidden_layers: fields.block_count,
      num_attention_heads: heads,
      num_key_value_heads: keyHeads,
      head_dim: width,
      max_position_embeddings: fields.context_length,
      rms_norm_eps: shortest(fields["attention.layer_norm_rms_epsilon"]),
      hidden_act: "silu",
      tie_word_embeddings: !facts.has("output.weight"),
      rope_theta,
      rope_scaling:
        fields["rope.scaling.type"] === "linear"
          ? { rope_type: "linear", factor: shortest(fields["rope.scaling.factor"] ?? 1) }
          : llama3Scaling(facts.divisors, rope_theta),
    },
    heads,
    keyHeads,
  };
}

/** Llama 3.1's scaling as it was published: only its factor differs between models. */
const LLAMA3 = { low_freq_factor: 1, high_freq_factor: 4, original_max_position_embeddings: 8192 };
const TWO_PI = 6.283185307179586;

/** The scaling that gives these divisors; a file has them, and not what they were computed from. */
function llama3Scaling(divisors: Float32Array | undefined, rope_theta: number): object | null {
  if (divisors === undefined) return null;
  const factor = shortest(divisors.reduce((most, one) => Math.max(most, one), 1));
  const { low_freq_factor: low, high_freq_factor: high, original_max_position_embeddings: tokens } = LLAMA3;
  divisors.forEach((found, i) => {
    const turns = tokens / (TWO_PI * pow(rope_theta, i / divisors.length));
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    const expected = 1 / ((1 - smooth) / factor + smooth);
    if (!(Math.abs(found - expected) <= 1e-4 * expected))
      throw invalid(`its ${DIVISORS} are not those of Llama 3's scaling by ${factor} (element ${i}: ${found})`);
  });
  return factor === 1 ? null : { rope_type: "llama3", factor, ...LLAMA3 };
}

/** The decimal that was written down before it became a float32: 1e-5 rather than 9.999999747378752e-6. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

const AS_IS: Arrangement = { shape: (shape) => shape, arrange: () => undefined };

/** Within each head, rows 2i and 2i + 1 become rows i and i + D/2. */
function unpaired(heads: number): Arrangement {
  return {
    shape: (shape) => shape,
    arrange: (values, [rows = 0]) => {
      const half = rows / heads / 2;
      if (!Number.isInteger(half)) throw invalid(`${rows} rows of queries or keys are not pairs for ${heads} heads`);
      const from = values.slice();
      const width = values.length / rows;
      for (let head = 0; head < heads; head++)
        for (let i = 0; i < half; i++)
          for (let part = 0; part < 2; part++) {
            const source = (head * 2 * half + 2 * i + part) * width;
            values.set(from.subarray(source, source + width), (head * 2 * half + part * half + i) * width);
          }
    },
  };
}

/** A matrix the other way round; a vector as it is. */
const TRANSPOSED: Arrangement = {
  shape: (shape) => [...shape].reverse(),
  arrange: (values, shape) => {
    const [rows = 1, columns = 1] = shape;
    if (shape.length < 2) return;
    const from = values.slice();
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++)
        values[row * columns + column] = from[column * rows + row] as number;
  },
};

function weightsOf(
  { tensors }: Pick<GgufHeader, "tensors">,
  names: Names,
  arranged: Readonly<Record<string, Arrangement>>,
  known: readonly string[],
): readonly GgufWeight[] {
  return [...tensors].flatMap(([source, { shape: stored }]): GgufWeight[] => {
    if (known.includes(source)) return [];
    const { part, name } = renamed(source, names);
    const { shape, arrange } = arranged[part] ?? AS_IS;
    const own = shape(stored);
    return [{ source, name, shape: own, arrange: (values) => arrange(values, own) }];
  });
}

function renamed(source: string, { whole, layers, layer }: Names): { readonly part: string; readonly name: string } {
  const [, number, part = "", kind = ""] = /^(?:blk\.(0|[1-9]\d{0,3})\.)?([a-z_]+)\.(weight|bias)$/.exec(source) ?? [];
  const table = number === undefined ? whole : layer;
  if (!Object.hasOwn(table, part))
    throw invalid(`it has a tensor "${source}", which is not known for its architecture`);
  const at = number === undefined ? "" : `${layers}.${number}.`;
  return { part, name: `${at}${table[part]}.${kind}` };
}

function invalid(why: string): LockstepError {
  return new LockstepError("MODEL_INVALID", `the GGUF file cannot be used as a model: ${why}`);
}
