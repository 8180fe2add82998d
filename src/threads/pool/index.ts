/** Worker threads with typed requests, supervision and an orderly end. */
export { BusyRuns, type BusyHandle } from "./busy.ts";
export { markBusy } from "./mark-busy.ts";
export { createPool, type Death, type Pool, type PoolOptions, type RequestOptions } from "./pool.ts";
export type { Message, OfKind } from "./protocol.ts";
export type { WorkerScope } from "./scope.ts";
export {
  serveWorker,
  Transferred,
  type Handlers,
  type RequestContext,
  type WorkerContext,
  type WorkerOptions,
} from "./serve-worker.ts";
