/** The bytes of a checkpoint file. Decoding trusts nothing until the SHA-256 at the end has been checked. */
import { createHash } from "node:crypto";
import { z } from "zod";
import { canonicalJson, LockstepError } from "../../base/index.ts";
import { hashOf, piecesOf } from "./durable.ts";

const MAGIC = "LKCKPT01";
const PREFIX = MAGIC.length + 4;
const DIGEST = 32;
/** Buffers begin at multiples of this, so that any typed array can be laid over them. */
const ALIGN = 64;

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export interface CheckpointContent {
  /** Steps done; names the file. */
  readonly step: number;
  /** Whatever the trainer needs beside the buffers. */
  readonly meta: JsonValue;
  /** By name, in any order; loaded ones are views over one buffer, aligned to 64 bytes. */
  readonly buffers: ReadonlyMap<string, Uint8Array>;
}

const headerSchema = z.strictObject({
  format: z.literal(1),
  step: z.int().min(0),
  meta: z.json(),
  buffers: z.array(z.strictObject({ name: z.string(), bytes: z.int().min(0) })),
});

/** The file in pieces; buffers are copied a piece at a time, so that what is hashed is what is written. */
export function* encodeCheckpoint({ step, meta, buffers }: CheckpointContent): Generator<Uint8Array> {
  const hash = createHash("sha256");
  for (const piece of body(
    step,
    meta,
    [...buffers].sort(([a], [b]) => (a < b ? -1 : 1)),
  )) {
    hash.update(piece);
    yield piece;
  }
  yield hash.digest();
}

function* body(
  step: number,
  meta: JsonValue,
  buffers: readonly (readonly [string, Uint8Array])[],
): Generator<Uint8Array> {
  const header = new TextEncoder().encode(
    canonicalJson({ format: 1, step, meta, buffers: buffers.map(([name, bytes]) => ({ name, bytes: bytes.length })) }),
  );
  const start = new Uint8Array(padded(PREFIX + header.length));
  start.set(new TextEncoder().encode(MAGIC));
  new DataView(start.buffer).setUint32(MAGIC.length, header.length, true);
  start.set(header, PREFIX);
  yield start;
  for (const [, bytes] of buffers) {
    yield* piecesOf(bytes);
    yield new Uint8Array(padded(bytes.length) - bytes.length);
  }
}

export async function decodeCheckpoint(file: Uint8Array, path: string): Promise<CheckpointContent> {
  const invalid = (why: string): LockstepError =>
    new LockstepError("CHECKPOINT_INVALID", `${path} is damaged: ${why}.`, { path });
  const body = file.length - DIGEST;
  if (body < PREFIX) throw invalid(`it has only ${file.length} bytes`);
  if ((await hashOf(file.subarray(0, body))) !== Buffer.from(file.subarray(body)).toString("hex"))
    throw invalid("its contents do not match its SHA-256");
  if (new TextDecoder().decode(file.subarray(0, MAGIC.length)) !== MAGIC)
    throw invalid("it is not a checkpoint of this format");
  const length = new DataView(file.buffer, file.byteOffset).getUint32(MAGIC.length, true);
  if (PREFIX + length > body) throw invalid("its header is longer than the file");
  const parsed = headerSchema.safeParse(JSON.parse(new TextDecoder().decode(file.subarray(PREFIX, PREFIX + length))));
  if (!parsed.success) throw invalid(`its header is not valid (${parsed.error.issues[0]?.message ?? "unknown"})`);
  const { step, meta, buffers: entries } = parsed.data;
  const buffers = new Map<string, Uint8Array>();
  let at = padded(PREFIX + length);
  for (const { name, bytes } of entries) {
    if (at + bytes > body) throw invalid(`"${name}" reaches past its end`);
    buffers.set(name, file.subarray(at, at + bytes));
    at += padded(bytes);
  }
  if (at !== body) throw invalid("its length does not fit its header");
  return { step, meta, buffers };
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ALIGN) * ALIGN;
}
