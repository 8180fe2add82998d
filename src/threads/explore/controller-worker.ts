/** The controller's own thread: it waits for the explored threads by sleeping, which the caller's thread should not. */
import { createRequire, syncBuiltinESMExports } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { encodeError, installExplorationHook, LockstepError } from "../../base/index.ts";
import { Controller } from "./controller.ts";
import type { ControllerSetup, FromController } from "./controller-messages.ts";
import { MarkedChannel } from "./ports.ts";
import { programsOf } from "./program.ts";
import { setupResets } from "./runner.ts";

const { url, program: name, options, stop } = workerData as ControllerSetup;
const say = (message: FromController): void => parentPort!.postMessage(message);

/** What `setup` makes of channels are marks of them: the threads have the ends. */
function installChannels(): void {
  (createRequire(import.meta.url)("node:worker_threads") as { MessageChannel: unknown }).MessageChannel = MarkedChannel;
  (globalThis as { MessageChannel: unknown }).MessageChannel = MarkedChannel;
  syncBuiltinESMExports();
}

try {
  installChannels();
  installExplorationHook({ access: () => {}, resets: setupResets });
  const found = programsOf((await import(url)) as Record<string, unknown>).get(name);
  if (found === undefined)
    throw new LockstepError("NOT_FOUND", `${url} exports no program "${name}"`, { program: name });
  const controller = new Controller(found, name, options, {
    onProgress: (stage, schedules, seconds) =>
      say({ kind: "progress", progress: { program: name, stage, schedules, seconds } }),
    stopped: () => Atomics.load(stop, 0) !== 0,
  });
  say({ kind: "report", report: await controller.explore() });
} catch (thrown) {
  say({ kind: "failed", error: encodeError(thrown) });
}
