/**
 * Nothing leaves the machine. The official builds of ONNX Runtime for Linux report their use to their maker since 1.29
 * (microsoft/onnxruntime pull request 27379): a device id in the home, a queue of events, and a host that is looked up.
 * The variable below turns that off, if the process has it before the library is first loaded on any thread. A worker's
 * `process.env` is a copy that the library never sees, so only the main thread can set it, and does so when any part of
 * Lockstep is imported there.
 */
import { isMainThread } from "node:worker_threads";

export const TELEMETRY = Object.freeze({ variable: "ORT_DISABLE_TELEMETRY", off: "1" });

if (isMainThread) process.env[TELEMETRY.variable] = TELEMETRY.off;
