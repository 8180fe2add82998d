/** A backend on a worker thread of its own. */
import { ownFile } from "../../base/index.ts";
import { nativeScopes, type PackedWeights, type Profile } from "../../numeric/runtime/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import type { VersionFiles } from "../infer/index.ts";
import type { Backend } from "./engine.ts";
import type { GeneratorReply, GeneratorRequest, GeneratorSetup } from "./generator-messages.ts";

export interface GeneratorThreadOptions {
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly intraOpThreads: number;
  /** Most sequences of a step. */
  readonly slots: number;
  readonly prefixTokens: number;
  /** Lives longer than the thread. */
  readonly packed: PackedWeights | undefined;
}

export interface GeneratorThread extends Backend {
  readonly profile: Profile;
  readonly context: number;
  readonly vocabulary: number;
}

/** Programs that a replica has, each as far as its slots go: few, since each takes time to load. */
const PROGRAMS = [1, 4];

/** @throws what reading the version throws; NUMERICS_UNTRUSTED from the self-check; RUNTIME_MISSING, WORKER_DIED */
export async function openGeneratorThread(options: GeneratorThreadOptions): Promise<GeneratorThread> {
  const { files, executor, intraOpThreads, slots, prefixTokens, packed } = options;
  const scope = await nativeScopes(executor);
  const workerData: GeneratorSetup = {
    files,
    executor,
    intraOpThreads,
    slots: [...PROGRAMS.filter((count) => count < slots), slots],
    prefixTokens,
    packed: packed?.handle,
  };
  const pool: Pool<GeneratorRequest, GeneratorReply> = createPool({
    entry: ownFile(() => import.meta.resolve("#entry/work/generate/generator-worker")),
    size: 1,
    name: "generator",
    workerData,
    unref: true, // a program that has nothing under way ends, also without closing its model
    scope,
  });
  try {
    await pool.ready();
    const { profile, context, vocabulary } = await pool.request(0, { kind: "describe" });
    return {
      profile,
      context,
      vocabulary,
      step: async (order) => [...(await pool.request(0, { kind: "step", ...order })).outcomes],
      close: () => pool.close(),
    };
  } catch (thrown) {
    await pool.close();
    throw thrown;
  }
}
