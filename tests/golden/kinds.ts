/**
 * The objectives of reference folders, in one table: the head, the loss program, and the inputs of a batch. Token-wise
 * heads select every position of the padded batch.
 */
import {
  batchInputs,
  binaryCrossEntropySum,
  buildModel,
  crossEntropyGraph,
  familyPooling,
  headKindOf,
  inBatchNegativesSum,
  LayerContext,
  squaredErrorSum,
  type Head,
  type ModelConfig,
  type ParsedConfig,
  type TokenRow,
} from "../../src/language/models/index.ts";
import { GraphBuilder, type Graph, type ValueId } from "../../src/numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";
import type { GoldenBatch } from "./cases.ts";

export type KindName = "sequence" | "masked" | "tags" | "causal" | "regression" | "multi" | "pairs";
export type Real = "float32" | "float64";
type Inputs = Record<string, HostTensor>;

export interface Kind {
  readonly head: (parsed: ParsedConfig) => Head;
  /** Outputs `logits` and `loss`. */
  readonly graph: (config: ModelConfig, head: Head) => Graph;
  readonly inputs: (batch: GoldenBatch, config: ModelConfig, head: Head, real: Real) => Inputs;
  /** Logits have a row for each position, and those of padding mean nothing. */
  readonly byToken: boolean;
}

const SCALE = 20; // of cosine similarities, as the generator has it

export function kindOf(parsed: ParsedConfig, batch: GoldenBatch): KindName {
  if (batch.first !== undefined) return "pairs";
  if (parsed.problemType === "regression") return "regression";
  if (parsed.problemType === "multi_label_classification") return "multi";
  const head = headKindOf(parsed.config, parsed.architecture ?? "");
  if (head === "masked-lm") return "masked";
  if (head === "causal-lm") return "causal";
  return head === "token" ? "tags" : "sequence";
}

/** A file without names has two labels: `transformers` leaves its default out. */
const labelsOf = ({ labels, numLabels }: ParsedConfig): number => labels?.length ?? numLabels ?? 2;
const sequenceHead = (parsed: ParsedConfig): Head => ({
  kind: "sequence",
  labels: labelsOf(parsed),
  pooling: familyPooling(parsed.config),
});

/** One label for each row of the logits; −100 does not count. */
function labelled(labels: readonly number[], real: Real): Inputs {
  const counted: number[] = labels.map((label) => (label === -100 ? 0 : 1));
  return {
    labels: tensor("int32", [labels.length], Int32Array.from(labels)),
    ...weighted(counted, real),
  };
}

function weighted(weights: readonly number[], real: Real): Inputs {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return {
    label_weights: reals([weights.length], weights, real),
    loss_scale: reals([], [1 / total], real),
  };
}

function reals(shape: readonly number[], values: readonly number[], real: Real): HostTensor {
  return real === "float32"
    ? tensor("float32", shape, Float32Array.from(values))
    : tensor("float64", shape, Float64Array.from(values));
}

function rowsOf(
  ids: readonly (readonly number[])[] = [],
  mask: readonly (readonly number[])[] = [],
  types: readonly (readonly number[])[] = [],
): TokenRow[] {
  return ids.map((row, b) => {
    const length = (mask[b] ?? []).reduce((sum, bit) => sum + bit, 0);
    const typeIds = types[b];
    return {
      ids: Int32Array.from(row.slice(0, length)),
      ...(typeIds === undefined ? {} : { typeIds: Int32Array.from(typeIds.slice(0, length)) }),
    };
  });
}

function textInputs(batch: GoldenBatch, config: ModelConfig, head: Head, real: Real): Inputs {
  const rows = rowsOf(batch.input_ids, batch.attention_mask, batch.token_type_ids);
  return batchInputs(rows, config, head, {
    tokens: batch.input_ids?.[0]?.length ?? 0,
    padId: config.pad_token_id,
    real,
  });
}

function everyPosition(count: number): Inputs {
  return {
    positions: tensor(
      "int32",
      [count],
      Int32Array.from({ length: count }, (_, i) => i),
    ),
  };
}

const flat = (labels: GoldenBatch["labels"]): number[] => (labels ?? []).flat();

/** The graph of a head whose loss is written with its logits. */
function graphOf(
  config: ModelConfig,
  head: Head,
  write: (g: GraphBuilder, logits: ValueId) => { readonly logits: ValueId; readonly loss: ValueId },
): Graph {
  const g = new GraphBuilder();
  const { logits, loss } = write(g, buildModel(new LayerContext(g, false), config, head));
  g.output("logits", logits);
  g.output("loss", g.mul(loss, g.input("loss_scale", "real", [])));
  return g.build();
}

