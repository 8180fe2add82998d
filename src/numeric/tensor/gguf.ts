/**
 * GGUF files, the format of llama.cpp: their metadata, and their tensors as float32, each computed from its blocks
 * exactly as the reference does (gguf-types.ts). The header is checked whole before memory is taken for any tensor
 * (gguf-header.ts), and a tensor is read a piece at a time, so that the file never lies in memory beside its values.
 */
import { LockstepError } from "../../base/index.ts";
import { openBytes, type ByteSource } from "./byte-source.ts";
import { ggufError, parseGgufHeader, type GgufHeader, type GgufLimits } from "./gguf-header.ts";
import { firstNonFinite } from "./inspect.ts";
import { elements, tensor, type HostTensor } from "./tensor.ts";

/** A file that is open until it is disposed of. */
export interface OpenGguf extends GgufHeader, Disposable {
  /**
   * The values of a tensor, into memory of the caller's with room for exactly those, or into new memory.
   * @throws WEIGHTS_INVALID for a type whose values are not read, and for values (or scales) that are NaN or infinite
   */
  read(name: string, into?: Float32Array): HostTensor<"float32">;
}

/** About this many bytes of a file are read at a time. */
const PIECE_BYTES = 4 * 1024 * 1024;

/**
 * Opens a file given by path, or bytes, and reads its header.
 * @throws WEIGHTS_INVALID: a header that does not hold; NOT_FOUND, DISK_FAILED: a file that is missing or unreadable
 */
export function openGguf(source: string | Uint8Array, limits: GgufLimits = {}): OpenGguf {
  const opened = openBytes(source, limits.name ?? "the GGUF bytes", ggufError);
  try {
    const header = parseGgufHeader(opened, limits);
    return {
      ...header,
      read: (name, into) => readTensor(opened, header, name, into),
      [Symbol.dispose]: () => {
        opened[Symbol.dispose]();
      },
    };
  } catch (thrown) {
    opened[Symbol.dispose]();
    throw thrown;
  }
}

function readTensor(
  source: ByteSource,
  { tensors, dataStart }: GgufHeader,
  name: string,
  into: Float32Array | undefined,
): HostTensor<"float32"> {
  const found = tensors.get(name);
  if (found === undefined) throw ggufError(source.what, `it has no tensor "${name}"`, { tensor: name });
  const { type, shape, begin, end } = found;
  if (type.decode === undefined)
    throw new LockstepError(
      "WEIGHTS_INVALID",
      `tensor "${name}" in ${source.what} is stored as ${type.name}, which is not read; fetch the model in a form ` +
        "that is, such as Q8_0, Q4_K_M or F16",
      { tensor: name, source: source.what },
    );
  const values = tensor("float32", shape, into ?? new Float32Array(elements(shape)));
  const step = Math.ceil(PIECE_BYTES / type.bytes);
  const blocks = (end - begin) / type.bytes;
  for (let block = 0; block < blocks; block += step) {
    const next = Math.min(blocks, block + step);
    const bytes = source.read(dataStart + begin + block * type.bytes, dataStart + begin + next * type.bytes);
    type.decode(bytes, values.data.subarray(block * type.values, next * type.values));
  }
  const bad = firstNonFinite([[name, values]]);
  if (bad !== undefined)
    throw ggufError(
      source.what,
      `tensor "${name}" has NaN or infinity at element ${bad.index} (block ${Math.floor(bad.index / type.values)} of ` +
        `${type.name}); the file is damaged, fetch it again`,
      { tensor: name, index: bad.index },
    );
  return values;
}
