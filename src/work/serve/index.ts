/**
 * Serving one published version at a time, and the next one without a gap: admission, batches, replicas, verification.
 */
export type {
  EncodedRow,
  MismatchReport,
  NamedVersion,
  ReplicaBackend,
  RetiredReport,
  Scheduler,
  SchedulerOptions,
  ServeAnswer,
  ServeCounter,
  ServeHooks,
  ServeMeasure,
  ServeRequest,
  VersionPin,
} from "./contract.ts";
export { createScheduler } from "./scheduler.ts";
export { openThreadReplica, type ThreadReplica, type ThreadReplicaOptions } from "./thread-replica.ts";
