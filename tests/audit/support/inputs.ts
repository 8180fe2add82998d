/** Receipts that mean nothing, and a log full of them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { canonicalJson, sha256Hex } from "../../../src/base/index.ts";
import { openAuditLog, type AuditLogOptions, type Receipt, type ReceiptInput } from "../../../src/work/audit/index.ts";

export const PROFILE = { id: "p".repeat(64), executor: "native", form: "packed", build: "1.30.0", cpu: "any" };
export const VERSION = sha256Hex("version");

export function input(i: number, who = "test"): ReceiptInput {
  return {
    requestId: `${who}-${i}`, version: VERSION, profile: PROFILE, request: canonicalJson({ text: `wo bleibt meine Karte? ${who} ${i} ü` }), seed: i,
    answerDigest: sha256Hex(`answer ${i}`), summary: { label: "card_arrival", probability: 0.5 + i / 1000 }, at: new Date(1_700_000_000_000 + i).toISOString(),
  };
}

export interface Fixture { readonly folder: string; readonly log: string; readonly key: string }

export async function fixture(t: TestContext): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-audit-"));
  t.after(() => rm(folder, { recursive: true }));
  return { folder, log: join(folder, "log", "receipts.sqlite"), key: join(folder, "keys", "audit.pem") };
}

/** A closed log of `count` receipts; signed unless `options` says otherwise. */
export async function write(log: string, count: number, options: AuditLogOptions): Promise<Receipt[]> {
  await using open = await openAuditLog(log, options);
  return await Promise.all(Array.from({ length: count }, (_, i) => open.append(input(i))));
}
