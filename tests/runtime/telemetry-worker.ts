/** Asks for the native runtime on a thread of its own, and says what came of it. */
import { parentPort } from "node:worker_threads";
import { toLockstepError } from "../../src/base/index.ts";
import { createNativeExecutor } from "../../src/numeric/runtime/index.ts";

createNativeExecutor().then(
  () => parentPort?.postMessage("loaded"),
  (error: unknown) => parentPort?.postMessage(`${toLockstepError(error).code} ${toLockstepError(error).message}`),
);
