/**
 * What the Llama-like families share: a pre-norm causal decoder with RMS norms, rotary positions, key heads that
 * several query heads share, and a gated feed-forward layer with SiLU (Touvron et al. 2023). What tells the families
 * apart is a value (`Traits`); each has a file of its own for its `config.json`. Parameter names and layouts are those
 * of Hugging Face `transformers`.
 *
 * Letters: B rows, T tokens (padded), N = B·T, C hidden_size, F intermediate_size, H heads, G key heads, D head_dim.
 */
import { z } from "zod";
import type { ValueId } from "../../numeric/graph/index.ts";
import { inputIds, positionIds } from "./batch.ts";
import { invalidField, size } from "./config-sizes.ts";
import type { CommonConfig, Family, NewModel } from "./family.ts";
import type { Head } from "./head.ts";
import { pool, type Attend, type LayerContext, type Sight } from "./layers.ts";
import { ParameterList, type ParameterInfo } from "./parameters.ts";
import { formatRope, parseRope, rotaryTables, type RopeConfig } from "./rotary.ts";

/** Field names are those of `config.json`. Sizes are counts; rates are probabilities. */
export interface GatedDecoderConfig extends CommonConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** G, which divides the number of heads. */
  readonly num_key_value_heads: number;
  /** D, even; H·D need not be C. */
  readonly head_dim: number;
  readonly intermediate_size: number;
  readonly rms_norm_eps: number;
  readonly rope: RopeConfig;
  /** Logits are products with the table of word embeddings. */
  readonly tie_word_embeddings: boolean;
  readonly attention_bias: boolean;
  readonly mlp_bias: boolean;
  /** Tokens that a token sees, itself included; null: all before it. */
  readonly sliding_window: number | null;
  readonly attention_dropout: number;
  /** Of embeddings and of what each layer adds; the library has none, so it counts in training here only. */
  readonly hidden_dropout: number;
  readonly classifier_dropout: number;
}

/** Which linear layers have a bias, and whether single heads are normed. */
export interface Traits {
  readonly queryKeyValueBias: boolean;
  readonly outputBias: boolean;
  readonly feedForwardBias: boolean;
  /** RMS norms of each head of queries and keys, before the rotation. */
  readonly headNorms: boolean;
}

/** What `transformers` takes where the file says nothing. */
export interface Standards {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** null: as many as heads. */
  readonly num_key_value_heads: number | null;
  /** null: hidden_size / heads. */
  readonly head_dim: number | null;
  readonly max_position_embeddings: number;
  readonly sliding_window: number | null;
}

const rate = z.number().min(0).max(0.9).nullish();

function schemaOf(standard: Standards) {
  return z.object({
    vocab_size: size(2_000_000, standard.vocab_size),
    hidden_size: size(32_768, standard.hidden_size),
    intermediate_size: size(262_144, standard.intermediate_size),
    num_hidden_layers: size(256, standard.num_hidden_layers),
    num_attention_heads: size(1024, standard.num_attention_heads),
    num_key_value_heads: z.int().min(1).max(1024).nullish(),
    head_dim: z.int().min(2).max(1024).nullish(),
    max_position_embeddings: size(2_097_152, standard.max_position_embeddings),
    sliding_window: z.int().min(1).max(2_097_152).nullable().default(standard.sliding_window),
    rms_norm_eps: z.number().positive().max(1).nullish(),
    initializer_range: z.number().positive().max(10).nullish(),
    attention_dropout: rate,
    hidden_dropout: rate,
    classifier_dropout: rate,
    tie_word_embeddings: z.boolean().nullish(),
    attention_bias: z.boolean().nullish(),
    mlp_bias: z.boolean().nullish(),
    pad_token_id: z.int().min(-1).nullish(),
  });
}

