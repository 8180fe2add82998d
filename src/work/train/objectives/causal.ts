/** What objectives of models that guess the next token share: which tokens are asked for, and who sees whom. */
import { invariant } from "../../../base/index.ts";
import { IGNORED } from "../../../language/data/index.ts";
import { batchInputs, buildModel, labelCrossEntropySum } from "../../../language/models/index.ts";
import type { HostTensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount, type TrainingData } from "../training-data.ts";
import type { Objective, PhaseContext, ShardInputs } from "./contract.ts";
import { tokenLoss, tokensTaught, type FromTeacher } from "./distillation.ts";
import { askedInputs, languageModelValidation } from "./language-models.ts";
import { rowsOf, type Rows } from "./rows.ts";

const HEAD = { kind: "causal-lm" } as const;

interface CausalObjective<S extends FromTeacher> extends Pick<
  Objective<S>,
  "description" | "reading" | "arrange" | "defaults"
> {
  /** Whether a token sees only those of its own text, where several texts stand in one row. */
  keepsApart(phase: S): boolean;
}

export function causalObjective<S extends FromTeacher>({ keepsApart, ...own }: CausalObjective<S>): Objective<S> {
  const inputsOf = (context: PhaseContext<S>, examples: readonly number[], { rows, T }: Rows) => {
    const { config, data, special, phase } = context;
    const inputs = batchInputs(rows, config, HEAD, { tokens: T, padId: special.pad, real: "float32" });
    if (keepsApart(phase)) examples.forEach((example, row) => keepApart(data, example, row, T, inputs));
    const asked = examples.map((example) => askedOf(data, example));
    const positions = asked.flatMap((own, row) => own.map((t) => row * T + t));
    const next = positions.map((at) => rows[Math.floor(at / T)]!.ids[(at % T) + 1]!);
    return {
      inputs: { ...inputs, ...askedInputs({ positions, labels: next }) },
      counts: asked.map(({ length }) => length),
    };
  };
  const inputs = (context: PhaseContext<S>, examples: Int32Array): ShardInputs => {
    const batch = rowsOf(Array.from(examples, (example) => rowOf(context.data, example)));
    const { inputs: own, counts } = inputsOf(context, Array.from(examples), batch);
    return { inputs: own, count: counts.reduce((sum, count) => sum + count, 0), ...batch.sizes };
  };
  return {
    ...own,
    task: "causal-lm",
    head: () => HEAD,
    loss(layers, context) {
      const logits = buildModel(layers, context.config, HEAD); // [P, V]
      return tokenLoss(layers.builder, logits, context, labelCrossEntropySum);
    },
    lengths:
      ({ data }) =>
      (_, example) =>
        tokenCount(data, example),
    inputs,
    teaching: tokensTaught(HEAD, inputs),
    validation: languageModelValidation(HEAD, (context, examples) =>
      inputsOf(context, examples, rowsOf(examples.map((example) => rowOf(context.data, example)))),
    ),
  };
}

/** Places in an example's row after which a token of the same text comes that is to be learned. */
function askedOf({ documents, labels, offsets }: TrainingData, example: number): readonly number[] {
  const [from, to] = [offsets[example]!, offsets[example + 1]!];
  const asked: number[] = [];
  for (let at = from; at + 1 < to; at++)
    if (documents?.[at] === documents?.[at + 1] && labels[at + 1] !== IGNORED) asked.push(at - from);
  return asked;
}

/** No token of a row sees one of another text, and each text's positions begin at 0. */
function keepApart(
  { documents, offsets }: TrainingData,
  example: number,
  row: number,
  T: number,
  { attention_bias: bias, position_ids: positions }: Record<string, HostTensor>,
): void {
  if (documents === undefined) return; // a text a row
  const own = documents.subarray(offsets[example], offsets[example + 1]);
  invariant(bias?.shape.length === 4 && bias.shape[2] === T, "a causal model has a bias for each query");
  const { data: scores } = bias;
  invariant(scores instanceof Float32Array, "training is in single precision");
  own.forEach((document, t) => {
    const first = own.indexOf(document);
    const at = (row * T + t) * T;
    scores.fill(-Infinity, at, at + first);
    if (positions !== undefined) positions.data[row * T + t] = t - first;
  });
}
