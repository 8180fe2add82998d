/** What a version's program gives for each row, by the kind of its head; and the program itself. */
import { modelGraph, type Head, type HeadKind, type ModelConfig } from "../../language/models/index.ts";
import { GraphBuilder, type Graph } from "../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../numeric/tensor/index.ts";
import type { TokenRow } from "./token-row.ts";

/** Rows that run together, all padded to T tokens. */
interface Batch {
  readonly rows: readonly TokenRow[];
  readonly T: number;
  readonly config: ModelConfig;
}

interface Output {
  readonly name: OutputName;
  readonly shape: readonly number[];
  /** Where the numbers of row b lie: from, to (exclusive). */
  readonly own: (b: number) => readonly [number, number];
}
/** `scores`: of language models, log-probabilities of tokens that a row names. */
export type OutputName = "logits" | "pooled" | "scores";
type HeadOf<K extends HeadKind> = Extract<Head, { readonly kind: K }>;

const OUTPUTS: { readonly [K in HeadKind]: (head: HeadOf<K>, batch: Batch) => Output } = {
  /** [labels] */
  sequence: ({ labels }, { rows }) => everyRow("logits", rows.length, labels),
  /** [hidden_size] */
  encoder: (_, { rows, config: { hidden_size: C } }) => everyRow("pooled", rows.length, C),
  /** [tokens, labels], of the row's own tokens */
  token: ({ labels }, { rows, T }) => ({
    name: "logits",
    shape: [rows.length * T, labels],
    own: (b) => [b * T * labels, (b * T + rows[b]!.ids.length) * labels],
  }),
  "masked-lm": languageModel,
  "causal-lm": languageModel,
};

function everyRow(name: OutputName, rows: number, width: number): Output {
  return { name, shape: [rows, width], own: (b) => [b * width, (b + 1) * width] };
}

/** [positions, vocab_size]; [positions] where the row names targets. */
function languageModel(_: Head, { rows, config: { vocab_size: V } }: Batch): Output {
  const starts = [0];
  for (const row of rows) starts.push(starts.at(-1)! + positionsOf(row).length);
  const P = starts.at(-1)!;
  const scored = rows.every(({ targets }) => targets !== undefined);
  const width = scored ? 1 : V;
  return {
    name: scored ? "scores" : "logits",
    shape: scored ? [P] : [P, V],
    own: (b) => [starts[b]! * width, starts[b + 1]! * width],
  };
}

/** Of any row: where a language model is read out. */
function positionsOf({ positions, ids }: TokenRow): Int32Array {
  return positions ?? Int32Array.of(ids.length - 1);
}

/** Its methods are given heads of their own kind only. */
export function outputOf(head: Head, batch: Batch): Output {
  return (OUTPUTS[head.kind] as (head: Head, batch: Batch) => Output)(head, batch);
}

/** The output that a head's program has for rows which name no targets. */
export function mainOutput({ kind }: Head): OutputName {
  return kind === "encoder" ? "pooled" : "logits";
}

/** The version's program: the model's, and of a language model the log-probabilities of `targets` int [P] beside. */
export function programOf({ config, head }: { readonly config: ModelConfig; readonly head: Head }): Graph {
  const graph = modelGraph(config, head);
  if (!isLanguageModel(head)) return graph;
  const g = GraphBuilder.from(graph, "none");
  const logits = graph.outputs.get("logits")!; // [P, V]
  const targets = g.input("targets", "int", [g.shapeOf(logits)[0]!]);
  g.output("logits", logits);
  g.output("scores", g.neg(g.crossEntropy(logits, targets).loss)); // [P]
  return g.build();
}

function isLanguageModel({ kind }: Head): boolean {
  return kind === "masked-lm" || kind === "causal-lm";
}

/** What a language model's program is given beside the rows; nothing for another head. */
export function readOutInputs(head: Head, { rows, T }: Omit<Batch, "config">): Record<string, HostTensor> {
  if (!isLanguageModel(head)) return {};
  const positions = rows.flatMap((row, b) => Array.from(positionsOf(row), (place) => b * T + place));
  const targets = rows.flatMap((row) => Array.from(row.targets ?? positionsOf(row).map(() => 0)));
  const P = positions.length;
  return {
    positions: tensor("int32", [P], Int32Array.from(positions)),
    targets: tensor("int32", [P], Int32Array.from(targets)),
  };
}
