/**
 * A replica on a worker thread of its own. Opening one reads and packs the whole version, which blocks that thread
 * only. Replicas of the same files share one packed copy of the weights, where the executor can.
 */
import { ownFile } from "../../base/index.ts";
import { createPackedWeights, nativeScopes, type PackedWeights, type Profile } from "../../numeric/runtime/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import { cutRows, type PredictorOptions, type VersionFiles } from "../infer/index.ts";
import type { EncodedRow, ReplicaBackend } from "./contract.ts";
import type { ReplicaReply, ReplicaRequest, ReplicaSetup } from "./replica-messages.ts";

export interface ThreadReplicaOptions {
  /** The version's files, as they were hashed. Over SharedArrayBuffers they are not copied. */
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly predictor?: PredictorOptions;
  /** Threads inside one operator, of the native executor. @default 1 */
  readonly intraOpThreads?: number;
  /** For the thread's name and messages. @default "replica" */
  readonly name?: string;
}

export interface ThreadReplica extends ReplicaBackend {
  readonly profile: Profile;
}

/** @throws what reading the version throws, NUMERICS_UNTRUSTED from the self-check, RUNTIME_MISSING, WORKER_DIED */
export async function openThreadReplica({
  files,
  executor,
  predictor = {},
  intraOpThreads = 1,
  name = "replica",
}: ThreadReplicaOptions): Promise<ThreadReplica> {
  const entry = ownFile(() => import.meta.resolve("#entry/work/serve/replica-worker"));
  const scope = await nativeScopes(executor);
  const weights = await SharedPacking.of(files, executor);
  const workerData: ReplicaSetup = { files, executor, predictor, intraOpThreads, packed: weights.packed?.handle };
  const pool: Pool<ReplicaRequest, ReplicaReply> = createPool({
    entry,
    size: 1,
    name,
    workerData,
    unref: true, // a program that has nothing under way ends, also without closing its model
    scope,
  });
  const close = async (): Promise<void> => {
    try {
      await pool.close();
    } finally {
      weights.leave();
    }
  };
  try {
    await pool.ready();
    const { profile } = await pool.request(0, { kind: "describe" });
    return { profile, run: (rows, signal) => run(pool, rows, signal), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** The packed weights of one set of files, for as long as a replica uses them. */
class SharedPacking {
  static readonly #open = new WeakMap<VersionFiles, SharedPacking>();
  readonly packed: PackedWeights | undefined;
  readonly #files: VersionFiles;
  #users = 0;

  private constructor(files: VersionFiles, packed: PackedWeights | undefined) {
    this.#files = files;
    this.packed = packed;
  }

  static async of(files: VersionFiles, executor: "native" | "portable"): Promise<SharedPacking> {
    const made = await createPackedWeights(executor);
    let packing = SharedPacking.#open.get(files);
    if (packing === undefined) {
      packing = new SharedPacking(files, made);
      SharedPacking.#open.set(files, packing);
    } else made?.release();
    packing.#users++;
    return packing;
  }

  leave(): void {
    if (--this.#users > 0) return;
    if (SharedPacking.#open.get(this.#files) === this) SharedPacking.#open.delete(this.#files);
    this.packed?.release();
  }
}

async function run(
  pool: Pool<ReplicaRequest, ReplicaReply>,
  rows: readonly EncodedRow[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  return cutRows(await pool.request(0, { kind: "run", rows }, signal === undefined ? {} : { signal }));
}
