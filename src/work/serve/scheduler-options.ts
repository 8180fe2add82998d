/** The bounds of a scheduler's options. */
import { LockstepError } from "../../base/index.ts";
import type { NamedVersion, SchedulerOptions } from "./contract.ts";

/** What timers of the platform can count: 24.8 days. */
export const MAX_TIMEOUT_MS = 2 ** 31 - 1;

/** @throws OPTION_INVALID */
export function checkSchedulerOptions<V extends NamedVersion>(options: SchedulerOptions<V>): void {
  requireRange("replicas", options.replicas, 1, 1024);
  requireRange("maxQueue", options.maxQueue, 1, 2 ** 31);
  requireRange("maxBatchRows", options.maxBatchRows, 1, 65_536);
  requireRange("maxBatchTokens", options.maxBatchTokens, 1, 2 ** 31);
  requireRange("timeoutMs", options.timeoutMs, 1, MAX_TIMEOUT_MS);
  const { verifySample = 0, maxWaitMs = 0 } = options;
  if (!(verifySample >= 0 && verifySample <= 1))
    throw new LockstepError("OPTION_INVALID", `verifySample is a share from 0 to 1, not ${verifySample}`, {
      verifySample,
    });
  if (!(maxWaitMs >= 0))
    throw new LockstepError("OPTION_INVALID", `maxWaitMs must be 0 or more, not ${maxWaitMs}`, { maxWaitMs });
}

function requireRange(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw new LockstepError("OPTION_INVALID", `${name} must be an integer from ${least} to ${most}, not ${value}`, {
    [name]: value,
  });
}
