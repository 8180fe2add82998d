/** Receipts that mean nothing, and a log full of them. */
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { canonicalJson, sha256Hex } from "../../../src/base/index.ts";
import type { Receipt, ReceiptInput } from "../../../src/work/audit/index.ts";
import { prepareReceipt } from "../../../src/work/audit/receipt.ts";
import { LogWriter } from "../../../src/work/audit/writer.ts";

export const PROFILE = { id: "p".repeat(64), executor: "native", form: "packed", build: "1.30.0", cpu: "any" };
export const VERSION = sha256Hex("version");

export function input(i: number, who = "test"): ReceiptInput {
  return {
    requestId: `${who}-${i}`,
    version: VERSION,
    profile: PROFILE,
    request: canonicalJson({ text: `wo bleibt meine Karte? ${who} ${i} ü` }),
    seed: i,
    answerDigest: sha256Hex(`answer ${i}`),
    summary: { label: "card_arrival", probability: 0.5 + i / 1000 },
    at: new Date(1_700_000_000_000 + i).toISOString(),
  };
}

export interface Fixture {
  readonly folder: string;
  readonly log: string;
  readonly key: string;
}

export async function fixture(t: TestContext): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-audit-"));
  t.after(() => rm(folder, { recursive: true }));
  return { folder, log: join(folder, "log", "receipts.sqlite"), key: join(folder, "keys", "audit.pem") };
}

/**
 * A closed log of `count` receipts, written in one group and without a thread of its own: threads take most of a test's
 * time.
 */
export function write(
  log: string,
  count: number,
  options: { readonly keyPath?: string; readonly signEvery?: number; readonly keptHeads?: string },
): Receipt[] {
  const { keyPath, signEvery = 100, keptHeads } = options;
  const writer = new LogWriter({ path: log, keyPath, signEvery, keptHeads });
  const receipts = writer.append(Array.from({ length: count }, (_, i) => prepareReceipt(input(i))));
  writer.close();
  return receipts;
}

/** Whether any file in `folder` has these bytes in it. */
export async function holds(folder: string, text: string): Promise<boolean> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return (await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name))))).some((bytes) =>
    bytes.includes(text),
  );
}
