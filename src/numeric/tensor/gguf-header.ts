/**
 * The header of a GGUF file (versions 2 and 3, little-endian;
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version, two counts, the metadata, then name,
 * shape, type and place of each tensor. A stranger may have made it, so every count and length is held against what is
 * left of the file before anything is allocated for it, and the tensors must lie one after the other in what follows.
 */
import { LockstepError, type ErrorDetails } from "../../base/index.ts";
import type { ByteSource } from "./byte-source.ts";
import { GGUF_TYPES, type GgufType } from "./gguf-types.ts";

/** Integers beyond 2⁵³ are bigint; an array of booleans has a byte each, 0 or 1. */
export type GgufValue = number | bigint | boolean | string | GgufArray;
export type GgufArray = NumberArray | readonly string[];
type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | BigUint64Array
  | BigInt64Array
  | Float64Array;

export interface GgufTensor {
  readonly type: GgufType;
  /** Row-major as everywhere here: the last dimension is the one whose elements are neighbours (first in the file). */
  readonly shape: readonly number[];
  /** Bytes from the start of the data. */
  readonly begin: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly version: number;
  /** In the order of the file. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  /** In the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly dataStart: number;
}

export interface GgufLimits {
  /** Largest header accepted, in bytes: metadata (a vocabulary among it) and the list of tensors. @default 64 MiB */
  readonly maxHeaderBytes?: number;
  /** Largest file accepted, in bytes. @default 68719476736 (64 GiB) */
  readonly maxBytes?: number;
  /** What messages call bytes that are not given by path. @default "the GGUF bytes" */
  readonly name?: string;
}

const MAGIC = 0x4655_4747; // "GGUF"
const VERSIONS: readonly number[] = [2, 3];
const DEFAULT_ALIGNMENT = 32;
const MAX_ALIGNMENT = 65_536;
/** Far above what any model has. */
const MAX_COUNT = 65_536;
const MAX_ARRAY = 4_194_304;
const MAX_KEY_BYTES = 65_535;
const MAX_NAME_BYTES = 1_024;
const MAX_DIMS = 4;
/** The fewest bytes that an entry of each list takes: a key, a type and a value; a name, a rank, a type and a place. */
const LEAST_ENTRY = 8 + 1 + 4 + 1;
const LEAST_TENSOR = 8 + 4 + 4 + 8;

export function ggufError(what: string, reason: string, details: ErrorDetails = {}): LockstepError {
  return new LockstepError("WEIGHTS_INVALID", `${what} is not a GGUF file that can be read: ${reason}`, {
    source: what,
    ...details,
  });
}

export function parseGgufHeader(source: ByteSource, limits: GgufLimits): GgufHeader {
  const { maxHeaderBytes = 64 * 1024 * 1024, maxBytes = 64 * 1024 * 1024 * 1024 } = limits;
  if (source.size > maxBytes)
    throw ggufError(
      source.what,
      `it has ${source.size} bytes, more than the limit of ${maxBytes}; raise maxBytes if it is meant to be that large`,
    );
  const reader = new HeaderReader(source, maxHeaderBytes);
  const version = versionOf(reader);
  const tensorCount = countOf(reader, "tensors", LEAST_TENSOR);
  const entryCount = countOf(reader, "metadata entries", LEAST_ENTRY);
  const metadata = readMetadata(reader, entryCount);
  const alignment = alignmentOf(reader, metadata);
  const infos = readTensorInfos(reader, tensorCount);
  const dataStart = padded(reader.at, alignment);
  // A file without tensors may end with its header.
  checkLayout(source.what, infos, alignment, Math.max(0, source.size - dataStart));
  return { version, metadata, tensors: infos, dataStart };
}

function versionOf(reader: HeaderReader): number {
  reader.place = "the beginning of the file";
  const magic = reader.uint32();
  if (magic !== MAGIC) throw reader.wrong(`it does not begin with "GGUF"; it is another kind of file, or damaged`);
  const version = reader.uint32();
  if ((version & 0xffff) === 0)
    throw reader.wrong("it was written for a big-endian machine; convert it, or fetch the usual little-endian one");
  if (!VERSIONS.includes(version))
    throw reader.wrong(`it has version ${version} of the format, and ${VERSIONS.join(" and ")} are read; convert it`);
  return version;
}

function countOf(reader: HeaderReader, things: string, least: number): number {
  reader.place = `the number of ${things}`;
  const count = reader.uint64();
  if (count > MAX_COUNT) throw reader.wrong(`it claims ${count} ${things}; at most ${MAX_COUNT} are read`);
  if (count * least > reader.left)
    throw reader.wrong(`it claims ${count} ${things}, and ${reader.left} bytes cannot hold them; it is cut off`);
  return count;
}

