export { createHttpServer, type HttpHooks, type HttpServer } from "./server.ts";
export { httpOptions, type HttpOptions } from "./options.ts";
export type {
  FailedStatus,
  HttpDeps,
  HttpRequest,
  MetricSample,
  ModelInfo,
  PublishRequest,
  ServingStatus,
  Status,
  TrainingStatus,
  WireAnswer,
} from "./contract.ts";
