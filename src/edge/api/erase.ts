/** `erase`: the text of an answer taken out of the log of receipts for good; a receipt of its own says so. */
import { existsSync } from "node:fs";
import { z } from "zod";
import { LockstepError, parseOptions } from "../../base/index.ts";
import type { ErasureResult } from "../../work/audit/index.ts";
import { pathSchema } from "./options.ts";
import { openLog, receiptsPath } from "./receipts.ts";

const eraseSchema = z.strictObject({
  log: pathSchema.optional(),
  auditKey: z.union([pathSchema, z.literal(false)]).optional(),
});

export interface EraseOptions {
  /** @default receipts.sqlite in the store's folder */
  readonly log?: string | undefined;
  /** The key that signs the log; false for a log that is not signed. @default in `$LOCKSTEP_HOME` */
  readonly auditKey?: string | false | undefined;
}

/**
 * Erases question, answer and salt of the receipts with this hash or request id. The chain still verifies; the answer
 * can be replayed no more, and its version is no longer needed for it. A server may be running meanwhile.
 *
 * @throws NOT_FOUND no log, or nothing to erase; LOG_CORRUPT; FORBIDDEN another key signed it; TIMEOUT it is erased,
 *   but a reader keeps old bytes in the file for now
 */
export async function erase(store: string, receipt: string, options: EraseOptions = {}): Promise<ErasureResult> {
  const { log, auditKey } = parseOptions(eraseSchema, options, "the options of erase");
  const id = parseOptions(z.string().min(1).max(200), receipt, "the receipt to erase", "INPUT_INVALID");
  const path = log ?? receiptsPath(parseOptions(pathSchema, store, "the store"));
  if (!existsSync(path)) throw new LockstepError("NOT_FOUND", `there is no log of receipts at ${path}`, { path });
  await using open = await openLog(path, auditKey);
  return await open.erase(id);
}
