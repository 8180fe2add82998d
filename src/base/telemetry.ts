/**
 * What the native library reads from the process's environment. A worker's `process.env` is a copy that the library
 * never sees, so only the main thread can set these, and does so when any part of Lockstep is imported there; through
 * the C interface any thread sets them (numeric/runtime/c-api.ts).
 *
 * Nothing leaves the machine: the official builds of ONNX Runtime for Linux report their use to their maker since 1.29
 * (microsoft/onnxruntime pull request 27379): a device id in the home, a queue of events, and a host that is looked up.
 * The first variable turns that off, if the process has it before the library is first loaded on any thread.
 *
 * Attention over a cache has one way of computing: since 1.30 another one takes over that cuts queries and keys into
 * blocks by the size of the second-level cache, so that a row's bits depend on how many rows there are and on the
 * machine (docs/decisions/0007). The second variable turns it off, where the process has it before a program is loaded.
 */
import { isMainThread } from "node:worker_threads";

export const TELEMETRY = Object.freeze({ variable: "ORT_DISABLE_TELEMETRY", off: "1" });
export const BLOCKED_ATTENTION = Object.freeze({ variable: "ORT_GQA_DISABLE_FLASH_ATTENTION", off: "1" });

if (isMainThread) for (const { variable, off } of [TELEMETRY, BLOCKED_ATTENTION]) process.env[variable] = off;
