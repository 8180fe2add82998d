/**
 * A kept receipt pins its version: without the version's files it could not be replayed. An erased one cannot be
 * anyway.
 */
import { existsSync } from "node:fs";
import { LogReader } from "./reader.ts";

/**
 * Whether a receipt that is not erased, in the log at `path`, refers to `version`. No log, no receipts. For
 * `Store.remove`, when no AuditLog is open.
 */
export function refersTo(path: string, version: string): boolean {
  if (!existsSync(path)) return false;
  using reader = new LogReader(path);
  return reader.refersTo(version);
}
