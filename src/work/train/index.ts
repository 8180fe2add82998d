export {
  defaultValidationFraction,
  mergeSettings,
  recipeHash,
  recipeSchema,
  recordShards,
  requireTask,
  resolveRecipe,
  trainedPhases,
  type PhaseInput,
  type PhaseSettings,
  type Recipe,
  type RecipeInput,
  type ShorthandObjective,
  type Shorthands,
} from "./recipe.ts";
export { changedTable } from "./run-data.ts";
export { recipeHashBefore, upgradeRecipe } from "./recipe-before.ts";
export {
  objectiveOf,
  phaseInputSchema,
  taskSchema,
  TRAINED_TASKS,
  type LastObjective,
  type ObjectiveName,
  type ObjectiveTask,
  type PhaseRecipe,
  type Teacher,
} from "./objectives/index.ts";
export type { Dataset } from "./training-data.ts";
export { runTraining, type TrainedModel, type TrainingInput, type TrainingRun } from "./trainer.ts";
export { phaseNames, type Pace, type TrainingEvent } from "./progress.ts";
export { trainTokenizer, type TokenizerJob } from "./tokenizer-job.ts";
export type { StepReport } from "./messages.ts";
export {
  requireWeightFunctions,
  type ShardFigures,
  type ShardWeightFunction,
  type ShardWeightFunctions,
  type StepFigures,
} from "./weight-function.ts";
export type { EarlierStep } from "./weight-history.ts";
export { openHeadLearner, type HeadLearner, type LearnedVersion } from "./head-learner.ts";
export type { LabelledText, Lineage, UpdateRecord } from "./head-update.ts";
