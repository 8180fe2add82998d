/**
 * The families, in one table by the name that `config.json` calls them by (`model_type`), and what the rest of the
 * program does with any of them. A new family is one file and one row here and in `FamilyConfigs`.
 */
import { LockstepError } from "../../base/index.ts";
import { GraphBuilder, type Graph, type ValueId } from "../../numeric/graph/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import { pad, headInputs, type Batch, type BatchShape, type TokenRow } from "./batch.ts";
import type { BertConfig } from "./bert-encoder.ts";
import { BERT } from "./bert.ts";
import { DISTILBERT, type DistilBertConfig } from "./distilbert.ts";
import type { CommonConfig, DropoutRates, Family, NewModel, TextLayout } from "./family.ts";
import type { GatedDecoderConfig } from "./gated-decoder.ts";
import { GPT2, type Gpt2Config } from "./gpt2.ts";
import type { Head, HeadKind, Pooling } from "./head.ts";
import { flat, type FlatShape } from "./flat-rows.ts";
import { LayerContext, pool, type Layout } from "./layers.ts";
import { LLAMA, MISTRAL } from "./llama.ts";
import type { ParameterInfo } from "./parameters.ts";
import { QWEN2 } from "./qwen2.ts";
import { QWEN3 } from "./qwen3.ts";
import { ROBERTA, XLM_ROBERTA, type RobertaConfig } from "./roberta.ts";
import type { FieldRules } from "./config-fields.ts";

interface FamilyConfigs {
  readonly bert: BertConfig;
  readonly distilbert: DistilBertConfig;
  readonly roberta: RobertaConfig;
  readonly "xlm-roberta": RobertaConfig;
  readonly gpt2: Gpt2Config;
  readonly llama: GatedDecoderConfig;
  readonly mistral: GatedDecoderConfig;
  readonly qwen2: GatedDecoderConfig;
  readonly qwen3: GatedDecoderConfig;
}
export type FamilyName = keyof FamilyConfigs;
type Named<F extends FamilyName> = { readonly [Name in F]: { readonly model_type: Name } & FamilyConfigs[Name] }[F];

/** Of any family; `model_type` says which. */
export type ModelConfig = Named<FamilyName>;

const FAMILIES: { readonly [F in FamilyName]: Family<FamilyConfigs[F]> } = {
  bert: BERT,
  distilbert: DISTILBERT,
  roberta: ROBERTA,
  "xlm-roberta": XLM_ROBERTA,
  gpt2: GPT2,
  llama: LLAMA,
  mistral: MISTRAL,
  qwen2: QWEN2,
  qwen3: QWEN3,
};
export const FAMILY_NAMES = Object.keys(FAMILIES) as readonly FamilyName[];

/** Its methods are given configs of this family only. */
function familyOf({ model_type }: Pick<ModelConfig, "model_type">): Family<CommonConfig> {
  return FAMILIES[model_type];
}

/** A family's own config, with its name. */
function named(model_type: FamilyName, config: CommonConfig): ModelConfig {
  return Object.freeze({ model_type, ...config }) as ModelConfig;
}

export function isFamilyName(name: unknown): name is FamilyName {
  return typeof name === "string" && Object.hasOwn(FAMILIES, name);
}

/** The config of a `config.json` whose fields were looked at. */
export function parseFamilyConfig(model_type: FamilyName, json: Readonly<Record<string, unknown>>): ModelConfig {
  return named(model_type, FAMILIES[model_type].parse(json));
}
export function formatFamilyConfig(config: ModelConfig): Readonly<Record<string, unknown>> {
  return familyOf(config).format(config);
}
export function familyFields(model_type: FamilyName): FieldRules {
  return FAMILIES[model_type].fields;
}
export function familyTitle({ model_type }: Pick<ModelConfig, "model_type">): string {
  return FAMILIES[model_type].title;
}

/** A model that starts from nothing. */
export function newModelConfig(model_type: FamilyName, sizes: NewModel): ModelConfig {
  return named(model_type, FAMILIES[model_type].create(sizes));
}
export function withDropout(config: ModelConfig, rates: DropoutRates): ModelConfig {
  return named(config.model_type, familyOf(config).withDropout(config, rates));
}

/** The head that a class of `transformers` has; undefined for a class that is not known. */
export function headKindOf(config: ModelConfig, architecture: string): HeadKind | undefined {
  const { architectures } = familyOf(config);
  return Object.hasOwn(architectures, architecture) ? architectures[architecture] : undefined;
}

/**
 * The class of `transformers` that opens a folder with this head. A sequence head that pools otherwise than there has
 * none: such a folder opens as a bare model.
 */
