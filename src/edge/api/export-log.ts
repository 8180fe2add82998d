/** `export-log`: a log of receipts as one text file that proves itself, and the proof. */
import { z } from "zod";
import { parseOptions } from "../../base/index.ts";
import { exportLog as writeExport, verifyExport, type VerifyReport } from "../../work/audit/index.ts";
import { pathSchema } from "./options.ts";
import { ownPublicKey, receiptsPath } from "./receipts.ts";

const exportSchema = z.strictObject({ log: pathSchema.optional(), publicKey: z.string().optional() });
const checkSchema = z.strictObject({
  publicKey: z.string().optional(),
  expectedHead: z.string().optional(),
  minCount: z.int().min(0).optional(),
});

export interface ExportLogOptions {
  /** @default receipts.sqlite in the store's folder */
  readonly log?: string | undefined;
  /** The key that must have signed it (PEM, or SPKI DER in base64). @default the one in `$LOCKSTEP_HOME`, if any */
  readonly publicKey?: string | undefined;
}

export interface CheckExportOptions {
  /** The key that must have signed it (PEM, or SPKI DER in base64). @default the one in `$LOCKSTEP_HOME`, if any */
  readonly publicKey?: string | undefined;
  /** It must contain this head. */
  readonly expectedHead?: string | undefined;
  /** It must have at least as many receipts. */
  readonly minCount?: number | undefined;
}

/**
 * Writes the log of a store to `file`, one receipt a line, and reads it back. The texts of the questions are in it.
 *
 * @throws NOT_FOUND, LOG_CORRUPT a row is no receipt, DISK_FAILED. Whether the chain holds is in the report.
 */
export async function exportLog(store: string, file: string, options: ExportLogOptions = {}): Promise<VerifyReport> {
  const { log, publicKey } = parseOptions(exportSchema, options, "the options of exportLog");
  const out = parseOptions(pathSchema, file, "the file to write");
  await writeExport(log ?? receiptsPath(parseOptions(pathSchema, store, "the store")), out);
  return await checkExport(out, publicKey === undefined ? {} : { publicKey });
}

/** Whether an exported file is as it was written, and the chain in it holds. What is wrong is in the report. */
export async function checkExport(file: string, options: CheckExportOptions = {}): Promise<VerifyReport> {
  const {
    publicKey = ownPublicKey(),
    expectedHead,
    minCount,
  } = parseOptions(checkSchema, options, "the options of checkExport");
  return await verifyExport(parseOptions(pathSchema, file, "the exported file"), {
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(expectedHead === undefined ? {} : { expectedHead }),
    ...(minCount === undefined ? {} : { minCount }),
  });
}
