/**
 * The newest signed head in a small file beside the log, `<log>.head.json`: what the log itself can no longer say once
 * its end is cut off. It is there from the log's beginning on (over no receipts), so that its absence says something.
 */
import { existsSync, readFileSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { canonicalJson, LockstepError } from "../../base/index.ts";
import { syncFolder, writeSynced } from "./files.ts";
import { signedHeadSchema, type SignedHead } from "./signing.ts";

export function headFile(log: string): string {
  return `${log}.head.json`;
}

/** Undefined when there is none; LOG_CORRUPT when it is not a signed head. */
export function readHeadFile(log: string): SignedHead | undefined {
  const path = headFile(log);
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, "utf8");
  const parsed = signedHeadSchema.safeParse(parseJson(text));
  // Exactly as we write it: a changed byte anywhere counts.
  if (parsed.success && canonicalJson(parsed.data) === text) return parsed.data;
  throw new LockstepError("LOG_CORRUPT", `${path} is not a signed head as Lockstep writes it; restore it from a copy`, {
    path,
  });
}

/** Replaces it, durably. The caller holds the log's write lock, so that an older head never replaces a newer one. */
export function writeHeadFile(log: string, head: SignedHead): void {
  const path = headFile(log);
  const temporary = `${path}.tmp`;
  writeSynced(temporary, canonicalJson(head), "w", 0o600);
  renameSync(temporary, path);
  syncFolder(dirname(path));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // not a head, says the schema
  }
}