function complete(
  fields: z.infer<ReturnType<typeof schemaOf>>,
  rope: RopeConfig,
  standard: Standards,
): GatedDecoderConfig {
  const heads = fields.num_attention_heads;
  return {
    vocab_size: fields.vocab_size,
    hidden_size: fields.hidden_size,
    intermediate_size: fields.intermediate_size,
    num_hidden_layers: fields.num_hidden_layers,
    num_attention_heads: heads,
    num_key_value_heads: fields.num_key_value_heads ?? standard.num_key_value_heads ?? heads,
    head_dim: fields.head_dim ?? standard.head_dim ?? fields.hidden_size / heads,
    max_position_embeddings: fields.max_position_embeddings,
    sliding_window: fields.sliding_window,
    rms_norm_eps: fields.rms_norm_eps ?? 1e-6,
    initializer_range: fields.initializer_range ?? 0.02,
    attention_dropout: fields.attention_dropout ?? 0,
    hidden_dropout: fields.hidden_dropout ?? 0,
    classifier_dropout: fields.classifier_dropout ?? fields.hidden_dropout ?? 0.1,
    tie_word_embeddings: fields.tie_word_embeddings ?? false,
    attention_bias: fields.attention_bias ?? false,
    mlp_bias: fields.mlp_bias ?? false,
    pad_token_id: fields.pad_token_id ?? -1,
    rope,
  };
}

/** @throws MODEL_INVALID for sizes that do not go together */
function checked(config: GatedDecoderConfig): GatedDecoderConfig {
  const { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim, hidden_size } = config;
  if (!Number.isInteger(head_dim))
    throw invalidField("hidden_size", `${hidden_size} is not a multiple of "num_attention_heads" ${heads}`);
  if (head_dim % 2 !== 0)
    throw invalidField("head_dim", `${head_dim} is odd, and rotary positions turn pairs of elements`);
  if (heads % keyHeads !== 0)
    throw invalidField("num_key_value_heads", `${keyHeads} does not divide "num_attention_heads" ${heads}`);
  if (config.pad_token_id >= config.vocab_size)
    throw invalidField("pad_token_id", `${config.pad_token_id} is no row of a table of ${config.vocab_size}`);
  return config;
}

/** The parts of a family that do not depend on its name. */
export function gatedDecoder(
  standard: Standards,
  traits: (config: GatedDecoderConfig) => Traits,
): Omit<Family<GatedDecoderConfig>, "title" | "fields" | "architectures" | "format"> {
  const schema = schemaOf(standard);
  return {
    pooling: "last",
    classifier: "score",
    tokenizerClass: "LlamaTokenizer",
    textLayout: "decoder",
    parse: (json) => checked(complete(schema.parse(json), parseRope(json), standard)),
    create: (sizes: NewModel) =>
      checked(
        complete(
          schema.parse({
            ...sizes,
            num_key_value_heads: sizes.num_attention_heads,
            head_dim: sizes.hidden_size / sizes.num_attention_heads,
            sliding_window: null,
            tie_word_embeddings: true,
          }),
          parseRope({}),
          standard,
        ),
      ),
    withDropout: (config, { hidden, attention, classifier }) => ({
      ...config,
      hidden_dropout: hidden,
      attention_dropout: attention,
      classifier_dropout: classifier,
    }),
    parameters: (config, head) => parameters(config, head, traits(config)),
    aliases: (name) => [name, name.replace(/^model\./, "")],
    inputs: (config, batch) => ({
      // padding is seen by no token, so a family without a pad token may have any id there
      ...inputIds({ ...batch, padId: Math.max(batch.padId, 0) }),
      ...positionIds(batch),
      ...batch.sight(sightOf(config)),
      ...rotaryTables(config.rope, config.head_dim, batch),
    }),
    hidden: (context, config) => hidden(context, config, traits(config)),
    features: (context, config, pooling, states) => pool(context, states, pooling, config.hidden_size),
    logits,
  };
}

