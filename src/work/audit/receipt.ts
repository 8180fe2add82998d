/**
 * What a receipt says, and how receipts are chained. Each has the hash of the one before, so that none can be changed,
 * left out or put in between without every later hash changing. The request and the answer's summary are in the chain
 * only as salted commitments: text and salt can be erased later, and the chain still holds. What is erased is said by a
 * receipt of its own (`erasure.ts`), so that nobody erases unseen.
 */
import { createHmac } from "node:crypto";
import { z } from "zod";
import { canonicalJson, LockstepError, parseOptions, sha256Hex } from "../../base/index.ts";

/** `previous` of the first receipt. */
export const GENESIS = "0".repeat(64);

const hex = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 characters of 0-9 and a-f");
const label = z.string().regex(/^[\x21-\x7e]{1,200}$/, "expected 1 to 200 printable ASCII characters without spaces");
const time = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, "expected a UTC time such as 2025-01-31T09:30:00.000Z");
/** SQLite and UTF-8 would change half a surrogate pair in silence, and the commitment would no longer fit. */
const text = z
  .string()
  .max(16 * 1024 * 1024)
  .refine((value) => value.isWellFormed(), "has half a surrogate pair, which UTF-8 cannot hold");

export interface ReceiptInput {
  /** Chosen by the caller; looked up with `get`. Need not be unique. */
  readonly requestId: string;
  /** The version's name: 64 hexadecimal characters. */
  readonly version: string;
  /** What decided the bits; kept whole, so that a reader knows what to replay on. */
  readonly profile: { readonly id: string };
  /** The canonical JSON of the normalized request. */
  readonly request: string;
  readonly seed?: number | string;
  /** SHA-256 of the answer's bits, in hex. */
  readonly answerDigest: string;
  /** The answer for people, and for comparing across profiles: plain JSON. */
  readonly summary: unknown;
  /** UTC, ISO 8601. */
  readonly at: string;
}

/** A receipt ready to be written: checked, and with everything as text. It crosses to the writer's thread. */
export interface PreparedReceipt {
  readonly requestId: string;
  readonly version: string;
  readonly profileId: string;
  /** Canonical JSON. */
  readonly profile: string;
  readonly request: string;
  readonly seed: string | null;
  readonly answerDigest: string;
  /** Canonical JSON. */
  readonly summary: string;
  readonly at: string;
}

/** What a receipt is of: an answer that was given, or texts of earlier receipts that were erased. */
export const RECEIPT_KINDS = ["answer", "erasure"] as const;
export type ReceiptKind = (typeof RECEIPT_KINDS)[number];

/** The fields of a receipt as they are kept and exported. `request`, `summary` and `salt` are null once erased. */
export const receiptSchema = z.strictObject({
  kind: z.enum(RECEIPT_KINDS),
  index: z.int().min(0),
  hash: hex,
  previous: hex,
  requestId: label,
  version: hex,
  profileId: label,
  profile: text,
  commitment: hex,
  summaryCommitment: hex,
  seed: z.string().nullable(),
  answerDigest: hex,
  at: time,
  request: text.nullable(),
  summary: text.nullable(),
  salt: hex.nullable(),
  erasedAt: time.nullable(),
});

export type Receipt = Readonly<z.output<typeof receiptSchema>>;

const inputSchema = z.object({
  requestId: label,
  version: hex,
  profileId: label,
  profile: text,
  request: text,
  seed: z.string().max(200).nullable(),
  answerDigest: hex,
  summary: text,
  at: time,
});

/** INPUT_INVALID when the input cannot be a receipt. */
export function prepareReceipt(input: ReceiptInput): PreparedReceipt {
  return parseOptions(
    inputSchema,
    {
      requestId: input.requestId,
      version: input.version,
      profileId: input.profile.id,
      profile: canonicalJson(input.profile),
      request: input.request,
      seed: input.seed === undefined ? null : String(input.seed),
      answerDigest: input.answerDigest,
      summary: canonicalJson(input.summary),
      at: input.at,
    },
    "a receipt",
    "INPUT_INVALID",
  );
}

/** The receipt at `index`, after the one whose hash is `previous`. `salt`: 32 random bytes in hex, used once. */
export function chainReceipt(
  prepared: PreparedReceipt,
  index: number,
  previous: string,
  salt: string,
  kind: ReceiptKind = "answer",
): Receipt {
  const fields = {
    ...prepared,
    kind,
    index,
    previous,
    salt,
    erasedAt: null,
    commitment: commitTo("request", salt, prepared.request),
    summaryCommitment: commitTo("summary", salt, prepared.summary),
  };
  return { ...fields, hash: receiptHash(fields) };
}

/**
 * Over everything that stays for good. The profile is in it as its hash, so that the chain's text stays short. An
 * answer's kind is not in it: receipts of logs of format 1, which had answers only, keep their hashes.
 */
export function receiptHash(receipt: Omit<Receipt, "hash">): string {
  const {
    kind,
    index,
    previous,
    requestId,
    version,
    profileId,
    commitment,
    summaryCommitment,
    seed,
    answerDigest,
    at,
  } = receipt;
  return sha256Hex(
    canonicalJson({
      ...(kind === "answer" ? {} : { kind }),
      index,
      previous,
      requestId,
      version,
      profileId,
      profile: sha256Hex(receipt.profile),
      commitment,
      summaryCommitment,
      seed,
      answerDigest,
      at,
    }),
  );
}

/** HMAC-SHA-256 under the salt: without the salt, not even a guessed text can be confirmed. */
export function commitTo(what: "request" | "summary", salt: string, value: string): string {
  return createHmac("sha256", Buffer.from(salt, "hex")).update(`${what}\n`).update(value).digest("hex");
}

/** A receipt as read from a log or an export, or undefined when it has not even the form of one. */
export function parseReceipt(value: unknown): Receipt | undefined {
  const parsed = receiptSchema.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}

/** The request's JSON; LOG_CORRUPT when it is none (the commitment holds, so it was written so). */
export function requestOf(receipt: Receipt): unknown {
  try {
    return JSON.parse(receipt.request ?? "null");
  } catch (error) {
    throw new LockstepError(
      "LOG_CORRUPT",
      `the request of receipt ${receipt.index} is not JSON`,
      { index: receipt.index },
      { cause: error },
    );
  }
}
