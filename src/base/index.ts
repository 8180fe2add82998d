export * from "./entry.ts";
export * from "./errors.ts";
export * from "./canonical.ts";
export * from "./clock.ts";
export * from "./closest.ts";
export * from "./dropout.ts";
export { makeFolder } from "./folder.ts";
export * from "./format.ts";
export * from "./length.ts";
export * from "./limits.ts";
export * from "./math.ts";
export * from "./options.ts";
export * from "./philox.ts";
export * from "./rng.ts";
export { parseStrictJson, repeatedKey, type StrictJsonOptions } from "./strict-json.ts";
export {
  access,
  exploring,
  forgetBetweenSchedules,
  installExplorationHook,
  type ExplorationHook,
} from "./instrumentation.ts";
export { stateFolder } from "./state-folder.ts";
export { BLOCKED_ATTENTION, TELEMETRY } from "./telemetry.ts";
