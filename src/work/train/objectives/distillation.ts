/**
 * Learning from a teacher, a model that was trained before (Hinton et al. 2015): what it says of classes or of tokens
 * is learned beside the labels. What it says of whole texts is asked once, before the first step; what it says of
 * tokens is computed in each step, since other tokens are asked for each time.
 */
import { z } from "zod";
import { invariant } from "../../../base/index.ts";
import {
  buildModel,
  distillationSum,
  LayerContext,
  type crossEntropySum,
  type Head,
  type labelCrossEntropySum,
} from "../../../language/models/index.ts";
import { GraphBuilder, type Dim, type ValueId } from "../../../numeric/graph/index.ts";
import { tensor, type HostTensor } from "../../../numeric/tensor/index.ts";
import type { TrainingData } from "../training-data.ts";
import type { CommonSettings, ModelContext, Objective, PhaseContext, Teaching } from "./contract.ts";
import { targetInputs } from "./rows.ts";

/** Settings of phases that may learn from a teacher what they also learn from labels. */
export const fromTeacher = {
  /** What is learned from the teacher: the loss is α·T²·KL + (1 − α)·that of the labels; absent: nothing. */
  distillation: z
    .strictObject({
      /** T: logits of teacher and student are divided by it before they become probabilities. With a teacher: 2. */
      temperature: z.number().positive().max(100).default(2),
      /** α: the teacher's share of the loss α·T²·KL + (1 − α)·that of the labels. With a teacher: 0.5. */
      weight: z.number().positive().max(1).default(0.5),
    })
    .optional(),
};
type Distillation = z.output<(typeof fromTeacher)["distillation"]>;
export type FromTeacher = CommonSettings & { readonly distillation?: Distillation };

const LOGITS = "teacher_logits";

interface Taught {
  /** Of the student: [N, L]. */
  readonly logits: ValueId;
  readonly rows: Dim;
  readonly classes: number;
  /** [N] */
  readonly weights: ValueId;
  /** Of the labels, rank 0. */
  readonly loss: ValueId;
}

/** The loss with the teacher's part, whose input `teacher_logits` is [N, L]; without settings the loss as it is. */
export function withTeacher(
  g: GraphBuilder,
  distillation: Distillation,
  { logits, rows, classes, weights, loss }: Taught,
): ValueId {
  if (distillation === undefined) return loss;
  const { temperature: T, weight: share } = distillation;
  const teacher = g.input(LOGITS, "real", [rows, classes]);
  const taught = g.mul(distillationSum(g, logits, teacher, weights, T), g.constant(share * T * T));
  return share === 1 ? taught : g.add(g.mul(loss, g.constant(1 - share)), taught);
}

type TokenLoss = typeof crossEntropySum | typeof labelCrossEntropySum;

/** Of a language model: Σ over the tokens that are asked for, from the logits [P, V], with the teacher's part. */
export function tokenLoss(
  g: GraphBuilder,
  logits: ValueId,
  { config, phase }: ModelContext<FromTeacher>,
  sum: TokenLoss,
): ValueId {
  const { labels, weights } = targetInputs(g, "P");
  const classes = config.vocab_size;
  const loss = sum(g, logits, labels, weights, classes, 0);
  return withTeacher(g, phase.distillation, { logits, rows: "P", classes, weights, loss });
}

/** What the teacher said of examples before the first step, [rows, width]; rows beyond them are 0. */
export function taughtRows(
  { values }: TrainingData,
  examples: ArrayLike<number>,
  rows: number,
  width: number,
): HostTensor<"float32"> {
  invariant(values !== undefined && values.length > 0, "the teacher was asked before the first step");
  const taught = new Float32Array(rows * width);
  for (let row = 0; row < examples.length; row++)
    taught.set(values.subarray(examples[row]! * width, (examples[row]! + 1) * width), row * width);
  return tensor("float32", [rows, width], taught);
}

/** The input `teacher_logits` of classes, for `rows` rows; none without a teacher. */
export function taughtClasses(
  { phase, data, labels }: PhaseContext<FromTeacher>,
  examples: ArrayLike<number>,
  rows: number,
): Record<string, HostTensor> {
  return phase.distillation === undefined ? {} : { [LOGITS]: taughtRows(data, examples, rows, labels) };
}

/** Of classes, which are asked for once. */
export const CLASSES_TAUGHT: Teaching<FromTeacher> = {
  isUsed: ({ distillation }) => distillation !== undefined,
  before: () => "classify",
  inSteps: undefined,
};

/** Of language models: the teacher's logits where the student is read out, of the same rows. */
export function tokensTaught<S extends FromTeacher>(
  head: Extract<Head, { readonly kind: "masked-lm" | "causal-lm" }>,
  inputsOf: Objective<S>["inputs"],
): Teaching<S> {
  return {
    isUsed: ({ distillation }) => distillation !== undefined,
    before: () => undefined,
    inSteps: {
      head: () => head,
      program({ config }) {
        const g = new GraphBuilder();
        g.output(LOGITS, buildModel(new LayerContext(g, false), config, head)); // [P, V]
        return g.build();
      },
      batch(context, examples, key) {
        const { labels: _, label_weights: __, ...inputs } = inputsOf(context, examples, key).inputs;
        const shape = [inputs["positions"]!.shape[0]!, context.config.vocab_size] as const;
        return { inputs, outputs: { [LOGITS]: tensor("float32", shape, new Float32Array(shape[0] * shape[1])) } };
      },
    },
  };
}
