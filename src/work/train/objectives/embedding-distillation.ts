/**
 * A student that gives the vectors of its teacher (Reimers and Gurevych 2020; of tokens, Jiao et al. 2020): those of
 * whole texts, or those of all tokens after the last layer. Where the two are not of one width, a projection is learned
 * with the student and left behind.
 */
import { z } from "zod";
import { invariant } from "../../../base/index.ts";
import {
  batchInputs,
  buildModel,
  cosineDistanceSum,
  hiddenStates,
  LayerContext,
  meanSquaredErrorSum,
  type Head,
  type ParameterInfo,
} from "../../../language/models/index.ts";
import { GraphBuilder, type ValueId } from "../../../numeric/graph/index.ts";
import { tensor } from "../../../numeric/tensor/index.ts";
import { rowOf, tokenCount } from "../training-data.ts";
import { commonSettings, type ModelContext, type Objective, type PhaseContext } from "./contract.ts";
import { taughtRows } from "./distillation.ts";
import { ones, rowsOf, servedRows, weightsOf } from "./rows.ts";

export const embeddingDistillationPhase = commonSettings.extend({
  objective: z.literal("embedding-distillation"),
  /** Whose vectors are learned: those of texts, or those of tokens, for which both need the same vocabulary. */
  vectors: z.enum(["texts", "tokens"]).default("texts"),
  /** What is made smaller: 1 − the cosine, or the mean squared difference of the two vectors. */
  distance: z.enum(["cosine", "squared-error"]).default("cosine"),
});

type Settings = z.output<typeof embeddingDistillationPhase>;
type Context = PhaseContext<Settings>;

const DISTANCES = { cosine: cosineDistanceSum, "squared-error": meanSquaredErrorSum } as const;
const PROJECTION = "distillation.projection";
const VECTORS = "teacher_vectors";

function head({ pooling }: Pick<ModelContext, "pooling">): Extract<Head, { readonly kind: "encoder" }> {
  return { kind: "encoder", pooling };
}

function widths({ config, teacher }: ModelContext<Settings>): { readonly own: number; readonly wanted: number } {
  invariant(teacher !== undefined, "vectors are learned from a teacher");
  return { own: config.hidden_size, wanted: teacher.config.hidden_size };
}

/** The student's vectors, as wide as the teacher's. */
function vectorsOf(layers: LayerContext, context: ModelContext<Settings>): ValueId {
  const { config, phase } = context;
  const { own, wanted } = widths(context);
  const vectors = phase.vectors === "texts" ? buildModel(layers, config, head(context)) : hiddenStates(layers, config);
  return own === wanted ? vectors : layers.product(vectors, PROJECTION, own, wanted);
}

export const embeddingDistillation: Objective<Settings> = {
  description:
    "Learns to give the vectors that a teacher gives (`--teacher`), without labels. Widths may differ, and of texts " +
    "the vocabularies too: each tokenizes by itself.",
  task: "embed",
  reading: "text",
  defaults: {
    nothing: { epochs: 8, batch_size: 32, learning_rate: 1e-3, adam_beta2: 0.98 },
    encoder: { epochs: 3, batch_size: 32, learning_rate: 1e-4 },
  },
  head,
  parameters(context): readonly ParameterInfo[] {
    const { own, wanted } = widths(context);
    if (own === wanted) return [];
    return [{ name: `${PROJECTION}.weight`, shape: [wanted, own], init: "normal", decay: true, group: "head" }];
  },
  loss(layers, context) {
    const g = layers.builder;
    const { wanted } = widths(context);
    const vectors = vectorsOf(layers, context);
    const rows = g.shapeOf(vectors)[0]!;
    const teacher = g.input(VECTORS, "real", [rows, wanted]);
    return DISTANCES[context.phase.distance](g, vectors, teacher, weightsOf(g, rows), wanted);
  },
  lengths:
    ({ data }) =>
    (_, example) =>
      tokenCount(data, example),
  inputs(context, examples) {
    const { config, data, special, phase } = context;
    const { rows, T, sizes } = rowsOf(Array.from(examples, (example) => rowOf(data, example)));
    const shape = { tokens: T, padId: special.pad, real: "float32" } as const;
    const B = Math.max(2, rows.length);
    if (phase.vectors === "tokens") {
      const weights = new Float32Array(B * T);
      rows.forEach(({ ids }, row) => weights.fill(1, row * T, row * T + ids.length));
      const { inputs } = tokenInputs(context, examples);
      return {
        inputs: { ...inputs, label_weights: tensor("float32", [B * T], weights) },
        count: sizes.tokens,
        ...sizes,
      };
    }
    return {
      inputs: {
        ...batchInputs(rows, config, head(context), shape),
        [VECTORS]: taughtRows(data, examples, B, widths(context).wanted),
        label_weights: ones(rows.length, B),
      },
      count: rows.length,
      ...sizes,
    };
  },
  teaching: {
    isUsed: () => true,
    before: ({ vectors }) => (vectors === "texts" ? "embed" : undefined),
    inSteps: {
      head,
      program({ config }) {
        const g = new GraphBuilder();
        g.output(VECTORS, hiddenStates(new LayerContext(g, false), config)); // [N, C]
        return g.build();
      },
      batch(context, examples) {
        const { inputs, N } = tokenInputs(context, examples);
        const shape = [N, context.config.hidden_size] as const;
        return { inputs, outputs: { [VECTORS]: tensor("float32", shape, new Float32Array(shape[0] * shape[1])) } };
      },
    },
  },
  validation: {
    name: "cosine to the teacher",
    applies: ({ vectors }) => vectors === "texts",
    program(context) {
      const layers = new LayerContext(new GraphBuilder(), false);
      layers.builder.output("vectors", vectorsOf(layers, context));
      return layers.builder.build();
    },
    batch(context, examples) {
      const { config, data, special } = context;
      const { rows, T } = servedRows(data, examples);
      const shape = [Math.max(2, rows.length), widths(context).wanted] as const;
      return {
        inputs: batchInputs(rows, config, head(context), { tokens: T, padId: special.pad, real: "float32" }),
        outputs: { vectors: tensor("float32", shape, new Float32Array(shape[0] * shape[1])) },
      };
    },
    width: () => 1,
    read(context, examples, { vectors }) {
      const { wanted } = widths(context);
      const teacher = taughtRows(context.data, examples, examples.length, wanted).data;
      return examples.map((_, row) =>
        cosine(
          vectors!.data.subarray(row * wanted, (row + 1) * wanted),
          teacher.subarray(row * wanted, (row + 1) * wanted),
        ),
      );
    },
    figure: (cosines) => cosines.reduce((sum, one) => sum + one, 0) / Math.max(1, cosines.length),
  },
};

/** Inputs of a program of hidden states, which picks no features. */
function tokenInputs({ config, data, special }: Context, examples: Int32Array) {
  const { rows, T } = rowsOf(Array.from(examples, (example) => rowOf(data, example)));
  const shape = { tokens: T, padId: special.pad, real: "float32" } as const;
  return { inputs: batchInputs(rows, config, { kind: "token", labels: 2 }, shape), N: Math.max(2, rows.length) * T };
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(Math.max(1e-24, dot(a, a) * dot(b, b)));
}