/** What every family of this kind writes; its own fields come beside. */
export function formatGatedDecoder(config: GatedDecoderConfig): Readonly<Record<string, unknown>> {
  return {
    vocab_size: config.vocab_size,
    hidden_size: config.hidden_size,
    intermediate_size: config.intermediate_size,
    num_hidden_layers: config.num_hidden_layers,
    num_attention_heads: config.num_attention_heads,
    num_key_value_heads: config.num_key_value_heads,
    head_dim: config.head_dim,
    max_position_embeddings: config.max_position_embeddings,
    rms_norm_eps: config.rms_norm_eps,
    initializer_range: config.initializer_range,
    attention_dropout: config.attention_dropout,
    hidden_dropout: config.hidden_dropout,
    classifier_dropout: config.classifier_dropout,
    tie_word_embeddings: config.tie_word_embeddings,
    pad_token_id: config.pad_token_id < 0 ? null : config.pad_token_id,
    hidden_act: "silu",
    ...formatRope(config.rope),
  };
}

interface Linear {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly bias: boolean;
}
type Projection = "q_proj" | "k_proj" | "v_proj" | "o_proj" | "gate_proj" | "up_proj" | "down_proj";

/** The linear layers of one layer, for the list of parameters and for the graph. */
function projections(config: GatedDecoderConfig, layer: number, traits: Traits): Readonly<Record<Projection, Linear>> {
  const { hidden_size: C, intermediate_size: F, head_dim: D } = config;
  const at = `model.layers.${layer}`;
  const [queries, keys] = [config.num_attention_heads * D, config.num_key_value_heads * D];
  const linear = (name: string, inputs: number, outputs: number, bias: boolean): Linear => ({
    name: `${at}.${name}`,
    inputs,
    outputs,
    bias,
  });
  return {
    q_proj: linear("self_attn.q_proj", C, queries, traits.queryKeyValueBias),
    k_proj: linear("self_attn.k_proj", C, keys, traits.queryKeyValueBias),
    v_proj: linear("self_attn.v_proj", C, keys, traits.queryKeyValueBias),
    o_proj: linear("self_attn.o_proj", queries, C, traits.outputBias),
    gate_proj: linear("mlp.gate_proj", C, F, traits.feedForwardBias),
    up_proj: linear("mlp.up_proj", C, F, traits.feedForwardBias),
    down_proj: linear("mlp.down_proj", F, C, traits.feedForwardBias),
  };
}

function parameters(config: GatedDecoderConfig, head: Head, traits: Traits): readonly ParameterInfo[] {
  const list = new ParameterList();
  const { hidden_size: C, vocab_size: V } = config;
  list.product("model.embed_tokens", C, V);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`;
    for (const { name, inputs, outputs, bias } of Object.values(projections(config, layer, traits)))
      if (bias) list.linear(name, inputs, outputs);
      else list.product(name, inputs, outputs);
    if (traits.headNorms)
      for (const part of ["q_norm", "k_norm"]) list.rmsNorm(`${at}.self_attn.${part}`, config.head_dim);
    for (const part of ["input_layernorm", "post_attention_layernorm"]) list.rmsNorm(`${at}.${part}`, C);
  }
  list.rmsNorm("model.norm", C);
  if (head.kind === "causal-lm" && !config.tie_word_embeddings) list.product("lm_head", C, V, "head");
  if (head.kind === "sequence") list.product("score", C, head.labels, "head");
  if (head.kind === "token") list.linear("score", C, head.labels, "head");
  return list.items;
}

function sightOf({ sliding_window: window }: GatedDecoderConfig): Sight {
  return { sees: "before", window };
}

/** [N, C], after the last norm. */
function hidden(context: LayerContext, config: GatedDecoderConfig, traits: Traits): ValueId {
  const g = context.builder;
  const { hidden_size: C, vocab_size: V, head_dim: D, rms_norm_eps: epsilon } = config;
  const table = g.parameter("model.embed_tokens.weight", [V, C]);
  const words = g.embedding(table, context.tokens("input_ids"), { paddingId: config.pad_token_id });
  const positions = context.tokens("position_ids");
  const tables = ["rotary_cos", "rotary_sin"].map((name) => g.input(name, "real", ["M", D / 2])) as [ValueId, ValueId];
  const attend = context.layout.attention(context, sightOf(config));
  const rotate = (x: ValueId) => g.rotary(x, positions, ...tables); // [B, H, T, D]
  let x = context.dropout(context.flat(words, C), config.hidden_dropout); // [N, C]
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`;
    const parts = projections(config, layer, traits);
    const attended = selfAttention(context, config, {
      x: context.rmsNorm(x, `${at}.input_layernorm`, C, epsilon),
      at: `${at}.self_attn`,
      parts,
      attend,
      rotate,
      headNorms: traits.headNorms,
    });
    x = g.add(x, context.dropout(attended, config.hidden_dropout));
    const fed = feedForward(context, parts, context.rmsNorm(x, `${at}.post_attention_layernorm`, C, epsilon));
    x = g.add(x, context.dropout(fed, config.hidden_dropout));
  }
  return context.rmsNorm(x, "model.norm", C, epsilon);
}

