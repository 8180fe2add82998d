/**
 * A replica on a worker thread of its own. Opening one reads and packs the whole version, which blocks that thread
 * only.
 */
import { ownFile } from "../../base/index.ts";
import type { Profile } from "../../numeric/runtime/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import type { PredictorOptions, VersionFiles } from "../infer/index.ts";
import type { EncodedRow, ReplicaBackend } from "./contract.ts";
import type { ReplicaReply, ReplicaRequest, ReplicaSetup } from "./replica-messages.ts";

export interface ThreadReplicaOptions {
  /** The version's files, as they were hashed. Over SharedArrayBuffers they are not copied. */
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly predictor?: PredictorOptions;
  /** For the thread's name and messages. @default "replica" */
  readonly name?: string;
}

export interface ThreadReplica extends ReplicaBackend {
  readonly profile: Profile;
  readonly classes: number;
}

/** @throws what reading the version throws, NUMERICS_UNTRUSTED from the self-check, RUNTIME_MISSING, WORKER_DIED */
export async function openThreadReplica({
  files,
  executor,
  predictor = {},
  name = "replica",
}: ThreadReplicaOptions): Promise<ThreadReplica> {
  const workerData: ReplicaSetup = { files, executor, predictor };
  const pool: Pool<ReplicaRequest, ReplicaReply> = createPool({
    entry: ownFile(() => import.meta.resolve("#entry/work/serve/replica-worker")),
    size: 1,
    name,
    workerData,
    unref: true, // a program that has nothing under way ends, also without closing its model
  });
  try {
    await pool.ready();
    const { profile, classes } = await pool.request(0, { kind: "describe" });
    return { profile, classes, run: (rows) => run(pool, rows, classes), close: () => pool.close() };
  } catch (thrown) {
    await pool.close();
    throw thrown;
  }
}

async function run(
  pool: Pool<ReplicaRequest, ReplicaReply>,
  rows: readonly EncodedRow[],
  classes: number,
): Promise<Float32Array[]> {
  const { logits } = await pool.request(0, { kind: "run", rows });
  return rows.map((_, row) => logits.slice(row * classes, (row + 1) * classes));
}
