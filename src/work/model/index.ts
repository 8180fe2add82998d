/**
 * The model that a program holds: one published version at a time on worker threads, callable from any thread, and
 * changed (published, learned) in one line.
 */
export {
  checkQuestion,
  openModelReplica,
  Model,
  modelSchema,
  type ModelOptions,
  type ModelOrigin,
  type OpenedVersion,
} from "./model.ts";
export type { Publication } from "./change-queue.ts";
export { attachModel, type AttachedModel } from "./attached-model.ts";
export type {
  Classification,
  Classifier,
  ClassifyOptions,
  Example,
  HandleOptions,
  LearnOptions,
  LearnResult,
  ModelCaller,
  ModelHandle,
  PinnedModel,
  ProfiledAnswers,
  VersionFacts,
} from "./contract.ts";
export { defaultThreads, signalSchema, threadsSchema } from "./options.ts";
