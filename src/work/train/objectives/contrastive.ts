/**
 * Texts that belong together, with the other texts of the batch as negatives (Henderson et al. 2017): each first text
 * has to be nearer to its own second one than to all others of the whole batch, however many shards it has.
 *
 * The loss of a batch depends on the embeddings of all its rows, so a step has two passes (as in Gao et al. 2021):
 * first every shard's embeddings are computed and shared; then each shard computes the loss of the whole batch again,
 * its own rows alive and all others constants. What its program differentiates is dL/dθ through its own rows, and the
 * sum over shards is the gradient of the batch. Both passes draw the same dropout masks, being of one step and shard.
 */
import { z } from "zod";
import { batchInputs, buildModel, inBatchNegativesSum, LayerContext } from "../../../language/models/index.ts";
import { GraphBuilder } from "../../../numeric/graph/index.ts";
import { tensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount, type TrainingData } from "../training-data.ts";
import { commonSettings, type ModelContext, type Objective } from "./contract.ts";
import { rowsOf, servedRows } from "./rows.ts";

export const contrastivePhase = commonSettings.extend({
  objective: z.literal("contrastive"),
  /** Cosine similarities are divided by it. */
  temperature: z.number().positive().max(10).default(0.05),
  /** Weighting shards otherwise would weight rows, not losses: each loss is of the whole batch. */
  shard_weights: z.literal("size").default("size"),
});

type Settings = z.output<typeof contrastivePhase>;

function head({ pooling }: ModelContext<Settings>) {
  return { kind: "encoder", pooling } as const;
}

/** Rows of an example: the first text, the one that belongs to it, and a hard negative where there is one. */
function tokenRows(data: TrainingData, examples: readonly number[]) {
  const { rowsEach = 1 } = data;
  return examples.flatMap((example) =>
    Array.from({ length: rowsEach }, (_, row) => rowOf(data, example * rowsEach + row)),
  );
}

export const contrastive: Objective<Settings> = {
  description:
    "Texts that belong together (`text` and the column `second`), each nearer to its own than to all others of the " +
    "batch, and than to the column `negative` where there is one. Batches are whole, whatever the shards.",
  task: "embed",
  reading: "pairs",
  defaults: {
    nothing: { epochs: 8, batch_size: 64, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 2, batch_size: 64, learning_rate: 5e-5 },
  },
  head,
  shared: {
    program(context) {
      const layers = new LayerContext(new GraphBuilder(), true);
      layers.builder.output("shared", buildModel(layers, context.config, head(context)));
      return layers.builder.build();
    },
    width: ({ config }) => config.hidden_size,
    rows: ({ data: { rowsEach = 1 } }, examples) => examples * rowsEach,
  },
  loss(layers, context) {
    const g = layers.builder;
    const C = context.config.hidden_size;
    const alive = buildModel(layers, context.config, head(context)); // [B, C]
    const all = g.concat([alive, g.input("shared", "real", ["M", C])], 0); // [B + M, C]
    const labels = g.input("labels", "int", ["R"]);
    const { scores, loss } = inBatchNegativesSum(g, all, C, {
      anchors: g.input("anchors", "int", ["R"]),
      candidates: g.input("candidates", "int", ["S"]),
      labels,
      weights: g.input("label_weights", "real", ["R"]),
      scale: 1 / context.phase.temperature,
    });
    const own = g.mul(g.crossEntropy(scores, labels).loss, g.input("own_weights", "real", ["R"])); // [R]
    return { loss, reported: g.reduceSum(own, [0], { keepDims: false }) };
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs(context, examples, _, batch) {
    const { config, data, special } = context;
    const { rowsEach = 1 } = data;
    const { rows, T, sizes } = rowsOf(tokenRows(data, Array.from(examples)));
    const inputs = batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" });
    if (batch === undefined) return { inputs, count: examples.length, ...sizes };
    const alive = Math.max(2, rows.length);
    const total = batch.shared.length / config.hidden_size / rowsEach; // examples of the batch
    const first = batch.first; // of this shard
    /** Where row `row` of example `example` of the batch stands among the rows alive and then all. */
    const place = (example: number, row: number): number => {
      const at = example - first;
      const isOwn = at >= 0 && at < examples.length;
      return isOwn ? at * rowsEach + row : alive + example * rowsEach + row;
    };
    const each = Array.from({ length: total }, (_unused, example) => example);
    const candidates = Array.from({ length: rowsEach - 1 }, (_unused, row) =>
      each.map((example) => place(example, row + 1)),
    ).flat();
    const isOwn = each.map((example) => (example >= first && example < first + examples.length ? 1 : 0));
    return {
      inputs: {
        ...inputs,
        shared: tensor("float32", [total * rowsEach, config.hidden_size], batch.shared),
        anchors: tensor(
          "int32",
          [total],
          Int32Array.from(each, (example) => place(example, 0)),
        ),
        candidates: tensor("int32", [candidates.length], Int32Array.from(candidates)),
        labels: tensor("int32", [total], Int32Array.from(each)),
        label_weights: tensor("float32", [total], new Float32Array(total).fill(1)),
        own_weights: tensor("float32", [total], Float32Array.from(isOwn)),
      },
      count: examples.length,
      ...sizes,
    };
  },
  validation: {
    name: "nearest is right",
    program(context) {
      const layers = new LayerContext(new GraphBuilder(), false);
      layers.builder.output("pooled", buildModel(layers, context.config, head(context)));
      return layers.builder.build();
    },
    batch(context, examples) {
      const { config, data, special } = context;
      const { rows } = rowsOf(tokenRows(data, examples));
      const { T } = servedRows(data, []);
      const tokens = Math.max(T, ...rows.map(({ ids }) => ids.length));
      const shape = [Math.max(2, rows.length), config.hidden_size];
      return {
        inputs: batchInputs(rows, config, head(context), { tokens, padId: special.pad, real: "float32" }),
        outputs: { pooled: tensor("float32", shape, new Float32Array(shape[0]! * shape[1]!)) },
      };
    },
    width: ({ config, data: { rowsEach = 1 } }) => rowsEach * config.hidden_size,
    read: ({ config, data: { rowsEach = 1 } }, examples, { pooled }) =>
      pooled!.data.subarray(0, examples.length * rowsEach * config.hidden_size),
    figure: (numbers, { config, data: { rowsEach = 1 } }) => nearestIsRight(numbers, config.hidden_size, rowsEach),
  },
};

/** Examples that are compared at most. */
const COMPARED = 1000;

/** Share of the first texts whose own second text is the nearest by cosine among all of the examples. */
function nearestIsRight(numbers: Float64Array, C: number, rowsEach: number): number {
  const count = Math.min(COMPARED, numbers.length / C / rowsEach);
  const vector = (example: number, row: number): Float64Array => {
    const own = numbers.subarray((example * rowsEach + row) * C, (example * rowsEach + row + 1) * C);
    const length = Math.sqrt(own.reduce((sum, x) => sum + x * x, 0));
    return own.map((x) => x / length);
  };
  const seconds = Array.from({ length: count }, (_, example) => vector(example, 1));
  let right = 0;
  for (let example = 0; example < count; example++) {
    const first = vector(example, 0);
    const similarity = (second: Float64Array): number => second.reduce((sum, x, c) => sum + x * first[c]!, 0);
    const own = similarity(seconds[example]!);
    if (seconds.every((second, other) => other === example || similarity(second) < own)) right++;
  }
  return right / count;
}
