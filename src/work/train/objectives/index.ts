/**
 * All objectives, in one table. A recipe's phase names one; nothing outside of the objective's own file and of this one
 * says which. To add one: its file, its schema in `phaseSchema`, its line in `OBJECTIVES`.
 */
import { z } from "zod";
import { causalLm, causalLmPhase } from "./causal-lm.ts";
import { classify, classifyPhase } from "./classify.ts";
import type { Objective, ObjectiveTask, Start } from "./contract.ts";
import { contrastive, contrastivePhase } from "./contrastive.ts";
import { embeddingDistillation, embeddingDistillationPhase } from "./embedding-distillation.ts";
import { instructionTuning, instructionTuningPhase } from "./instruction-tuning.ts";
import { maskedLm, maskedLmPhase } from "./masked-lm.ts";
import { multiLabel, multiLabelPhase } from "./multi-label.ts";
import { regression, regressionPhase } from "./regression.ts";
import { tokenClassify, tokenClassifyPhase } from "./token-classify.ts";

export {
  commonSettings,
  type CommonSettings,
  type Figure,
  type Objective,
  type ObjectiveTask,
  type ModelContext,
  type PhaseContext,
  type SharedBatch,
  type ShardInputs,
  type ShardKey,
  type Start,
  type Teacher,
  type Validation,
} from "./contract.ts";

/** A phase of a recipe: what it trains for, and how. */
export const phaseSchema = z.discriminatedUnion("objective", [
  maskedLmPhase,
  classifyPhase,
  multiLabelPhase,
  regressionPhase,
  tokenClassifyPhase,
  causalLmPhase,
  instructionTuningPhase,
  contrastivePhase,
  embeddingDistillationPhase,
]);
const [first, ...others] = phaseSchema.options.map(({ shape }) =>
  z.strictObject(shape).partial().extend({ objective: shape.objective }),
);
/** Any part of one, beside its objective. */
export const phaseInputSchema = z.discriminatedUnion("objective", [first!, ...others]);
export type PhaseRecipe = z.output<typeof phaseSchema>;
export type ObjectiveName = PhaseRecipe["objective"];

export const OBJECTIVES: {
  readonly [N in ObjectiveName]: Objective<Extract<PhaseRecipe, { readonly objective: N }>>;
} = {
  "masked-lm": maskedLm,
  classify,
  "multi-label": multiLabel,
  regression,
  "token-classify": tokenClassify,
  "causal-lm": causalLm,
  "instruction-tuning": instructionTuning,
  contrastive,
  "embedding-distillation": embeddingDistillation,
};

export function objectiveOf({ objective }: { readonly objective: ObjectiveName }): Objective<PhaseRecipe> {
  return OBJECTIVES[objective];
}

/**
 * What a phase was called in recipes of before there were others: short for the first phase of that objective, and the
 * name of its seed.
 */
export const SHORTHANDS = { pretrain: "masked-lm", finetune: "classify" } as const satisfies Readonly<
  Record<string, ObjectiveName>
>;

interface PhaseChoice {
  readonly objective: ObjectiveName;
  readonly epochs?: number;
}

/** The objective that a version is made by for a task, where a recipe names no phases. */
const LAST = {
  classify: "classify",
  "multi-label": "multi-label",
  score: "regression",
  "token-classify": "token-classify",
  embed: "contrastive",
  "masked-lm": "masked-lm",
  "causal-lm": "causal-lm",
} as const satisfies { readonly [T in ObjectiveTask]: ObjectiveName };
export type LastObjective<T extends ObjectiveTask> = (typeof LAST)[T];
export const TRAINED_TASKS = Object.keys(LAST) as readonly ObjectiveTask[];
export const taskSchema = z.enum(TRAINED_TASKS);

/** Others learn words first. */
const LANGUAGE_MODELS: ReadonlySet<ObjectiveName> = new Set(["masked-lm", "causal-lm"]);

/** The phases of a recipe that says nothing about them. `adapts`: an encoder learns the words of a domain first. */
export function defaultPhases(task: ObjectiveTask, start: Start, adapts: boolean): readonly PhaseChoice[] {
  const last = { objective: LAST[task] };
  if (LANGUAGE_MODELS.has(last.objective)) return [last];
  const words = { objective: "masked-lm" } as const;
  return [start === "nothing" || adapts ? words : { ...words, epochs: 0 }, last];
}
