/** The controller's own thread: it waits for the explored threads by sleeping, which the caller's thread should not. */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { encodeError, installExplorationHook } from "../../base/index.ts";
import { Controller } from "./controller.ts";
import { PHASES, WATCH, type ControllerSetup, type FromController } from "./controller-messages.ts";
import { installLoadHook } from "./instrument/hooks.ts";
import { MarkedChannel } from "./ports.ts";
import { loadProgram, type Program } from "./program.ts";
import { setupResets } from "./runner.ts";

const { url, program: name, options, watch } = workerData as ControllerSetup;
const say = (message: FromController): void => parentPort!.postMessage(message);

/** What `setup` makes of channels are marks of them: the threads have the ends. */
function installChannels(): void {
  (createRequire(import.meta.url)("node:worker_threads") as { MessageChannel: unknown }).MessageChannel = MarkedChannel;
  (globalThis as { MessageChannel: unknown }).MessageChannel = MarkedChannel;
  syncBuiltinESMExports();
}

/** The caller's thread sees which function of the program's does not return. */
function within<T>(phase: (typeof PHASES)[number], run: () => T): T {
  Atomics.add(watch, WATCH.BEGAN, 1);
  Atomics.store(watch, WATCH.PHASE, PHASES.indexOf(phase));
  try {
    return run();
  } finally {
    Atomics.store(watch, WATCH.PHASE, 0);
  }
}

function watched(program: Program): Program {
  const { setup, check } = program;
  return {
    ...program,
    setup: () => within("setup", setup),
    ...(check === undefined
      ? {}
      : {
          check: (state, ended) => {
            // What it returns is looked at: a promise is refused.
            return within("check", () => check(state, ended));
          },
        }),
  };
}

// What the module sets off and nobody waits for.
process.on("unhandledRejection", (thrown) => {
  say({ kind: "failed", error: encodeError(thrown) });
});

try {
  installChannels();
  installLoadHook({ accesses: false });
  installExplorationHook({ access: () => {}, resets: setupResets });
  const controller = new Controller(watched(await loadProgram(url, name)), name, options, {
    onProgress: (stage, schedules, seconds) =>
      say({ kind: "progress", progress: { program: name, stage, schedules, seconds } }),
    stopped: () => Atomics.load(watch, WATCH.STOP) !== 0,
  });
  say({ kind: "report", report: await controller.explore() });
} catch (thrown) {
  say({ kind: "failed", error: encodeError(thrown) });
}
