/** Where the log of receipts of a store is, and what vouches for it: both lie in the state folder, not in the store. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stateFolder } from "../../base/index.ts";
import { openAuditLog, type AuditLog } from "../../work/audit/index.ts";

export function receiptsPath(storeRoot: string): string {
  return join(storeRoot, "receipts.sqlite");
}

/** The folder with the newest head of each log that was written here. */
export function keptHeads(): string {
  return join(stateFolder(), "heads");
}

/** The key that signs what is written here; made when it is first used. */
export function signingKeyPath(): string {
  return join(stateFolder(), "receipts-key.pem");
}

/** The public half of that key, where there is one: what is signed by another is a stranger's. */
export function ownPublicKey(): string | undefined {
  const path = `${signingKeyPath()}.pub`;
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** The log at `path` to write to. `key`: the signing key's file; false: not signed. @default the one above */
export async function openLog(path: string, key: string | false = signingKeyPath()): Promise<AuditLog> {
  return await openAuditLog(path, { keptHeads: keptHeads(), ...(key === false ? {} : { keyPath: key }) });
}
