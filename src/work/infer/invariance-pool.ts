/** The thread of a row check, as the caller sees it. */
import { ownFile } from "../../base/index.ts";
import { nativeScopes } from "../../numeric/runtime/index.ts";
import { createPool, type Pool } from "../../threads/pool/index.ts";
import type { InvarianceEvent, InvarianceReply, InvarianceRequest, InvarianceSetup } from "./invariance-messages.ts";

/** `onRows` hears how many rows were computed since the last time. */
export async function openInvariancePool(
  setup: InvarianceSetup,
  onRows: (rows: number) => void,
): Promise<Pool<InvarianceRequest, InvarianceReply>> {
  return createPool<InvarianceRequest, InvarianceReply, InvarianceEvent>({
    entry: ownFile(() => import.meta.resolve("#entry/work/infer/invariance-worker")),
    size: 1,
    name: "verify",
    workerData: setup,
    scope: await nativeScopes(setup.executor),
    onEvent: (_, { rows }) => {
      onRows(rows);
    },
  });
}
