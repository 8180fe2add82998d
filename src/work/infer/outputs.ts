/** What a version's program gives for each row, by the kind of its head. */
import type { Head, HeadKind, ModelConfig } from "../../language/models/index.ts";

/** B rows of T tokens, padding included. */
export interface Batch {
  readonly B: number;
  readonly T: number;
}

interface Output<K extends HeadKind> {
  /** The program's output. */
  readonly name: "logits" | "pooled";
  readonly shape: (head: HeadOf<K>, config: ModelConfig, batch: Batch) => readonly number[];
  /** Where the numbers of row `b`, which has `tokens` of its own, lie: from, to (exclusive). */
  readonly own: (head: HeadOf<K>, config: ModelConfig, b: number, tokens: number, batch: Batch) => [number, number];
}
type HeadOf<K extends HeadKind> = Extract<Head, { readonly kind: K }>;

type AnsweringKind = "sequence" | "token" | "encoder";
/** A head that a version may have. */
export type AnsweringHead = HeadOf<AnsweringKind>;

const OUTPUTS: { readonly [K in AnsweringKind]: Output<K> } = {
  /** [labels] */
  sequence: {
    name: "logits",
    shape: ({ labels }, _, { B }) => [B, labels],
    own: ({ labels }, _, b) => [b * labels, (b + 1) * labels],
  },
  /** [tokens, labels], of the row's own tokens */
  token: {
    name: "logits",
    shape: ({ labels }, _, { B, T }) => [B * T, labels],
    own: ({ labels }, _, b, tokens, { T }) => [b * T * labels, (b * T + tokens) * labels],
  },
  /** [hidden_size] */
  encoder: {
    name: "pooled",
    shape: (_, { hidden_size: C }, { B }) => [B, C],
    own: (_, { hidden_size: C }, b) => [b * C, (b + 1) * C],
  },
};

/** The name of the output that a head's program has. */
export function outputName({ kind }: AnsweringHead): Output<AnsweringKind>["name"] {
  return OUTPUTS[kind].name;
}

export function outputShape(head: AnsweringHead, config: ModelConfig, batch: Batch): readonly number[] {
  return outputOf(head).shape(head, config, batch);
}

/** The numbers of row `b`, which has `tokens` of its own, from those of its batch. */
export function ownOutput(
  values: Float32Array,
  head: AnsweringHead,
  config: ModelConfig,
  b: number,
  tokens: number,
  batch: Batch,
): Float32Array {
  return values.slice(...outputOf(head).own(head, config, b, tokens, batch));
}

/** Its methods are given heads of this kind only. */
function outputOf<K extends AnsweringKind>({ kind }: { readonly kind: K }): Output<AnsweringKind> {
  return OUTPUTS[kind] as Output<AnsweringKind>;
}
