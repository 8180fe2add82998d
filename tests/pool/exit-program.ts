/**
 * Started as a process of its own: ends in the way named by its first argument while a worker is inside a run.
 * "unguarded": the hook does not wait.
 */
import { nativeScopes } from "../../src/numeric/runtime/index.ts";
import { createPool } from "../../src/threads/pool/index.ts";

const [how, work] = process.argv.slice(2);

interface Req {
  readonly kind: "run";
}
const entry = new URL(work === "native" ? "./native-worker.ts" : "./worker.ts", import.meta.url);
const message = work === "native" ? { kind: "run" } : { kind: "spin", ms: 700 };
const pool = createPool<Req, Req, unknown>({
  scope: await nativeScopes("native"),
  entry,
  name: "exit",
  size: 2,
  workerData: {},
  unref: how === "idle",
  exitTimeoutMs: how === "unguarded" ? 0 : 60_000,
  onEvent: () => {
    setTimeout(
      () => {
        if (how !== "throw") process.exit(3);
        if (how === "throw") throw new Error("a user's uncaught error");
      },
      work === "native" ? 30 : 100,
    );
  },
});
await pool.ready();
if (how === "idle") console.log("idle workers do not hold the process");
else await pool.broadcast(message as Req);
