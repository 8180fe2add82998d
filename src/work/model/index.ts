/**
 * The model that a program holds: one published version at a time on worker threads, callable from any thread, and
 * changed (published, learned) in one line.
 */
export { checkQuestion, Model, modelSchema, type ModelOptions, type OpenedVersion } from "./model.ts";
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
