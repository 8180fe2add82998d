/** Masked language modelling (Devlin et al. 2018): guessing the tokens of a text that are hidden. */
import { z } from "zod";
import { invariant, type Seed } from "../../../base/index.ts";
import { maskTokens, type Masked } from "../../../language/data/index.ts";
import { batchInputs, buildModel, crossEntropySum } from "../../../language/models/index.ts";
import type { HostTensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount, type TrainingData } from "../training-data.ts";
import { commonSettings, type Objective, type PhaseContext, type ShardInputs, type ShardKey } from "./contract.ts";
import { fromTeacher, tokenLoss, tokensTaught } from "./distillation.ts";
import { askedInputs, languageModelValidation } from "./language-models.ts";
import { rowsOf, type Rows } from "./rows.ts";

export const maskedLmPhase = commonSettings.extend({
  objective: z.literal("masked-lm"),
  /** Share of the tokens that are asked for. */
  mask_rate: z.number().positive().max(0.9).default(0.15),
  /**
   * What one masked token in ten is replaced by: any word of the vocabulary, or, as in recipes of before this setting,
   * any of its tokens, special ones too.
   */
  mask_replacement: z.enum(["word", "any"]).default("word"),
  /**
   * Words, as the tokenizer cuts a text, are chosen whole, at the same rate; absent: each token is chosen by itself.
   */
  whole_words: z.literal(true).optional(),
  ...fromTeacher,
});

type Context = PhaseContext<z.output<typeof maskedLmPhase>>;

const HEAD = { kind: "masked-lm" } as const;

export const maskedLm: Objective<z.output<typeof maskedLmPhase>> = {
  description: "Masked language modelling on the training texts: guessing words that are hidden. Reads no labels.",
  task: "masked-lm",
  reading: "text",
  defaults: {
    nothing: { epochs: 5, batch_size: 32, learning_rate: 1.5e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 32, learning_rate: 1e-4 },
  },
  head: () => HEAD,
  loss(layers, context) {
    const logits = buildModel(layers, context.config, HEAD); // [P, V]
    return tokenLoss(layers.builder, logits, context, crossEntropySum);
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs,
  teaching: tokensTaught(HEAD, inputs),
  validation: languageModelValidation(HEAD, (context, examples) => {
    const { inputs, ids, starts, rows } = batchOf(context, examples);
    const { T } = rows;
    // One after another: what is masked of an example does not depend on the others.
    const masked = examples.map((example, row) => {
      const own = ids.subarray(row * T, (row + 1) * T);
      const key = { seed: context.plan.seed, step: HELD_OUT, shard: example };
      const found = mask(context, own, starts?.subarray(row * T, (row + 1) * T), key);
      own.set(found.inputs);
      return found;
    });
    const asked = {
      positions: masked.flatMap(({ positions }, row) => Array.from(positions, (at) => row * T + at)),
      labels: masked.flatMap(({ labels }) => [...labels]),
    };
    return {
      inputs: { ...inputs, ...askedInputs(asked) },
      counts: masked.map(({ positions }) => positions.length),
    };
  }),
};

function inputs(context: Context, examples: Int32Array, key: ShardKey): ShardInputs {
  const batch = batchOf(context, Array.from(examples));
  const masked = mask(context, batch.ids, batch.starts, key);
  batch.ids.set(masked.inputs);
  return {
    inputs: { ...batch.inputs, ...askedInputs(masked) },
    count: masked.positions.length,
    ...batch.rows.sizes,
  };
}

/** In place of the step, where examples that are held out are masked: the same at every epoch. */
const HELD_OUT = 0xffff_ffff;

interface Batch {
  readonly inputs: Record<string, HostTensor>;
  /** Of `inputs`: [N]. */
  readonly ids: Int32Array;
  /** 1 where a word begins, [N]; absent where tokens are chosen by themselves. */
  readonly starts: Uint8Array | undefined;
  readonly rows: Rows;
}

function batchOf({ phase, config, special, data }: Context, examples: readonly number[]): Batch {
  const rows = rowsOf(examples.map((example) => rowOf(data, example)));
  const { T } = rows;
  const inputs = batchInputs(rows.rows, config, HEAD, { tokens: T, padId: special.pad, real: "float32" });
  const ids = inputs["input_ids"]?.data;
  invariant(ids instanceof Int32Array, "token ids are int32");
  const starts = phase.whole_words === undefined ? undefined : new Uint8Array(ids.length).fill(1);
  if (starts !== undefined) examples.forEach((example, row) => starts.set(wordStartsOf(data, example), row * T));
  return { inputs, ids, starts, rows };
}

function wordStartsOf({ wordStarts, offsets }: TrainingData, example: number): Uint8Array {
  invariant(wordStarts !== undefined && wordStarts.length > 0, "texts are read with the places of their words");
  return wordStarts.subarray(offsets[example], offsets[example + 1]);
}

function mask(
  { phase, config, special }: Context,
  ids: Int32Array,
  wordStarts: Uint8Array | undefined,
  key: { readonly seed: Seed; readonly step: number; readonly shard: number },
): Masked {
  const { mask_rate: rate, mask_replacement: replacement } = phase;
  return maskTokens(ids, special, config.vocab_size, { rate, replacement, wordStarts, ...key });
}
