export {
  defaultValidationFraction,
  recipeHash,
  recipeSchema,
  resolveRecipe,
  upgradeRecipe,
  type PhaseRecipe,
  type Recipe,
  type RecipeInput,
} from "./recipe.ts";
export { recordShards } from "./plan.ts";
export { runTraining, type TrainedModel, type TrainingInput, type TrainingRun } from "./trainer.ts";
export type { Pace, PhaseName, TrainingEvent } from "./progress.ts";
export { trainTokenizer, type TokenizerJob } from "./tokenizer-job.ts";
export type { StepReport } from "./messages.ts";
export { openHeadLearner, type HeadLearner, type LearnedVersion } from "./head-learner.ts";
export type { LabelledText, Lineage, UpdateRecord } from "./head-update.ts";
