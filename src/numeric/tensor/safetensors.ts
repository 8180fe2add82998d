/**
 * The safetensors format: eight bytes of header length, a JSON header, then the bytes of the tensors without gaps
 * (https://github.com/huggingface/safetensors). What is read here may come from a stranger: the header is checked whole
 * (see header.ts) before memory is taken for any tensor. Little-endian, as every platform of Node and WebAssembly is.
 */
import { LockstepError } from "../../base/index.ts";
import { openBytes, type ByteSource } from "./byte-source.ts";
import { widenBfloat16, widenFloat16 } from "./halves.ts";
import {
  parseHeader,
  sourceError,
  STORED,
  type SafetensorsHeader,
  type StoredTensor,
  type UnreadTensor,
} from "./header.ts";
import { BYTES, elements, type DType, type HostTensor } from "./tensor.ts";

export interface SafetensorsLimits {
  /** Largest JSON header accepted, in bytes. @default 16777216 (16 MiB) */
  readonly maxHeaderBytes?: number;
  /** Largest file accepted, in bytes. @default 68719476736 (64 GiB) */
  readonly maxBytes?: number;
  /** What messages call bytes that are not given by path. @default "the safetensors bytes" */
  readonly name?: string;
}
export interface Safetensors {
  /** In the order of the file's bytes. F16 and BF16 are converted to float32, exactly. */
  readonly tensors: Map<string, HostTensor>;
  /** Tensors of a type that is not read (BOOL, I8, I16 …), by name: a model that needs one cannot be loaded. */
  readonly unread: ReadonlyMap<string, UnreadTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Names, types and shapes only: to compare with a configuration before any memory is taken. */
export function readSafetensorsHeader(source: string | Uint8Array, limits: SafetensorsLimits = {}): SafetensorsHeader {
  using opened = openBytes(source, nameOf(limits), sourceError);
  return headerOf(opened, limits);
}

/**
 * Reads a whole file, given by path or as bytes. Tensors of bytes are views of them where the alignment allows it (so
 * don't change the bytes), else copies. Anything wrong is WEIGHTS_INVALID; that a file is missing or unreadable is
 * NOT_FOUND or DISK_FAILED.
 */
export function readSafetensors(source: string | Uint8Array, limits: SafetensorsLimits = {}): Safetensors {
  using opened = openBytes(source, nameOf(limits), sourceError);
  const { entries, unread, metadata, dataStart } = headerOf(opened, limits);
  const tensors = new Map<string, HostTensor>();
  for (const [name, entry] of entries)
    tensors.set(name, decode(entry, opened.read(dataStart + entry.begin, dataStart + entry.end)));
  return { tensors, unread, metadata };
}

/**
 * The bytes of a file, the same for the same content: wider types first and then by name, as the reference
 * implementation has them, and metadata sorted.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const sorted = [...tensors].sort(([a, x], [b, y]) => BYTES[y.dtype] - BYTES[x.dtype] || (a < b ? -1 : 1));
  let end = 0;
  const fields = sorted.map(([name, { dtype, shape, data }]): HeaderField => {
    if (name === "__metadata__")
      throw new LockstepError(
        "WEIGHTS_INVALID",
        `a tensor cannot be called "__metadata__" in a safetensors file; rename it`,
        { tensor: name },
      );
    if (data.length !== elements(shape))
      throw new LockstepError(
        "WEIGHTS_INVALID",
        `tensor "${name}" has ${data.length} elements, not the ${elements(shape)} of its shape [${shape.join(", ")}]`,
        { tensor: name },
      );
    const begin = end;
    end += data.byteLength;
    return { name, dtype: STORED_AS[dtype], shape, begin, end };
  });
  const header = headerBytes(fields, metadata);
  const bytes = new Uint8Array(header.length + end);
  bytes.set(header);
  let at = header.length;
  for (const [, { data }] of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

/**
 * A file of float32 tensors whose values are still to be written: its header is there, and each tensor is a view of its
 * place (zeros where `allocate` gives zeros). The same bytes as `encodeSafetensors` makes of them.
 */
export function allocateSafetensors(
  specs: readonly { readonly name: string; readonly shape: readonly number[] }[],
  metadata: Readonly<Record<string, string>>,
  allocate: (bytes: number) => Uint8Array,
): { readonly bytes: Uint8Array; readonly tensors: ReadonlyMap<string, Float32Array> } {
  let end = 0;
  const fields = [...specs]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, shape }): HeaderField => {
      const begin = end;
      end += 4 * elements(shape);
      return { name, dtype: STORED_AS.float32, shape, begin, end };
    });
  const header = headerBytes(fields, metadata);
  const bytes = allocate(header.length + end);
  bytes.set(header);
  const viewOf = ({ shape, begin }: HeaderField): Float32Array =>
    new Float32Array(bytes.buffer, bytes.byteOffset + header.length + begin, elements(shape));
  return { bytes, tensors: new Map(fields.map((field) => [field.name, viewOf(field)])) };
}

