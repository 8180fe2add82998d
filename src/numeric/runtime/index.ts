export type {
  Bindings,
  Cache,
  CacheShape,
  Executor,
  ExecutorName,
  Form,
  LoadOptions,
  Profile,
  RandomKey,
  RunOptions,
  Session,
} from "./contract.ts";
export {
  availableExecutors,
  createExecutor,
  EXECUTOR_NAMES,
  presentExecutor,
  whyMissing,
  type ExecutorOptions,
  type ServingExecutor,
} from "./executors.ts";
export { createReferenceExecutor } from "./reference.ts";
export { createNativeExecutor } from "./native.ts";
export { createPortableExecutor } from "./portable.ts";
export type { NativeOptions, PortableOptions } from "./options.ts";
export type { PackedHandle, Scope, ScopeHandle } from "./handles.ts";
export { chooseNative, nativeInUse, type NativeChoice, type NativeInterface } from "./native-choice.ts";
export { createPackedWeights, nativeScopes, type PackedWeights } from "./native-scope.ts";
export { withTokenizer } from "./profile.ts";
export { PLAIN_KERNELS, type HostKernels } from "./host.ts";
export { lower } from "./lower.ts";
export type { LoweredProgram } from "./program.ts";
export { firstDifference, selfCheckRows, type RowCheckOptions, type RowCheckResult } from "./self-check.ts";