function readMetadata(reader: HeaderReader, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    reader.place = `the key of metadata entry ${i + 1}`;
    const key = reader.string(MAX_KEY_BYTES);
    if (key === "") throw reader.wrong(`metadata entry ${i + 1} has no key`);
    if (metadata.has(key)) throw reader.wrong(`it has the metadata key "${key}" twice`, { key });
    reader.place = `the metadata "${key}"`;
    metadata.set(key, readValue(reader));
  }
  return metadata;
}

interface ValueType {
  readonly bytes: number;
  one(view: DataView, at: number): number | bigint | boolean;
  many(bytes: ArrayBuffer): NumberArray;
}

/** By the number of the type in the file; strings (8) and arrays (9) have no fixed length. */
const VALUE_TYPES: ReadonlyMap<number, ValueType> = new Map<number, ValueType>([
  [0, { bytes: 1, one: (view, at) => view.getUint8(at), many: (bytes) => new Uint8Array(bytes) }],
  [1, { bytes: 1, one: (view, at) => view.getInt8(at), many: (bytes) => new Int8Array(bytes) }],
  [2, { bytes: 2, one: (view, at) => view.getUint16(at, true), many: (bytes) => new Uint16Array(bytes) }],
  [3, { bytes: 2, one: (view, at) => view.getInt16(at, true), many: (bytes) => new Int16Array(bytes) }],
  [4, { bytes: 4, one: (view, at) => view.getUint32(at, true), many: (bytes) => new Uint32Array(bytes) }],
  [5, { bytes: 4, one: (view, at) => view.getInt32(at, true), many: (bytes) => new Int32Array(bytes) }],
  [6, { bytes: 4, one: (view, at) => view.getFloat32(at, true), many: (bytes) => new Float32Array(bytes) }],
  [7, { bytes: 1, one: (view, at) => view.getUint8(at) !== 0, many: (bytes) => new Uint8Array(bytes) }],
  [10, { bytes: 8, one: (view, at) => view.getBigUint64(at, true), many: (bytes) => new BigUint64Array(bytes) }],
  [11, { bytes: 8, one: (view, at) => view.getBigInt64(at, true), many: (bytes) => new BigInt64Array(bytes) }],
  [12, { bytes: 8, one: (view, at) => view.getFloat64(at, true), many: (bytes) => new Float64Array(bytes) }],
]);
const BOOLEAN = 7;
const STRING = 8;
const ARRAY = 9;

function readValue(reader: HeaderReader): GgufValue {
  const type = reader.uint32();
  if (type === STRING) return reader.string();
  if (type === ARRAY) return readArray(reader);
  const { bytes, one } = valueType(reader, type);
  const view = reader.take(bytes);
  requireBooleans(reader, type, view);
  const value = one(view, 0);
  return typeof value === "bigint" && BigInt.asIntN(54, value) === value ? Number(value) : value;
}

function readArray(reader: HeaderReader): GgufArray {
  const type = reader.uint32();
  const length = reader.uint64();
  if (type === ARRAY) throw reader.wrong(`${reader.place} is an array of arrays, which no model's metadata has`);
  const least = type === STRING ? 8 : valueType(reader, type).bytes;
  if (length > MAX_ARRAY)
    throw reader.wrong(`${reader.place} claims ${length} elements; at most ${MAX_ARRAY} are read`);
  if (length * least > reader.left)
    throw reader.wrong(
      `${reader.place} claims ${length} elements, and the ${reader.left} bytes that are left cannot hold them`,
    );
  if (type === STRING) return Array.from({ length }, () => reader.string());
  const { bytes, many } = valueType(reader, type);
  const view = reader.take(length * bytes);
  requireBooleans(reader, type, view);
  return many(new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice().buffer);
}

function valueType(reader: HeaderReader, type: number): ValueType {
  const found = VALUE_TYPES.get(type);
  if (found === undefined)
    throw reader.wrong(`${reader.place} has the type ${type}, which the format does not have; it is damaged`);
  return found;
}

function requireBooleans(reader: HeaderReader, type: number, view: DataView): void {
  if (type !== BOOLEAN) return;
  for (let i = 0; i < view.byteLength; i++)
    if (view.getUint8(i) > 1)
      throw reader.wrong(`${reader.place} has ${view.getUint8(i)} where true (1) or false (0) must be`);
}

function alignmentOf(reader: HeaderReader, metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof value !== "number" || value < 1 || value > MAX_ALIGNMENT || (value & (value - 1)) !== 0)
    throw reader.wrong(
      `its general.alignment is ${typeof value === "object" ? "an array" : String(value)}, and it must be a power of ` +
        `two up to ${MAX_ALIGNMENT}`,
    );
  return value;
}

