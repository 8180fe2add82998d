/** What is said about many tensors at once: whether they are finite, and their digest. */
import { createHash } from "node:crypto";
import type { HostTensor } from "./tensor.ts";

export type NamedTensors = ReadonlyMap<string, HostTensor> | Iterable<readonly [string, HostTensor]>;

/** The first NaN or infinity: the tensor's name and the element's index in it. */
export function firstNonFinite(tensors: NamedTensors): { readonly name: string; readonly index: number } | undefined {
  for (const [name, { data }] of tensors) {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) continue;
    const index = nonFiniteIndex(data);
    if (index >= 0) return { name, index };
  }
  return undefined;
}

function nonFiniteIndex(data: Float32Array | Float64Array): number {
  for (let i = 0; i < data.length; i++) {
    // x − x is 0 for every finite x.
    if ((data[i] as number) - (data[i] as number) !== 0) return i;
  }
  return -1;
}

/** `update` of a hash takes at most 2 GiB. */
const CHUNK = 0x4000_0000;

/**
 * SHA-256 (hex) of tensors in order of name (by UTF-16 code unit), whatever order they come in: for each, a line of
 * JSON `[name, dtype, shape]`, a line feed, and its bytes.
 */
export function digestTensors(tensors: NamedTensors): string {
  const hash = createHash("sha256");
  for (const [name, { dtype, shape, data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${JSON.stringify([name, dtype, shape])}\n`);
    for (let at = 0; at < data.byteLength; at += CHUNK) {
      hash.update(new Uint8Array(data.buffer, data.byteOffset + at, Math.min(CHUNK, data.byteLength - at)));
    }
  }
  return hash.digest("hex");
}
