/**
 * Preloaded (`--import`) into a training's threads: makes worker 1 die in the middle of its second request, while the
 * others wait for it. LOCKSTEP_TEST_DEATH says how: "exit" or "throw".
 */
import { isMainThread, parentPort, workerData } from "node:worker_threads";

const how = process.env["LOCKSTEP_TEST_DEATH"] ?? "";
const pool = (workerData as { readonly lockstepPool?: { readonly name: string; readonly index: number } } | null)
  ?.lockstepPool;
if (!isMainThread && how !== "" && pool?.index === 1) {
  let requests = 0;
  parentPort?.on("message", ({ kind }: { readonly kind: string }) => {
    if (kind !== "request" || ++requests < 2) return;
    // Queued before the session's own, so the step has begun and its program has not.
    setImmediate(() => {
      if (how === "exit") process.exit(3);
      throw new Error("out of order");
    });
  });
}
