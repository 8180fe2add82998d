/**
 * A log as one text file, for archives and auditors: JSON lines, each exactly the canonical JSON of its object, and a
 * last line with the SHA-256 of all before. One changed byte anywhere, a line left out or a cut end is found.
 */
import { createHash, randomBytes, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { z } from "zod";
import { canonicalJson, isLockstepError, LockstepError } from "../../base/index.ts";
import { nodeFileSystem, onDisk, replaceFile } from "../store/index.ts";
import { ChainChecker, type VerifyOptions, type VerifyReport } from "./chain-checker.ts";
import { LogReader } from "./reader.ts";
import { receiptSchema } from "./receipt.ts";
import { signedHeadSchema, type LogFormat, type SignedHead } from "./signing.ts";

const MAX_LINE = 64 * 1024 * 1024;

const rest = [
  z.strictObject({ kind: z.literal("head"), head: signedHeadSchema }),
  z.strictObject({ kind: z.literal("end"), sha256: z.string() }),
] as const;

/** By the format of the log. Receipts of format 1 are of answers, and do not say so. */
const lineSchemas = {
  1: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("log"), format: z.literal(1) }),
    z.strictObject({ kind: z.literal("receipt"), receipt: receiptSchema.omit({ kind: true }) }),
    ...rest,
  ]),
  2: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("log"), format: z.literal(2) }),
    z.strictObject({ kind: z.literal("receipt"), receipt: receiptSchema }),
    ...rest,
  ]),
} as const satisfies Record<LogFormat, z.ZodType>;

type Line = z.output<(typeof lineSchemas)[LogFormat]>;

/**
 * Writes the log at `path` to `out`, atomically. LOG_CORRUPT when a row has not the form of a receipt; the chain itself
 * is not judged here.
 */
export async function exportLog(path: string, out: string): Promise<{ readonly receipts: number }> {
  using reader = new LogReader(path);
  let receipts = 0;
  function* lines(): Generator<Line> {
    yield { kind: "log", format: reader.format };
    for (const page of reader.pages()) {
      for (const receipt of page) {
        if (receipt === undefined)
          throw new LockstepError(
            "LOG_CORRUPT",
            `receipt ${receipts} of ${path} has not the form of a receipt; run verify`,
            { path, index: receipts },
          );
        receipts++;
        const { kind, ...fields } = receipt;
        if (reader.format === 1) yield { kind: "receipt", receipt: fields };
        else yield { kind: "receipt", receipt: { ...fields, kind } };
      }
    }
    for (const head of reader.heads()) yield { kind: "head", head };
  }
  await onDisk("write", out, () =>
    replaceFile(nodeFileSystem, `${out}.${randomBytes(8).toString("hex")}.tmp`, out, encode(lines())),
  );
  return { receipts };
}

function* encode(lines: Iterable<Line>): Generator<Uint8Array> {
  const hash = createHash("sha256");
  for (const line of lines) {
    const bytes = Buffer.from(`${canonicalJson(line)}\n`);
    hash.update(bytes);
    yield bytes;
  }
  yield Buffer.from(`${canonicalJson({ kind: "end", sha256: hash.digest("hex") })}\n`);
}

/** As `verifyLog`, for an exported file. */
export async function verifyExport(file: string, options: VerifyOptions = {}): Promise<VerifyReport> {
  const checker = new ChainChecker(options);
  try {
    await onDisk("read", file, () => checkFile(file, checker));
  } catch (error) {
    if (!isLockstepError(error) || error.code !== "LOG_CORRUPT") throw error;
    checker.fail("export-changed", error.message);
  }
  return checker.report();
}

async function checkFile(file: string, checker: ChainChecker): Promise<void> {
  const hash = createHash("sha256");
  const heads: SignedHead[] = [];
  let stage: Line["kind"] | "start" = "start";
  let format: LogFormat | undefined;
  for await (const bytes of linesOf(file)) {
    const value = parseJson(bytes, file);
    // The first line decides; a second one is refused for its place.
    format ??= lineSchemas[1].safeParse(value).success ? 1 : 2;
    const line = parseLine(value, bytes, format, file);
    if (!FOLLOWS[line.kind].includes(stage))
      throw changed(file, `a line of kind ${line.kind} after one of kind ${stage}`);
    stage = line.kind;
    if (line.kind === "receipt") checker.add({ kind: "answer", ...line.receipt });
    if (line.kind === "head") heads.push(line.head);
    if (line.kind === "end") checkEnd(line.sha256, hash, file);
    else hash.update(bytes);
  }
  if (stage !== "end") throw changed(file, "its last line is missing, so it was cut");
  checker.setFormat(format ?? 1);
  checker.addHeads(heads);
}

const FOLLOWS: Readonly<Record<Line["kind"], readonly (Line["kind"] | "start")[]>> = {
  log: ["start"],
  receipt: ["log", "receipt"],
  head: ["log", "receipt", "head"],
  end: ["log", "receipt", "head"],
};

function checkEnd(expected: string, hash: Hash, file: string): void {
  if (hash.digest("hex") !== expected) throw changed(file, "its contents do not match the SHA-256 in its last line");
}

function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (error) {
    throw changed(file, "a line is not JSON", error);
  }
}

function parseLine(value: unknown, bytes: Uint8Array, format: LogFormat, file: string): Line {
  const parsed = lineSchemas[format].safeParse(value);
  if (!parsed.success) throw changed(file, "a line has not the form of an export's");
  if (!Buffer.from(`${canonicalJson(parsed.data)}\n`).equals(bytes))
    throw changed(file, "a line is not written as an export writes it");
  return parsed.data;
}

/** Lines with their line feeds; the last may lack it. */
async function* linesOf(file: string): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let length = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      yield Buffer.concat([...rest, chunk.subarray(from, at + 1)]);
      rest = [];
      length = 0;
      from = at + 1;
    }
    rest.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > MAX_LINE) throw changed(file, `a line is longer than ${MAX_LINE} bytes`);
  }
  if (length > 0) yield Buffer.concat(rest);
}

function changed(file: string, why: string, cause?: unknown): LockstepError {
  return new LockstepError("LOG_CORRUPT", `${file} is not as it was exported: ${why}`, { file }, { cause });
}
