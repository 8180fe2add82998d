/**
 * All objectives, in one table. A recipe's phase names one; nothing outside of the objective's own file and of this one
 * says which. To add one: its file, its schema in `phaseSchema`, its line in `OBJECTIVES`.
 */
import { z } from "zod";
import { causalLm, causalLmPhase } from "./causal-lm.ts";
import { classify, classifyPhase } from "./classify.ts";
import type { Objective, ObjectiveTask, Start } from "./contract.ts";
import { maskedLm, maskedLmPhase } from "./masked-lm.ts";
import { multiLabel, multiLabelPhase } from "./multi-label.ts";
import { regression, regressionPhase } from "./regression.ts";
import { tokenClassify, tokenClassifyPhase } from "./token-classify.ts";

export {
  commonSettings,
  type CommonSettings,
  type Objective,
  type ObjectiveTask,
  type ModelContext,
  type PhaseContext,
  type ShardInputs,
  type ShardKey,
  type Start,
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

export const taskSchema = z.enum(["classify"]) satisfies z.ZodType<ObjectiveTask>;

/** The phases of a recipe that says nothing about them, by what its version is to answer. */
export const DEFAULT_PHASES: { readonly [T in ObjectiveTask]: { readonly [S in Start]: readonly PhaseChoice[] } } = {
  classify: {
    nothing: [{ objective: "masked-lm" }, { objective: "classify" }],
    encoder: [{ objective: "masked-lm", epochs: 0 }, { objective: "classify" }],
  },
};