const byLabel = (config: ModelConfig, head: Head): Graph =>
  crossEntropyGraph(config, head as Exclude<Head, { kind: "encoder" }>);

export const KINDS: { readonly [K in KindName]: Kind } = {
  sequence: {
    head: sequenceHead,
    graph: byLabel,
    inputs: (batch, config, head, real) => ({
      ...textInputs(batch, config, head, real),
      ...labelled(flat(batch.labels), real),
    }),
    byToken: false,
  },
  tags: {
    head: (parsed) => ({ kind: "token", labels: labelsOf(parsed) }),
    graph: byLabel,
    inputs: (batch, config, head, real) => ({
      ...textInputs(batch, config, head, real),
      ...labelled(flat(batch.labels), real),
    }),
    byToken: true,
  },
  masked: {
    head: () => ({ kind: "masked-lm" }),
    graph: byLabel,
    inputs: (batch, config, head, real) => ({
      ...textInputs(batch, config, head, real),
      ...everyPosition(flat(batch.labels).length),
      ...labelled(flat(batch.labels), real),
    }),
    byToken: true,
  },
  causal: {
    head: () => ({ kind: "causal-lm" }),
    graph: byLabel,
    // a token's label is the next one's
    inputs: (batch, config, head, real) => {
      const next = ((batch.labels ?? []) as readonly (readonly number[])[]).flatMap((row) => [...row.slice(1), -100]);
      return {
        ...textInputs(batch, config, head, real),
        ...everyPosition(next.length),
        ...labelled(next, real),
      };
    },
    byToken: true,
  },
  regression: {
    head: sequenceHead,
    graph: (config, head) =>
      graphOf(config, head, (g, logits) => {
        const [targets, weights] = ["targets", "label_weights"].map((name) => g.input(name, "real", ["B"])) as [
          ValueId,
          ValueId,
        ];
        return { logits, loss: squaredErrorSum(g, logits, targets, weights) };
      }),
    inputs: (batch, config, head, real) => {
      const targets = flat(batch.labels);
      return {
        ...textInputs(batch, config, head, real),
        targets: reals([targets.length], targets, real),
        ...weighted(
          targets.map(() => 1),
          real,
        ),
      };
    },
    byToken: false,
  },
  multi: {
    head: sequenceHead,
    graph: (config, head) =>
      graphOf(config, head, (g, logits) => {
        const labels = "labels" in head ? head.labels : 0;
        const targets = g.input("targets", "real", ["B", labels]);
        const weights = g.input("label_weights", "real", ["B"]);
        return { logits, loss: binaryCrossEntropySum(g, logits, targets, weights, labels) };
      }),
    inputs: (batch, config, head, real) => {
      const rows = (batch.labels ?? []) as readonly (readonly number[])[];
      return {
        ...textInputs(batch, config, head, real),
        targets: reals([rows.length, rows[0]?.length ?? 0], rows.flat(), real),
        ...weighted(
          rows.map(() => 1),
          real,
        ),
      };
    },
    byToken: false,
  },
  pairs: {
    head: () => ({ kind: "encoder", pooling: "mean" }),
    // both texts of every row in one batch, the first ones first
    graph: (config, head) =>
      graphOf(config, head, (g, pooled) => {
        const ints = (name: string) => g.input(name, "int", ["R"]);
        const inputs = {
          anchors: ints("anchors"),
          candidates: ints("candidates"),
          labels: ints("labels"),
          weights: g.input("label_weights", "real", ["R"]),
          scale: SCALE,
        };
        const { scores, loss } = inBatchNegativesSum(g, pooled, config.hidden_size, inputs);
        return { logits: scores, loss };
      }),
    inputs: (batch, config, head, real) => {
      const rows = [...rowsOf(batch.first, batch.first_mask), ...rowsOf(batch.second, batch.second_mask)];
      const tokens = Math.max(batch.first?.[0]?.length ?? 0, batch.second?.[0]?.length ?? 0);
      const count = rows.length / 2;
      const from = (start: number): HostTensor =>
        tensor(
          "int32",
          [count],
          Int32Array.from({ length: count }, (_, i) => start + i),
        );
      return {
        ...batchInputs(rows, config, head, { tokens, padId: config.pad_token_id, real }),
        anchors: from(0),
        candidates: from(count),
        labels: from(0),
        ...weighted(new Array<number>(count).fill(1), real),
      };
    },
    byToken: false,
  },
};
