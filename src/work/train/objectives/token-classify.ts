/** A class for each word: cross-entropy at the first token of each, the others do not count. */
import { z } from "zod";
import { entitiesOf, IGNORED } from "../../../language/data/index.ts";
import { batchInputs, buildModel, crossEntropySum, modelGraph } from "../../../language/models/index.ts";
import { tensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount, type TrainingData } from "../training-data.ts";
import { commonSettings, type ModelContext, type Objective } from "./contract.ts";

import { microF1 } from "./multi-label.ts";
import { rowsOf, servedRows, targetInputs } from "./rows.ts";

export const tokenClassifyPhase = commonSettings.extend({
  objective: z.literal("token-classify"),
  /** Share of the target that goes to all classes alike, so that the model does not become too sure. */
  label_smoothing: z.number().min(0).max(0.9).default(0),
});

type Settings = z.output<typeof tokenClassifyPhase>;

function head({ labels }: ModelContext<Settings>) {
  return { kind: "token", labels } as const;
}

/** The class of each of an example's tokens. */
function classesOf({ labels, offsets }: TrainingData, example: number): Int32Array {
  return labels.subarray(offsets[example], offsets[example + 1]);
}

export const tokenClassify: Objective<Settings> = {
  description:
    "A tag for each word, by cross-entropy at its first token. Reads CoNLL files, or columns of words and `tags`: " +
    "JSON lists, or words with white space between them.",
  task: "token-classify",
  reading: "word-tags",
  defaults: {
    nothing: { epochs: 8, batch_size: 32, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 5, batch_size: 32, learning_rate: 2e-4, head_multiplier: 10 },
  },
  head,
  loss(layers, context) {
    const g = layers.builder;
    const logits = buildModel(layers, context.config, head(context)); // [N, L]
    const { labels, weights } = targetInputs(g, g.shapeOf(logits)[0]!);
    return crossEntropySum(g, logits, labels, weights, context.labels, context.phase.label_smoothing);
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs(context, examples) {
    const { config, special, data } = context;
    const { rows, T, sizes } = rowsOf(Array.from(examples, (example) => rowOf(data, example)));
    const N = Math.max(2, rows.length) * T;
    const labels = new Int32Array(N);
    const weights = new Float32Array(N);
    let count = 0;
    examples.forEach((example, row) => {
      classesOf(data, example).forEach((label, t) => {
        if (label === IGNORED) return;
        labels[row * T + t] = label;
        weights[row * T + t] = 1;
        count++;
      });
    });
    return {
      inputs: {
        ...batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" }),
        labels: tensor("int32", [N], labels),
        label_weights: tensor("float32", [N], weights),
      },
      count,
      ...sizes,
    };
  },
  validation: {
    name: "entity F1",
    program: (context) => modelGraph(context.config, head(context)),
    batch(context, examples) {
      const { config, special, data, labels } = context;
      const { rows, T } = servedRows(data, examples);
      const N = Math.max(2, rows.length) * T;
      return {
        inputs: batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" }),
        outputs: { logits: tensor("float32", [N, labels], new Float32Array(N * labels)) },
      };
    },
    width: () => 3,
    read({ data, labels, names }, examples, { logits }) {
      const { T } = servedRows(data, examples);
      return examples.flatMap((example, row) => {
        const wanted: string[] = [];
        const given: string[] = [];
        classesOf(data, example).forEach((label, t) => {
          if (label === IGNORED) return;
          const at = (row * T + t) * labels;
          wanted.push(names[label]!);
          given.push(names[likeliest(logits!.data.subarray(at, at + labels))]!);
        });
        const [found, right] = [entitiesOf(given), entitiesOf(wanted)];
        return [[...found].filter((entity) => right.has(entity)).length, found.size, right.size];
      });
    },
    figure: microF1,
  },
};

function likeliest(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}
