/** What passes between `checkInvariance` and its worker thread. */
import type { Profile } from "../../numeric/runtime/index.ts";
import type { ComparedRuns, RowSet } from "./invariance.ts";
import type { JoinedRows } from "./joined.ts";
import type { VersionFiles } from "./version.ts";

export interface InvarianceSetup {
  /** Over SharedArrayBuffers, or they are copied. */
  readonly files: VersionFiles;
  readonly executor: "native" | "portable";
  readonly sets: readonly RowSet[];
}

export type InvarianceRequest =
  | { readonly kind: "alone" }
  | { readonly kind: "batches"; readonly set: number; readonly windows: number }
  | { readonly kind: "mixed"; readonly orders: number }
  /** Both of the above in brief, in a program with this many threads inside an operator. */
  | { readonly kind: "intraOp"; readonly threads: number }
  | { readonly kind: "control" };

export type InvarianceReply =
  /** Outputs of each set's rows. */
  | { readonly kind: "alone"; readonly profile: Profile; readonly sets: readonly JoinedRows[] }
  | ({ readonly kind: "batches" } & ComparedRuns)
  | ({ readonly kind: "mixed" } & ComparedRuns)
  | ({ readonly kind: "intraOp" } & ComparedRuns)
  | ({ readonly kind: "control" } & ComparedRuns);

/** Rows computed since the last one. */
export interface InvarianceEvent {
  readonly rows: number;
}
