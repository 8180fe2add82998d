/**
 * What the objectives share whose model gives one row of numbers for a text, or for two texts in one row: head, word
 * dropout, batches.
 */
import { z } from "zod";
import { batchInputs, modelGraph } from "../../../language/models/index.ts";
import { tensor, type HostTensor } from "../../../numeric/tensor/index.ts";
import { WordDropout } from "../word-dropout.ts";
import type { CommonSettings, ModelContext, Objective, PhaseContext, ShardInputs, Validation } from "./contract.ts";
import { rowsOf, servedRows } from "./rows.ts";

/** Of phases that read texts whole. */
export const tokenDropout = {
  /** Share of the input tokens left out, drawn anew at every step; never [CLS] and [SEP]. */
  token_dropout: z.number().min(0).max(0.9).default(0),
};

export interface TextSettings extends CommonSettings {
  readonly token_dropout: number;
}

interface TextsObjective<S extends TextSettings> extends Omit<
  Objective<S>,
  "head" | "lengths" | "inputs" | "validation" | "defaults"
> {
  /** Numbers the model gives for a text. */
  outputs(context: ModelContext<S>): number;
  /** Inputs of the loss program for `rows` rows, of which the first are the examples. */
  targets(context: PhaseContext<S>, examples: Int32Array, rows: number): Record<string, HostTensor>;
  readonly figure: Pick<Validation<S>, "name" | "width" | "figure"> & {
    /** `width` numbers from the logits of an example. */
    numbers(context: PhaseContext<S>, example: number, logits: Float32Array): readonly number[];
  };
}

export function sequenceHead(labels: number, { pooling }: Pick<ModelContext, "pooling">) {
  return { kind: "sequence", labels, pooling } as const;
}

export function textsObjective<S extends TextSettings>({
  outputs,
  targets,
  figure,
  ...own
}: TextsObjective<S>): Objective<S> {
  const head = (context: ModelContext<S>) => sequenceHead(outputs(context), context);
  const dropoutOf = ({ phase, data, special, plan }: PhaseContext<S>) =>
    new WordDropout(data, special, phase.token_dropout, plan.seed);
  return {
    ...own,
    head,
    defaults: {
      nothing: { epochs: 8, batch_size: 32, learning_rate: 1e-3, adam_beta2: 0.98, token_dropout: 0.15 },
      encoder: { epochs: 5, batch_size: 32, learning_rate: 2e-4, head_multiplier: 10 },
    },
    lengths(context) {
      const dropout = dropoutOf(context);
      return (epoch, example) => dropout.tokens(epoch, example).length;
    },
    inputs(context, examples, { epoch }): ShardInputs {
      const dropout = dropoutOf(context);
      const { rows, T, sizes } = rowsOf(Array.from(examples, (example) => dropout.row(epoch, example)));
      const { config, special } = context;
      const shape = { tokens: T, padId: special.pad, real: "float32" } as const;
      return {
        inputs: {
          ...batchInputs(rows, config, head(context), shape),
          ...targets(context, examples, Math.max(2, rows.length)),
        },
        count: examples.length,
        ...sizes,
      };
    },
    validation: {
      ...figure,
      program: (context) => modelGraph(context.config, head(context)),
      batch(context, examples) {
        const { config, data, special } = context;
        const { rows, T } = servedRows(data, examples);
        const shape = [Math.max(2, rows.length), outputs(context)] as const;
        return {
          inputs: batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" }),
          outputs: { logits: tensor("float32", shape, new Float32Array(shape[0] * shape[1])) },
        };
      },
      read(context, examples, { logits }) {
        const L = outputs(context);
        return examples.flatMap((example, row) =>
          figure.numbers(context, example, logits!.data.subarray(row * L, (row + 1) * L)),
        );
      },
    },
  };
}