function readTensorInfos(reader: HeaderReader, count: number): Map<string, GgufTensor> {
  const infos = new Map<string, GgufTensor>();
  for (let i = 0; i < count; i++) {
    reader.place = `the name of tensor ${i + 1}`;
    const name = reader.string(MAX_NAME_BYTES);
    reader.place = `tensor "${name}"`;
    const wrong = (reason: string): LockstepError => reader.wrong(`tensor "${name}" ${reason}`, { tensor: name });
    if (infos.has(name)) throw wrong("is there twice, so it is unclear which is meant");
    const rank = reader.uint32();
    if (rank > MAX_DIMS) throw wrong(`has ${rank} dimensions; at most ${MAX_DIMS} are read`);
    const dims = Array.from({ length: rank }, () => reader.uint64());
    const code = reader.uint32();
    const type = GGUF_TYPES.get(code);
    if (type === undefined)
      throw wrong(`has the type ${code}, which is not known here; convert it, for instance to F16`);
    const begin = reader.uint64();
    const row = dims[0] ?? 1;
    if (row % type.values !== 0)
      throw wrong(`has rows of ${row} values, which are not whole blocks of ${type.values} (${type.name})`);
    const bytes = (dims.reduce((product, dim) => product * dim, 1) / type.values) * type.bytes;
    if (!Number.isSafeInteger(bytes) || !Number.isSafeInteger(begin + bytes))
      throw wrong(`has the shape [${dims.join(", ")}] at byte ${begin}, too large for any file`);
    infos.set(name, { type, shape: dims.reverse(), begin, end: begin + bytes });
  }
  return infos;
}

/** Sorted by place, each tensor begins where the one before ends, at the next multiple of the alignment. */
function checkLayout(
  what: string,
  tensors: ReadonlyMap<string, GgufTensor>,
  alignment: number,
  dataBytes: number,
): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = 0;
  let before = "";
  for (const [name, tensor] of sorted) {
    const wrong = (reason: string): LockstepError => ggufError(what, `tensor "${name}" ${reason}`, { tensor: name });
    if (tensor.begin % alignment !== 0)
      throw wrong(`begins at byte ${tensor.begin}, which is no multiple of the alignment ${alignment}`);
    if (tensor.begin < end) throw wrong(`overlaps "${before}" (it begins at byte ${tensor.begin}, before ${end})`);
    if (tensor.begin > padded(end, alignment))
      throw wrong(`begins at byte ${tensor.begin}, and the bytes before it from ${end} on belong to no tensor`);
    if (tensor.end > dataBytes)
      throw wrong(
        `takes the bytes ${tensor.begin} to ${tensor.end} of ${dataBytes}; the file is cut off, fetch it again`,
      );
    end = tensor.end;
    before = name;
  }
  if (dataBytes > padded(end, alignment))
    throw ggufError(what, `${dataBytes - end} bytes after the last tensor belong to none`);
}

function padded(bytes: number, alignment: number): number {
  return Math.ceil(bytes / alignment) * alignment;
}

/** Files are read this much at a time, so that a header costs what it has and not what it may have. */
const CHUNK = 1024 * 1024;

/** Reads the header from its beginning to its end, never past the file or the limit. */
class HeaderReader {
  readonly #source: ByteSource;
  readonly #end: number;
  readonly #limited: boolean;
  #chunk = new Uint8Array(0);
  #chunkStart = 0;
  at = 0;
  /** What is being read, for messages. */
  place = "";

  constructor(source: ByteSource, maxBytes: number) {
    this.#source = source;
    this.#end = Math.min(source.size, maxBytes);
    this.#limited = source.size > maxBytes;
  }

  /** Bytes that may still be read. */
  get left(): number {
    return this.#end - this.at;
  }

  wrong(reason: string, details: ErrorDetails = {}): LockstepError {
    return ggufError(this.#source.what, reason, { at: this.at, ...details });
  }

  take(bytes: number): DataView {
    if (bytes > this.left)
      throw this.wrong(
        `${this.place} takes ${bytes} bytes, and ${this.left} are left ` +
          (this.#limited
            ? "of what a header may have; raise maxHeaderBytes if that is meant"
            : "of the file; it is cut off"),
      );
    let from = this.at - this.#chunkStart;
    if (from + bytes > this.#chunk.length) {
      this.#chunk = this.#source.read(this.at, Math.min(this.#end, this.at + Math.max(bytes, CHUNK))) as never;
      this.#chunkStart = this.at;
      from = 0;
    }
    this.at += bytes;
    return new DataView(this.#chunk.buffer, this.#chunk.byteOffset + from, bytes);
  }

  uint32(): number {
    return this.take(4).getUint32(0, true);
  }

  /** Refused beyond 2⁵³, which no count, length, dimension or place in a file reaches. */
  uint64(): number {
    const value = this.take(8).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.wrong(`${this.place} claims ${value}, which is too large for any file`);
    return Number(value);
  }

  string(most = Infinity): string {
    const length = this.uint64();
    if (length > most) throw this.wrong(`${this.place} claims ${length} bytes; at most ${most} are read`);
    const view = this.take(length);
    try {
      // A copy, since the decoder refuses shared memory; fatal, or bad bytes would become U+FFFD in silence.
      const bytes = new Uint8Array(view.buffer, view.byteOffset, length).slice();
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.wrong(`${this.place} is not UTF-8; the file is damaged, fetch it again`);
    }
  }
}
