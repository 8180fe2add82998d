/**
 * What a model family is: a value. Its `config.json`, its parameters under their Hugging Face names, its graph and its
 * heads. Each family is one file; `families.ts` is the one table of them, and nothing outside this room names one.
 */
import type { ValueId } from "../../numeric/graph/index.ts";
import type { HostTensor } from "../../numeric/tensor/index.ts";
import type { Batch } from "./batch.ts";
import type { FieldRules } from "./config-fields.ts";
import type { Head, HeadKind, Pooling } from "./head.ts";
import type { LayerContext } from "./layers.ts";
import type { ParameterInfo } from "./parameters.ts";

/** What every config has, under one name, whatever the file calls it. Sizes are counts. */
export interface CommonConfig {
  readonly vocab_size: number;
  /** C */
  readonly hidden_size: number;
  /** Longest row in tokens. */
  readonly max_position_embeddings: number;
  /** −1: none. */
  readonly pad_token_id: number;
  /** Standard deviation of first values. */
  readonly initializer_range: number;
}

/** Sizes of a model that starts from nothing. */
export interface NewModel extends CommonConfig {
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly intermediate_size: number;
}

/** Shares of elements that training leaves out, each 0 to 0.9. */
export interface DropoutRates {
  /** Between layers. */
  readonly hidden: number;
  readonly attention: number;
  /** Of the last layer's inputs. */
  readonly classifier: number;
}

/**
 * `bert`: [CLS] and [SEP] around pieces of words; `encoder`: <s> and </s> around byte pairs; `decoder`: byte pairs with
 * nothing around them.
 */
export type TextLayout = "bert" | "encoder" | "decoder";

export interface Family<Config extends CommonConfig> {
  /** For messages: "BERT". */
  readonly title: string;
  /** Every field that may stand in its `config.json`, and what is done about it. */
  readonly fields: FieldRules;
  /**
   * The classes of `transformers` that a folder may name, and the head that each has; the first of a kind is the one
   * that is written.
   */
  readonly architectures: Readonly<Record<string, HeadKind>>;
  /** How its sequence classifier stands for a text there. */
  readonly pooling: Pooling;
  /** Name of the linear layer that is last in the sequence head. */
  readonly classifier: string;
  /**
   * The class by which `transformers` reads the tokenizer of a folder whose files name none; undefined where that is
   * BERT's, which any WordPiece file is read by.
   */
  readonly tokenizerClass: string | undefined;
  /** What a tokenizer that is trained for a model from nothing puts around a text. */
  readonly textLayout: TextLayout;

  /** @throws ZodError for a size that is wrong or out of bounds; MODEL_INVALID for sizes that do not go together */
  parse(json: Readonly<Record<string, unknown>>): Config;
  /** The fields of `config.json`, without `architectures`, `model_type` and labels. */
  format(config: Config): Readonly<Record<string, unknown>>;
  create(sizes: NewModel): Config;
  withDropout(config: Config, rates: DropoutRates): Config;

  /** In a fixed order, which also numbers the streams of random first values. */
  parameters(config: Config, head: Head): readonly ParameterInfo[];
  /** All names that published folders have for a parameter, the first one first. */
  aliases(parameter: string): readonly string[];

  /** The inputs of `hidden`. */
  inputs(config: Config, batch: Batch): Record<string, HostTensor>;
  /** [N, C] */
  hidden(context: LayerContext, config: Config): ValueId;
  /** What the sequence head's last layer sees, before dropout. [B, C] */
  features(context: LayerContext, config: Config, pooling: Pooling, hidden: ValueId): ValueId;
  /** Logits of the head, from the hidden states [N, C]. */
  logits(context: LayerContext, config: Config, head: Exclude<Head, { kind: "encoder" }>, hidden: ValueId): ValueId;
}
