/** What passes between a thread replica and its worker. */
import type { PackedHandle, Profile } from "../../numeric/runtime/index.ts";
import type { JoinedRows, PredictorOptions, VersionFiles } from "../infer/index.ts";
import type { EncodedRow } from "./contract.ts";

export interface ReplicaSetup {
  /** Over SharedArrayBuffers, or each replica gets a copy. */
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly predictor: PredictorOptions;
  readonly intraOpThreads: number;
  /** One packed copy for all replicas of these files, where the executor can share it. */
  readonly packed: PackedHandle | undefined;
}

export type ReplicaRequest =
  { readonly kind: "describe" } | { readonly kind: "run"; readonly rows: readonly EncodedRow[] };

export type ReplicaReply =
  | { readonly kind: "describe"; readonly profile: Profile }
  /** Outputs of the rows, moved. */
  | ({ readonly kind: "run" } & JoinedRows);
