/**
 * The header of a safetensors file, checked whole: every claim it makes about names, types, shapes and offsets must
 * hold and the tensors must cover the data exactly, or nothing is read.
 */
import { LockstepError, repeatedKey, type ErrorDetails } from "../../base/index.ts";
import { elements, type DType } from "./tensor.ts";

/** Types that are read: the host's dtype for each, and bytes an element in the file. */
export const STORED = {
  F64: { dtype: "float64", width: 8 },
  F32: { dtype: "float32", width: 4 },
  F16: { dtype: "float32", width: 2 },
  BF16: { dtype: "float32", width: 2 },
  I64: { dtype: "int64", width: 8 },
  I32: { dtype: "int32", width: 4 },
  U8: { dtype: "uint8", width: 1 },
} as const satisfies Record<string, { dtype: DType; width: number }>;

/** Bytes an element of the format's other whole-byte types: their place is checked, their values are not read. */
const UNREAD = {
  BOOL: 1,
  I8: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  I16: 2,
  U16: 2,
  U32: 4,
  U64: 8,
  C64: 8,
} as const;

/** `begin` and `end` count bytes from the start of the data. */
export interface StoredTensor {
  readonly stored: keyof typeof STORED;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}
/** A tensor of a type that no model here has: passed over unless it is asked for. */
export interface UnreadTensor {
  readonly stored: keyof typeof UNREAD;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}
export interface SafetensorsHeader {
  /** By name, in the order of the data. */
  readonly entries: ReadonlyMap<string, StoredTensor>;
  /** Tensors of a type that is not read, by name. */
  readonly unread: ReadonlyMap<string, UnreadTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly dataStart: number;
}

export function sourceError(what: string, reason: string, details: ErrorDetails = {}, cause?: unknown): LockstepError {
  return new LockstepError(
    "WEIGHTS_INVALID",
    `${what} is not a valid safetensors file: ${reason}`,
    { source: what, ...details },
    cause === undefined ? undefined : { cause },
  );
}

export function parseHeader(what: string, bytes: Uint8Array, dataStart: number, dataBytes: number): SafetensorsHeader {
  const text = decodeText(what, bytes);
  const header = parseObject(what, text);
  const repeated = repeatedKey(text);
  if (repeated !== undefined)
    throw sourceError(
      what,
      `its header has the name "${repeated}" twice, so it is unclear which is meant; write the file again with ` +
        "unique names",
      { tensor: repeated },
    );
  const entries: [string, StoredTensor | UnreadTensor][] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") metadata = metadataOf(what, value);
    else entries.push([name, entryOf(what, name, value, dataBytes)]);
  }
  entries.sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  checkCover(what, entries, dataBytes);
  return {
    entries: new Map(entries.filter((entry): entry is [string, StoredTensor] => isRead(entry[1]))),
    unread: new Map(entries.filter((entry): entry is [string, UnreadTensor] => !isRead(entry[1]))),
    metadata,
    dataStart,
  };
}

function isRead(entry: StoredTensor | UnreadTensor): entry is StoredTensor {
  return "dtype" in entry;
}

function decodeText(what: string, bytes: Uint8Array): string {
  try {
    // A copy, since the decoder refuses shared memory; fatal, or bad bytes would become U+FFFD in silence.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes.slice());
  } catch (error) {
    throw sourceError(what, "its header is not UTF-8; the file is damaged, fetch it again", {}, error);
  }
}

function parseObject(what: string, text: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw sourceError(
      what,
      `its header is not JSON (${(error as Error).message}); the file is damaged, fetch it again`,
      {},
      error,
    );
  }
  if (!isObject(parsed)) throw sourceError(what, "its header is JSON, but not an object of tensors");
  return parsed;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function metadataOf(what: string, value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) throw sourceError(what, `its "__metadata__" is not an object of strings`);
  const bad = Object.entries(value).find(([, item]) => typeof item !== "string");
  if (bad !== undefined) throw sourceError(what, `its metadata "${bad[0]}" is not a string`);
  return value as Record<string, string>;
}

function entryOf(what: string, name: string, value: unknown, dataBytes: number): StoredTensor | UnreadTensor {
  const wrong = (reason: string): LockstepError => sourceError(what, `tensor "${name}" ${reason}`, { tensor: name });
  if (!isObject(value)) throw wrong("is not described by an object");
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined)
    throw wrong(`has an unknown field "${unknown}"; expected are dtype, shape and data_offsets`);
  if (!isStored(dtype) && !isUnread(dtype)) {
    throw wrong(
      `has the type ${JSON.stringify(dtype)}, which is not one of ${Object.keys(STORED).join(", ")}; convert ` +
        "it, for instance to F32",
    );
  }
  if (!isCounts(shape))
    throw wrong(`has the shape ${JSON.stringify(shape)}, which is not a list of integers from 0 up`);
  if (!isCounts(offsets) || offsets.length !== 2)
    throw wrong(`has the offsets ${JSON.stringify(offsets)}, which are not two integers from 0 up`);
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > dataBytes)
    throw wrong(
      `claims the bytes ${begin} to ${end} of ${dataBytes}; the file is cut off or its header is wrong, fetch it again`,
    );
  const size = elements(shape) * (isStored(dtype) ? STORED[dtype].width : UNREAD[dtype]);
  if (!Number.isSafeInteger(size)) throw wrong(`has the shape [${shape.join(", ")}], too large for any file`);
  if (size !== end - begin)
    throw wrong(
      `has ${end - begin} bytes, but its shape [${shape.join(", ")}] of ${dtype} takes ${size}; the header is ` +
        "wrong, fetch the file again",
    );
  return isStored(dtype)
    ? { stored: dtype, dtype: STORED[dtype].dtype, shape, begin, end }
    : { stored: dtype, shape, begin, end };
}

function isStored(dtype: unknown): dtype is keyof typeof STORED {
  return typeof dtype === "string" && Object.hasOwn(STORED, dtype);
}

function isUnread(dtype: unknown): dtype is keyof typeof UNREAD {
  return typeof dtype === "string" && Object.hasOwn(UNREAD, dtype);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

/** Sorted by place, the tensors follow each other without overlap or gap from the first byte to the last. */
function checkCover(
  what: string,
  entries: readonly (readonly [string, StoredTensor | UnreadTensor])[],
  dataBytes: number,
): void {
  let end = 0;
  let before = "";
  for (const [name, entry] of entries) {
    if (entry.begin < end)
      throw sourceError(
        what,
        `tensor "${name}" overlaps "${before}" (it begins at byte ${entry.begin}, before ${end}); a file like ` +
          "this is not trusted, write it again",
        { tensor: name, other: before },
      );
    if (entry.begin > end)
      throw sourceError(
        what,
        `the bytes ${end} to ${entry.begin} before tensor "${name}" belong to no tensor; a file like this is ` +
          "not trusted, write it again",
        { tensor: name },
      );
    end = entry.end;
    before = name;
  }
  if (end !== dataBytes)
    throw sourceError(
      what,
      `${dataBytes - end} bytes after the last tensor${before === "" ? "" : ` "${before}"`} belong to none; a ` +
        "file like this is not trusted, write it again",
      { trailing: dataBytes - end },
    );
}
