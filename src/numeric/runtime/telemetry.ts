/** The native runtime is loaded only where its environment is as it must be (base/telemetry.ts). */
import { BLOCKED_ATTENTION, LockstepError, TELEMETRY } from "../../base/index.ts";

/** Throws RUNTIME_FAILED in a worker of a process whose main thread has not imported Lockstep. */
export function requireNoTelemetry(): void {
  const { variable, off } = TELEMETRY;
  if (process.env[variable] === off) return;
  throw new LockstepError(
    "RUNTIME_FAILED",
    `the native runtime would report its use to its maker: import lockstep on the main thread before this worker is ` +
      `started, or start the process with ${variable}=${off} (and keep it in the worker's env)`,
    { variable },
  );
}

/** Throws RUNTIME_FAILED where a worker's process was told nothing: attention over a cache would not be invariant. */
export function requireOneAttention(): void {
  const { variable, off } = BLOCKED_ATTENTION;
  if (process.env[variable] === off) return;
  throw new LockstepError(
    "RUNTIME_FAILED",
    `the native runtime would compute a token by its neighbours: import lockstep on the main thread before this ` +
      `worker is started, or start the process with ${variable}=${off} (and keep it in the worker's env)`,
    { variable },
  );
}
