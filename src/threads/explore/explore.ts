/**
 * `explore(program)`: runs it under every interleaving, or as many as were asked for, in threads of its own; the
 * caller's thread stays free.
 */
import { Worker } from "node:worker_threads";
import { decodeError, LockstepError } from "../../base/index.ts";
import type { ControllerSetup, FromController } from "./controller-messages.ts";
import type { ExploreOptions } from "./options.ts";
import { programsOf, type Program } from "./program.ts";
import { formatReport, type ExploreReport } from "./report.ts";

/**
 * @returns what was covered and what was found; a failure is in the report, not thrown (`requireExplored` throws it).
 * @throws OPTION_INVALID, NOT_FOUND (the module does not export the program), CANCELLED, TIMEOUT (a thread never comes
 * to its next operation)
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a program of any state
export async function explore(program: Program<any>, options: ExploreOptions = {}): Promise<ExploreReport> {
  // Every explored thread loads this module for `program`, and needs no schemas.
  const { completeOptions } = await import("./options.ts");
  const complete = completeOptions(options);
  const name = await exportName(program as Program);
  const { signal, onProgress } = options;
  if (signal?.aborted) throw cancelled(signal);
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const setup: ControllerSetup = { url: program.url, program: name, options: complete, stop };
  const worker = new Worker(new URL(import.meta.resolve("#entry/threads/explore/controller-worker")), {
    name: "explore",
    workerData: setup,
  });
  const onAbort = (): void => void Atomics.store(stop, 0, 1);
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    return await new Promise<ExploreReport>((resolve, reject) => {
      worker.on("message", (message: FromController) => {
        if (message.kind === "progress") onProgress?.(message.progress);
        else if (message.kind === "report") resolve(message.report);
        else reject(decodeError(message.error));
      });
      worker.once("error", reject);
      worker.once("exit", (code) =>
        reject(new LockstepError("WORKER_DIED", `the controller of the exploration ended with code ${code}`)),
      );
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}

/** The report, if nothing wrong was found. @throws CHECK_FAILED with the whole trace in its message */
export function requireExplored(report: ExploreReport): ExploreReport {
  if (report.failure !== null)
    throw new LockstepError("CHECK_FAILED", formatReport(report), {
      program: report.program,
      kind: report.failure.kind,
      schedule: report.failure.schedule,
    });
  return report;
}

async function exportName(program: Program): Promise<string> {
  const exports = (await import(program.url)) as Record<string, unknown>;
  for (const [name, exported] of programsOf(exports)) if (exported === program) return name;
  throw new LockstepError(
    "NOT_FOUND",
    `the program is not among the exports of ${program.url}; every thread imports that module to find it, so ` +
      "it has to be exported, alone or in an array or record",
    { url: program.url },
  );
}

function cancelled(signal: AbortSignal): LockstepError {
  return new LockstepError("CANCELLED", "the exploration was cancelled", {}, { cause: signal.reason });
}
