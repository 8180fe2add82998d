/**
 * What reaches across threads where the C interface is used: ending another thread's run, releasing what a dead thread
 * has left, one packed copy of the weights for all replicas of a version. Where it is not used there is none of it, and
 * whoever asks is told so by `undefined`.
 */
import type { PackedHandle, Scope } from "./handles.ts";
import type { ExecutorName } from "./contract.ts";
import { chooseNative } from "./native-choice.ts";

export interface PackedWeights {
  /** For `LoadOptions.packed`, on any thread. */
  readonly handle: PackedHandle;
  /** Once no session uses it. Idempotent. */
  release(): void;
}

/**
 * Makes the scopes of worker threads that will run this executor: one for each thread, handed to it as
 * `NativeOptions.scope`.
 * @throws RUNTIME_MISSING
 */
export async function nativeScopes(executor: ExecutorName): Promise<(() => Scope) | undefined> {
  if (executor !== "native") return undefined;
  const { api, asked, reason } = await chooseNative();
  if (api !== null) return () => api.createScope();
  if (!asked && !warned) {
    warned = true;
    const message =
      "the native runtime is reached through its package's binding: the same answers, more slowly, each replica with " +
      `a copy of its own, and no run can be ended before it is done (${reason})`;
    process.emitWarning(message, { code: "LOCKSTEP_BINDING" });
  }
  return undefined;
}

/** Said once in each thread that has workers. */
let warned = false;

/** @throws RUNTIME_MISSING */
export async function createPackedWeights(executor: ExecutorName): Promise<PackedWeights | undefined> {
  const { api } = executor === "native" ? await chooseNative() : { api: null };
  return api?.createPacked();
}
