/**
 * `explore(program)`: runs it under every interleaving, or as many as were asked for, in threads of its own; the
 * caller's thread stays free.
 */
import { Worker } from "node:worker_threads";
import { decodeError, exploring, LockstepError, ownFile } from "../../base/index.ts";
import {
  PHASES,
  WATCH,
  WATCH_WORDS,
  type ControllerSetup,
  type FromController,
  type Watch,
} from "./controller-messages.ts";
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
  if (exploring())
    throw new LockstepError(
      "OPTION_INVALID",
      `explore was called in a thread that is itself explored: ${program.url} is loaded again by every thread, and ` +
        "what stands at its top level runs there too; call explore from another module",
      { url: program.url },
    );
  const name = await exportName(program as Program);
  const { signal, onProgress } = options;
  if (signal?.aborted) throw cancelled(signal);
  const watch = new Int32Array(new SharedArrayBuffer(4 * WATCH_WORDS));
  const setup: ControllerSetup = { url: program.url, program: name, options: complete, watch };
  const worker = new Worker(new URL(ownFile(() => import.meta.resolve("#entry/threads/explore/controller-worker"))), {
    name: "explore",
    workerData: setup,
  });
  const ended = Promise.withResolvers<ExploreReport>();
  worker.on("message", (message: FromController) => {
    if (message.kind === "progress") onProgress?.(message.progress);
    else if (message.kind === "report") ended.resolve(message.report);
    else ended.reject(decodeError(message.error));
  });
  worker.once("error", ended.reject);
  worker.once("exit", (code) => {
    ended.reject(new LockstepError("WORKER_DIED", `the controller of the exploration ended with code ${code}`));
  });
  let grace: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    Atomics.store(watch, WATCH.STOP, 1);
    // It may be within a function that never returns: then it is not asked.
    grace = setTimeout(() => {
      ended.reject(cancelled(signal!));
    }, GRACE_MS);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const stalled = watchPhases(watch, name, ended.reject);
  try {
    return await ended.promise;
  } finally {
    clearInterval(stalled);
    clearTimeout(grace);
    signal?.removeEventListener("abort", onAbort);
    await worker.terminate();
  }
}

const GRACE_MS = 1_000;
const TICK_MS = 5_000;
/** A function of the program's that has not returned after so many ticks never will. */
const TICKS = 6;

/** The program's own functions run in the controller's thread, which can do nothing meanwhile: so this one looks. */
function watchPhases(watch: Watch, program: string, reject: (error: LockstepError) => void): NodeJS.Timeout {
  let last = -1;
  let ticks = 0;
  return setInterval(() => {
    const began = Atomics.load(watch, WATCH.BEGAN);
    const phase = Atomics.load(watch, WATCH.PHASE);
    ticks = phase !== 0 && began === last ? ticks + 1 : 0;
    last = began;
    if (ticks < TICKS) return;
    reject(
      new LockstepError(
        "TIMEOUT",
        `${PHASES[phase]!} of "${program}" has not returned for ${(TICKS * TICK_MS) / 1000} s`,
        { program },
      ),
    );
  }, TICK_MS);
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
  for (const [name, exported] of programsOf(await exportsOf(program.url))) if (exported === program) return name;
  throw new LockstepError(
    "NOT_FOUND",
    `the program is not among the exports of ${program.url}; every thread imports that module to find it, so ` +
      "it has to be exported, alone or in an array or record",
    { url: program.url },
  );
}

/**
 * A module that waits, at its top level, for its own exploration never finishes loading: that is said, not waited for.
 */
async function exportsOf(url: string): Promise<Readonly<Record<string, unknown>>> {
  const { promise, reject } = Promise.withResolvers<never>();
  const waits = (): void => {
    reject(
      new LockstepError(
        "OPTION_INVALID",
        `explore waits for ${url} to be loaded, and that module waits for explore: call explore from another module ` +
          "(a test, say), or not from its top level",
        { url },
      ),
    );
  };
  // Nothing but this is left to do, or everything else that keeps the process alive takes its time.
  const limit = setTimeout(waits, LOADING_MS).unref();
  process.once("beforeExit", waits);
  try {
    return (await Promise.race([import(url), promise])) as Readonly<Record<string, unknown>>;
  } finally {
    clearTimeout(limit);
    process.off("beforeExit", waits);
  }
}

const LOADING_MS = 60_000;

function cancelled(signal: AbortSignal): LockstepError {
  return new LockstepError("CANCELLED", "the exploration was cancelled", {}, { cause: signal.reason });
}

/** Until the function that it returns is called, what this thread imports may be TypeScript of any kind. */
export async function loadAsTypeScript(): Promise<() => void> {
  const { installLoadHook } = await import("./instrument/hooks.ts");
  return installLoadHook({ accesses: false });
}
