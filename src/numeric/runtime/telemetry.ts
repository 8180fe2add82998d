/**
 * Nothing leaves the machine. The official builds of ONNX Runtime for Linux report their use to their maker since 1.29
 * (microsoft/onnxruntime pull request 27379): a device id in the home, a queue of events, and a host that is looked up.
 * The variable below turns that off, if the process has it before the library is first loaded on any thread. A worker's
 * `process.env` is a copy that the library never sees, so only the main thread can set it, and does so when Lockstep is
 * imported there.
 */
import { isMainThread } from "node:worker_threads";
import { LockstepError } from "../../base/index.ts";

const VARIABLE = "ORT_DISABLE_TELEMETRY";
const OFF = "1";

if (isMainThread) process.env[VARIABLE] = OFF;

/** Throws RUNTIME_FAILED in a worker of a process whose main thread has not imported Lockstep. */
export function requireNoTelemetry(): void {
  if (process.env[VARIABLE] === OFF) return;
  throw new LockstepError(
    "RUNTIME_FAILED",
    `the native runtime would report its use to its maker: import lockstep on the main thread before this worker is ` +
      `started, or start the process with ${VARIABLE}=${OFF} (and keep it in the worker's env)`,
    { variable: VARIABLE },
  );
}