export function architectureOf(config: ModelConfig, head: Head): string {
  const { architectures, pooling } = familyOf(config);
  const kind = head.kind === "sequence" && head.pooling !== pooling ? "encoder" : head.kind;
  const name = Object.keys(architectures).find((one) => architectures[one] === kind);
  if (name === undefined) throw noSuchHead(config, head);
  return name;
}

/** How the family's sequence classifier stands for a text in `transformers`. */
export function familyPooling(config: ModelConfig): Pooling {
  return familyOf(config).pooling;
}

/** Name of the linear layer that is last in the sequence head: `.weight` [L, C], and `.bias` [L] where it has one. */
export function classifierName(config: ModelConfig): string {
  return familyOf(config).classifier;
}

/** The class of a tokenizer whose files name none, as `transformers` chooses it; undefined: BERT's. */
export function tokenizerClass(config: ModelConfig): string | undefined {
  return familyOf(config).tokenizerClass;
}

/** What a tokenizer trained for the family puts around a text. */
export function familyTextLayout(model_type: FamilyName): TextLayout {
  return familyOf({ model_type }).textLayout;
}

/**
 * In a fixed order, which also numbers the streams of random first values.
 * @throws MODEL_INVALID for a head that the family does not have
 */
export function modelParameters(config: ModelConfig, head: Head): readonly ParameterInfo[] {
  requireHead(config, head);
  return familyOf(config).parameters(config, head);
}

/** All names that published folders have for a parameter, the first one first. */
export function parameterNames(config: ModelConfig, parameter: string): readonly string[] {
  return familyOf(config).aliases(parameter);
}

/** Writes the model into the context's builder and gives its result: `pooled` [B, C] or the head's `logits`. */
export function buildModel(context: LayerContext, config: ModelConfig, head: Head): ValueId {
  requireHead(config, head);
  const family = familyOf(config);
  const hidden = family.hidden(context, config);
  return head.kind === "encoder"
    ? pool(context, hidden, head.pooling, config.hidden_size)
    : family.logits(context, config, head, hidden);
}

/** Writes the model's body into the context's builder: the vector of every token after the last layer, [N, C]. */
export function hiddenStates(context: LayerContext, config: ModelConfig): ValueId {
  return familyOf(config).hidden(context, config);
}

export interface ModelGraphOptions {
  /** Dropout at the config's rates. @default false */
  readonly dropout?: boolean;
  /** How the rows of texts lie; `flatInputs` go with `FLAT`. @default PADDED */
  readonly layout?: Layout;
}

/** The forward program with one output, `logits` or `pooled` (see `Head`); its inputs are those of `batchInputs`. */
export function modelGraph(
  config: ModelConfig,
  head: Head,
  { dropout = false, layout }: ModelGraphOptions = {},
): Graph {
  const g = new GraphBuilder();
  g.output(
    head.kind === "encoder" ? "pooled" : "logits",
    buildModel(new LayerContext(g, dropout, layout), config, head),
  );
  return g.build();
}

/** What the sequence head's last layer sees, as the output `features` [B, C]. */
export function featureGraph(config: ModelConfig, pooling: Pooling): Graph {
  const family = familyOf(config);
  const context = new LayerContext(new GraphBuilder(), false);
  const hidden = family.hidden(context, config);
  context.builder.output("features", family.features(context, config, pooling, hidden));
  return context.builder.build();
}

/** The inputs of a model's program, and the head's own way of picking features; `positions` and losses are added. */
export function batchInputs(
  rows: readonly TokenRow[],
  config: ModelConfig,
  head: Head,
  shape: BatchShape,
): Record<string, HostTensor> {
  const batch = pad(rows, shape);
  return { ...familyInputs(config, batch), ...headInputs(batch, head) };
}

/** The same for a program in the layout `FLAT`, of texts of any lengths. */
export function flatInputs(
  rows: readonly TokenRow[],
  config: ModelConfig,
  head: Head,
  shape: Omit<FlatShape, "heads">,
): Record<string, HostTensor> {
  const batch = flat(rows, { ...shape, heads: config.num_attention_heads });
  return { ...familyInputs(config, batch), ...headInputs(batch, head) };
}

/** What a model's program takes, whatever the layout of its rows. */
export function familyInputs(config: ModelConfig, batch: Batch): Record<string, HostTensor> {
  return familyOf(config).inputs(config, batch);
}

function requireHead(config: ModelConfig, head: Head): void {
  if (!Object.values(familyOf(config).architectures).includes(head.kind)) throw noSuchHead(config, head);
}

function noSuchHead(config: ModelConfig, { kind }: Head): LockstepError {
  const others = FAMILY_NAMES.filter((name) => Object.values(FAMILIES[name].architectures).includes(kind));
  return new LockstepError(
    "MODEL_INVALID",
    `a model of the family ${familyTitle(config)} has no head "${kind}"; those that have one are ${others.join(", ")}`,
    { model_type: config.model_type, head: kind },
  );
}
