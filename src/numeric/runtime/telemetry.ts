/** The native runtime is loaded only where it reports nothing to its maker (base/telemetry.ts). */
import { LockstepError, TELEMETRY } from "../../base/index.ts";

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