function apply(context: LayerContext, x: ValueId, { name, inputs, outputs, bias }: Linear): ValueId {
  return bias ? context.linear(x, name, inputs, outputs) : context.product(x, name, inputs, outputs);
}

interface AttentionSite {
  /** [N, C] */
  readonly x: ValueId;
  readonly at: string;
  readonly parts: Readonly<Record<Projection, Linear>>;
  readonly attend: Attend;
  readonly rotate: (heads: ValueId) => ValueId;
  readonly headNorms: boolean;
}

function selfAttention(context: LayerContext, config: GatedDecoderConfig, site: AttentionSite): ValueId {
  const { num_attention_heads: H, num_key_value_heads: G, head_dim: D, attention_dropout: dropout } = config;
  const { x, at, parts, attend, rotate, headNorms } = site;
  const heads = (part: "q_proj" | "k_proj" | "v_proj", count: number) =>
    context.splitHeads(apply(context, x, parts[part]), count, D); // [B, count, T, D]
  const turned = (part: "q" | "k", count: number) => {
    const split = heads(`${part}_proj`, count);
    return rotate(headNorms ? context.rmsNorm(split, `${at}.${part}_norm`, D, config.rms_norm_eps) : split);
  };
  const mixed = attend(turned("q", H), turned("k", G), heads("v_proj", G), {
    heads: H,
    keyHeads: G,
    width: D,
    dropout,
  });
  return apply(context, mixed, parts.o_proj);
}

function feedForward(context: LayerContext, parts: Readonly<Record<Projection, Linear>>, x: ValueId): ValueId {
  const g = context.builder;
  const gate = apply(context, x, parts.gate_proj); // [N, F]
  const inner = g.mul(g.mul(gate, g.sigmoid(gate)), apply(context, x, parts.up_proj)); // [N, F]
  return apply(context, inner, parts.down_proj);
}

function logits(
  context: LayerContext,
  config: GatedDecoderConfig,
  head: Exclude<Head, { kind: "encoder" }>,
  states: ValueId,
): ValueId {
  const g = context.builder;
  const { hidden_size: C, vocab_size: V } = config;
  if (head.kind === "sequence") {
    const features = context.dropout(pool(context, states, head.pooling, C), config.classifier_dropout);
    return context.product(features, "score", C, head.labels); // [B, L]
  }
  if (head.kind === "token")
    return context.linear(context.dropout(states, config.classifier_dropout), "score", C, head.labels); // [N, L]
  const selected = g.gatherRows(states, g.input("positions", "int", ["P"])); // [P, C]
  return context.product(selected, config.tie_word_embeddings ? "model.embed_tokens" : "lm_head", C, V); // [P, V]
}
