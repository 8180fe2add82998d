/**
 * What objectives of language models share: tokens of some rows are asked for, each in the place where the model is
 * read out, and what it answers is measured on the texts held out.
 */
import { exp } from "../../../base/index.ts";
import { buildModel, LayerContext, type Head } from "../../../language/models/index.ts";
import { GraphBuilder } from "../../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../../numeric/tensor/index.ts";
import type { CommonSettings, PhaseContext, Validation } from "./contract.ts";
import { targets } from "./rows.ts";

/** Tokens that are asked for: where the model is read out (places among the N tokens), and what stands there. */
export interface Asked {
  readonly positions: ArrayLike<number>;
  readonly labels: ArrayLike<number>;
}

/** The inputs `positions`, `labels` and `label_weights`, padded to two positions. */
export function askedInputs({ positions, labels }: Asked): Record<string, HostTensor> {
  const P = Math.max(2, positions.length);
  const places = new Int32Array(P);
  places.set(positions);
  return { positions: tensor("int32", [P], places), ...targets(Int32Array.from(labels), P) };
}

/** Of examples in one batch: the inputs of the loss program, and how many tokens of each example are asked for. */
type HeldOut<S extends CommonSettings> = (
  context: PhaseContext<S>,
  examples: readonly number[],
) => { readonly inputs: Record<string, HostTensor>; readonly counts: readonly number[] };

/**
 * The mean loss of the tokens that are asked for; beside it their perplexity, which is e to the loss, and the share of
 * them that were the likeliest.
 */
export function languageModelValidation<S extends CommonSettings>(
  head: Extract<Head, { readonly kind: "masked-lm" | "causal-lm" }>,
  heldOut: HeldOut<S>,
): Validation<S> {
  return {
    name: "loss",
    program({ config }) {
      const g = new GraphBuilder();
      const logits = buildModel(new LayerContext(g, false), config, head);
      const { loss, logProbs } = g.crossEntropy(logits, g.input("labels", "int", ["P"])); // [P], [P, V]
      g.output("losses", loss);
      const ahead = g.relu(g.add(logProbs, g.reshape(loss, ["P", 1]))); // [P, V], over 0 where likelier than the label
      g.output("margins", g.reduceSum(ahead, [1], { keepDims: false }));
      return g.build();
    },
    batch(context, examples) {
      const { label_weights: _, ...inputs } = heldOut(context, examples).inputs;
      const P = inputs["positions"]!.shape[0]!;
      const row = () => tensor("float32", [P], new Float32Array(P));
      return { inputs, outputs: { losses: row(), margins: row() } };
    },
    width: () => 3,
    read(context, examples, { losses, margins }) {
      let at = 0;
      return heldOut(context, examples).counts.flatMap((count) => {
        const sum = losses!.data.subarray(at, at + count).reduce((total, loss) => total + loss, 0);
        const right = margins!.data.subarray(at, at + count).reduce((found, one) => found + (one === 0 ? 1 : 0), 0);
        at += count;
        return [sum, count, right];
      });
    },
    figure: (numbers) => column(numbers, 0) / Math.max(1, column(numbers, 1)),
    further: (numbers) => {
      const count = Math.max(1, column(numbers, 1));
      return { perplexity: exp(column(numbers, 0) / count), accuracy: column(numbers, 2) / count };
    },
  };
}

/** Sum of a column of [examples, 3]. */
function column(numbers: Float64Array, at: number): number {
  let sum = 0;
  for (let i = at; i < numbers.length; i += 3) sum += numbers[i]!;
  return sum;
}
