/** Causal language modelling: each token is guessed from those before it (Radford et al. 2018). */
import { z } from "zod";
import { invariant } from "../../../base/index.ts";
import { batchInputs, buildModel, labelCrossEntropySum } from "../../../language/models/index.ts";
import type { HostTensor } from "../../../numeric/tensor/index.ts";
import { packed } from "../packing.ts";
import { rowOf, tokenCount } from "../training-data.ts";
import { commonSettings, type Objective, type PhaseContext } from "./contract.ts";
import { askedInputs, languageModelValidation } from "./language-models.ts";
import { rowsOf, targetInputs, type Rows } from "./rows.ts";

export const causalLmPhase = commonSettings.extend({
  objective: z.literal("causal-lm"),
  /** Whether a token sees only those of its own text, where several texts stand in one row. */
  keep_apart: z.boolean().default(true),
});

type Settings = z.output<typeof causalLmPhase>;
type Context = PhaseContext<Settings>;

const HEAD = { kind: "causal-lm" } as const;

export const causalLm: Objective<Settings> = {
  description:
    "Causal language modelling: each token is guessed from those before it. Texts are packed into rows of " +
    "`max_tokens`; reads no labels, and of a .txt file each paragraph is a text. Of models that look ahead, such as " +
    "BERT, none has this head.",
  task: "causal-lm",
  reading: "text",
  arrange: packed,
  defaults: {
    nothing: { epochs: 5, batch_size: 16, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 16, learning_rate: 5e-5 },
  },
  head: () => HEAD,
  loss(layers, { config }) {
    const logits = buildModel(layers, config, HEAD); // [P, V]
    const { labels, weights } = targetInputs(layers.builder, "P");
    return labelCrossEntropySum(layers.builder, logits, labels, weights, config.vocab_size, 0);
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs(context, examples) {
    const batch = rowsOf(Array.from(examples, (example) => rowOf(context.data, example)));
    const { inputs, asked } = inputsOf(context, Array.from(examples), batch);
    return { inputs, count: asked.length, ...batch.sizes };
  },
  validation: languageModelValidation(HEAD, (context, examples) => {
    const batch = rowsOf(examples.map((example) => rowOf(context.data, example)));
    return {
      inputs: inputsOf(context, examples, batch).inputs,
      counts: examples.map((example) => askedOf(context, example).length),
    };
  }),
};

/** Places in an example's row after which a token of the same text comes. */
function askedOf({ data }: Context, example: number): readonly number[] {
  const documents = data.labels.subarray(data.offsets[example], data.offsets[example + 1]);
  return Array.from(documents.keys()).filter((t) => t + 1 < documents.length && documents[t] === documents[t + 1]);
}

/** `asked`: places among the N tokens, rising. */
function inputsOf(
  context: Context,
  examples: readonly number[],
  { rows, T }: Rows,
): { readonly inputs: Record<string, HostTensor>; readonly asked: readonly number[] } {
  const { config, special, phase } = context;
  const inputs = batchInputs(rows, config, HEAD, { tokens: T, padId: special.pad, real: "float32" });
  if (phase.keep_apart) examples.forEach((example, row) => keepApart(context, example, row, T, inputs));
  const asked = examples.flatMap((example, row) => askedOf(context, example).map((t) => row * T + t));
  const next = Int32Array.from(asked, (at) => rows[Math.floor(at / T)]!.ids[(at % T) + 1]!);
  return { inputs: { ...inputs, ...askedInputs({ positions: asked, labels: next }) }, asked };
}

/** No token of a row sees one of another text, and each text's positions begin at 0. */
function keepApart(
  { data }: Context,
  example: number,
  row: number,
  T: number,
  { attention_bias: bias, position_ids: positions }: Record<string, HostTensor>,
): void {
  const documents = data.labels.subarray(data.offsets[example], data.offsets[example + 1]);
  invariant(bias?.shape.length === 4 && bias.shape[2] === T, "a causal model has a bias for each query");
  const { data: scores } = bias;
  invariant(scores instanceof Float32Array, "training is in single precision");
  documents.forEach((document, t) => {
    const first = documents.indexOf(document);
    const at = (row * T + t) * T;
    scores.fill(-Infinity, at, at + first);
    if (positions !== undefined) positions.data[row * T + t] = t - first;
  });
}
