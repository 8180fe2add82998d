/** The public door: `import { train, loadModel, serve } from "lockstep"`. Each verb is one function. */
export { train, type TrainResult } from "./train.ts";
export type { PhaseData, Stage, TrainInput, TrainOptions, TrainProgress } from "./train-options.ts";
export type { DataSource, RowOf, TestRow, TrainRow } from "./train-rows.ts";
export { loadModel } from "./load-model.ts";
export { loadGenerator, type LoadGeneratorOptions } from "./generate.ts";
export type {
  Finish,
  GenerateOptions,
  GenerationAnswer,
  GenerationOptions,
  GenerationPart,
  GenerationResult,
  GenerationRun,
  GenerationState,
  GenerationUsage,
  GeneratorOptions,
  Logprobs,
  Prompt,
  ResumeOptions,
  TextGenerator,
  TokenPart,
} from "../../work/generate/index.ts";
export type { ChatMessage } from "../../language/text/index.ts";
export { attachModel, type AttachedModel, type Model, type ModelOptions } from "../../work/model/index.ts";
export type {
  Answers,
  Askable,
  AskOptions,
  Classification,
  ClassifyOptions,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelCaller,
  ModelHandle,
  PinnedModel,
  SyncOptions,
  VersionFacts,
} from "../../work/model/index.ts";
export {
  mainTask,
  TASK_NAMES,
  type AnswerOf,
  type Question,
  type TaskName,
  type TaskOptions,
} from "../../work/tasks/index.ts";
export { serve, type ServeOptions, type Server } from "./serve.ts";
export { start, type StartEvent, type StartOptions } from "./start.ts";
export {
  requireVerified,
  verify,
  type VerifyCheck,
  type VerifyOptions,
  type VerifyProgress,
  type VerifyReport,
} from "./verify.ts";
export { evaluate, type EvaluateOptions, type Evaluation } from "./evaluate.ts";
export { list, type ListedVersion, type StoreListing } from "./list.ts";
export { publish, type PublishOptions, type PublishResult } from "./publish.ts";
export { remove, removeAlias, type RemoveAliasResult, type RemoveOptions, type RemoveResult } from "./remove.ts";
export { questionsOfFile, questionsOfTexts, type QuestionFile } from "./questions.ts";
export { askEach, askTexts, classifyEach, textsOf, type QuestionAnswer, type TextClassification } from "./predict.ts";
export {
  completeRecipeFile,
  mergeRecipeFiles,
  readRecipeFile,
  trainArguments,
  type RecipeFile,
  type RunSettings,
} from "./recipe-file.ts";
export { doctor, type DoctorPart, type DoctorReport } from "./doctor.ts";
export { formatCount, formatDuration } from "../../base/index.ts";
export { exploreFile, listPrograms, type ExploreFileOptions } from "./explore.ts";
export { formatReport, type ExploreProgress, type ExploreReport } from "../../threads/explore/index.ts";
export { replay, type ReplayOptions } from "./replay.ts";
export { erase, type EraseOptions } from "./erase.ts";
export { checkExport, exportLog, type CheckExportOptions, type ExportLogOptions } from "./export-log.ts";
export { requireReplayed, requireTrusted, type TrustOptions } from "./trust.ts";
export { MEASURED_TASKS, type Estimate, type MeasuredTask, type Share } from "../../work/evaluate/index.ts";
export { figureName, type KeptFigures, type Metrics } from "./version-files.ts";
export type { HttpOptions } from "../http/index.ts";
export type {
  EarlierStep,
  Recipe,
  RecipeInput,
  ShardFigures,
  ShardWeightFunction,
  StepFigures,
} from "../../work/train/index.ts";
export { ROLES, TABLE_FORMATS, type Rows } from "../../language/data/index.ts";
export { TRAINED_TASKS } from "../../work/train/index.ts";
export type { ErasureResult, ReplayReport, VerifyReport as LogReport } from "../../work/audit/index.ts";
export { isLockstepError, LockstepError, type ErrorCode } from "../../base/index.ts";
