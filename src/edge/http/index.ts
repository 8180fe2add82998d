export { createHttpServer, type HttpHooks, type HttpServer } from "./server.ts";
export { httpOptions, type HttpOptions } from "./options.ts";
export type {
  ClassifyAnswer,
  ClassifyOptions,
  FailedStatus,
  HttpDeps,
  MetricSample,
  ModelInfo,
  PublishRequest,
  ServingStatus,
  Status,
  TrainingStatus,
} from "./contract.ts";
