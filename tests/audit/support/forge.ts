/** What a forger can do to a log: everything but sign with its key, or write where its heads are kept. */
import { createHash } from "node:crypto";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { canonicalJson } from "../../../src/base/index.ts";
import { headFile } from "../../../src/work/audit/index.ts";
import { commitTo, GENESIS, receiptHash, type Receipt } from "../../../src/work/audit/receipt.ts";
import { receiptColumns } from "../../../src/work/audit/schema.ts";
import { openSigner } from "../../../src/work/audit/signing.ts";

export function sql(log: string, statements: string): void {
  const database = new DatabaseSync(log);
  // A forger's SQLite lets itself be told to write into its own catalogue.
  database.enableDefensive(false);
  database.exec(statements);
  database.close();
}

export function receiptsOf(log: string): Receipt[] {
  const database = new DatabaseSync(log);
  const rows = database.prepare(`SELECT ${receiptColumns(2)} FROM receipts ORDER BY idx`).all();
  database.close();
  return rows.map((row) => ({ ...row }) as unknown as Receipt);
}

/** Puts these receipts into the log instead of its own, with every commitment and hash worked out anew. */
export function rewrite(log: string, receipts: readonly Receipt[]): void {
  let previous = GENESIS;
  const chained = receipts.map((receipt, index) => {
    const { salt, request, summary } = receipt;
    const commitments =
      salt === null || request === null || summary === null
        ? {}
        : { commitment: commitTo("request", salt, request), summaryCommitment: commitTo("summary", salt, summary) };
    const fields = { ...receipt, ...commitments, index, previous };
    const hash = receiptHash(fields);
    previous = hash;
    return { ...fields, hash };
  });
  replaceRows(log, chained);
}

/** As they are. */
export function replaceRows(log: string, receipts: readonly Receipt[]): void {
  const database = new DatabaseSync(log);
  database.exec("DELETE FROM receipts");
  const insert = database.prepare("INSERT INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  for (const r of receipts)
    insert.run(
      ...[r.index, r.hash, r.previous, r.requestId, r.version, r.profileId, r.profile, r.commitment],
      ...[r.summaryCommitment, r.seed, r.answerDigest, r.at, r.request, r.summary, r.salt, r.erasedAt, r.kind],
    );
  database.close();
}

/** Every head by another key, as its owner would have written them. */
export function signAs(log: string, key: string): void {
  const last = receiptsOf(log).at(-1)!;
  const head = openSigner(key).sign(last.index + 1, last.hash, last.at);
  const values = [head.count, ...[head.head, head.at, head.key, head.signature].map((text) => `'${text}'`)];
  sql(log, `DELETE FROM heads; INSERT INTO heads VALUES (${values.join(", ")})`);
  writeFileSync(headFile(log), canonicalJson(head));
}

/** The last character before the padding stands for bits that no decoder looks at. */
export function otherSpelling(base64: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const at = base64.indexOf("=") - 1;
  return base64.slice(0, at) + alphabet[alphabet.indexOf(base64[at]!) ^ 1]! + base64.slice(at + 1);
}

/** The files of a folder as they are now, and a way back that keeps the folder itself. */
export function snapshot(folder: string, store: string): () => void {
  cpSync(folder, store, { recursive: true, preserveTimestamps: true });
  return () => {
    for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
    cpSync(store, folder, { recursive: true, preserveTimestamps: true });
  };
}

export function digestOf(file: string): string {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}