export interface HeaderField {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the data. */
  readonly begin: number;
  readonly end: number;
}

/** Length and header, padded with spaces so that the data starts at a multiple of eight. Metadata is sorted. */
export function headerBytes(
  tensors: readonly HeaderField[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const fields: string[] = [];
  const keys = Object.keys(metadata).sort();
  if (keys.length > 0) {
    fields.push(
      `"__metadata__":{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`).join(",")}}`,
    );
  }
  for (const { name, dtype, shape, begin, end } of tensors)
    fields.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${begin},${end}]}`,
    );
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
  bytes.set(json, 8);
  bytes.fill(0x20, 8 + json.length);
  return bytes;
}

const STORED_AS: Readonly<Record<DType, string>> = {
  float32: "F32",
  float64: "F64",
  int32: "I32",
  int64: "I64",
  uint8: "U8",
};

/** `source` is asked for nothing behind the header. */
export function headerOf(source: ByteSource, limits: SafetensorsLimits): SafetensorsHeader {
  const { what, size } = source;
  const dataStart = headerEnd(what, source.read(0, Math.min(8, size)), size, limits);
  return parseHeader(what, source.read(8, dataStart), dataStart, size - dataStart);
}

/** Where the header ends and the data begins, from the first eight bytes of a file of `size` bytes. */
export function headerEnd(what: string, first: Uint8Array, size: number, limits: SafetensorsLimits): number {
  const { maxHeaderBytes = 16 * 1024 * 1024, maxBytes = 64 * 1024 * 1024 * 1024 } = limits;
  if (size > maxBytes)
    throw sourceError(
      what,
      `it has ${size} bytes, more than the limit of ${maxBytes}; raise maxBytes if it is meant to be that large`,
    );
  if (size < 8)
    throw sourceError(
      what,
      `it has ${size} bytes, and even the length of a header takes 8; it is empty or cut off, fetch it again`,
    );
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes))
    throw sourceError(
      what,
      `it claims a header of ${length} bytes, more than the limit of ${maxHeaderBytes}; it is probably not a ` +
        "safetensors file",
    );
  if (length > BigInt(size - 8))
    throw sourceError(
      what,
      `it claims a header of ${length} bytes, but only ${size - 8} follow; it is cut off, fetch it again`,
    );
  return 8 + Number(length);
}

function decode({ stored, shape }: StoredTensor, bytes: Uint8Array): HostTensor {
  const n = elements(shape);
  const { dtype, width } = STORED[stored];
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const { buffer, byteOffset } = aligned;
  switch (stored) {
    case "F16":
      return { dtype: "float32", shape, data: widened(widenFloat16, new Uint16Array(buffer, byteOffset, n)) };
    case "BF16":
      return { dtype: "float32", shape, data: widened(widenBfloat16, new Uint16Array(buffer, byteOffset, n)) };
    case "F32":
      return { dtype, shape, data: new Float32Array(buffer, byteOffset, n) };
    case "F64":
      return { dtype, shape, data: new Float64Array(buffer, byteOffset, n) };
    case "I32":
      return { dtype, shape, data: new Int32Array(buffer, byteOffset, n) };
    case "I64":
      return { dtype, shape, data: new BigInt64Array(buffer, byteOffset, n) };
    case "U8":
      return { dtype, shape, data: new Uint8Array(buffer, byteOffset, n) };
  }
}

function widened(widen: (halves: Uint16Array, into: Float32Array) => void, halves: Uint16Array): Float32Array {
  const data = new Float32Array(halves.length);
  widen(halves, data);
  return data;
}

function nameOf({ name = "the safetensors bytes" }: SafetensorsLimits): string {
  return name;
}
