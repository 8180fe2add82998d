/**
 * The model that a program holds: one published version at a time on worker threads, callable from any thread, and
 * changed (published, learned) in one line.
 */
export {
  openModelReplica,
  Model,
  modelSchema,
  type Computed,
  type ModelOptions,
  type ModelOrigin,
  type OpenedVersion,
} from "./model.ts";
export type { Publication } from "./change-queue.ts";
export { attachModel, type AttachedModel } from "./attached-model.ts";
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
} from "./contract.ts";
export { defaultThreads, signalSchema, threadsSchema } from "./options.ts";
