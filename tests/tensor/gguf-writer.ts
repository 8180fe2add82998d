/** Writes GGUF bytes as the format's description has them, and lies where a test wants it. */
import { tensor, type HostTensor } from "../../src/numeric/tensor/index.ts";

export type Entry = readonly [key: string, type: number, write: (out: Out) => void];

export interface Info {
  readonly name: string;
  /** As in the file: the dimension of neighbours first. */
  readonly dims: readonly (number | bigint)[];
  readonly type: number;
  readonly data: Uint8Array;
  /** @default the next place */
  readonly offset?: number | bigint;
}

export interface Plan {
  readonly magic?: string;
  readonly version?: number;
  readonly alignment?: number;
  readonly entries?: readonly Entry[];
  readonly tensors?: readonly Info[];
  readonly tensorCount?: bigint;
  readonly entryCount?: bigint;
}

export class Out {
  readonly bytes: number[] = [];

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.bytes.push(byte);
    return this;
  }
  int(value: number | bigint, bytes: number): this {
    let rest = BigInt.asUintN(bytes * 8, BigInt(value));
    for (let i = 0; i < bytes; i++, rest >>= 8n) this.bytes.push(Number(rest & 255n));
    return this;
  }
  u32(value: number | bigint): this {
    return this.int(value, 4);
  }
  u64(value: number | bigint): this {
    return this.int(value, 8);
  }
  f32(value: number): this {
    return this.raw(new Uint8Array(Float32Array.of(value).buffer));
  }
  string(text: string): this {
    const bytes = new TextEncoder().encode(text);
    return this.u64(bytes.length).raw(bytes);
  }
  pad(alignment: number): this {
    while (this.bytes.length % alignment !== 0) this.bytes.push(0);
    return this;
  }
}

export const u32 = (key: string, value: number): Entry => [key, 4, (out) => out.u32(value)];
export const f32 = (key: string, value: number): Entry => [key, 6, (out) => out.f32(value)];
export const bool = (key: string, value: boolean): Entry => [key, 7, (out) => out.int(value ? 1 : 0, 1)];
export const string = (key: string, value: string): Entry => [key, 8, (out) => out.string(value)];
export const strings = (key: string, values: readonly string[]): Entry => [
  key,
  9,
  (out) => {
    out.u32(8).u64(values.length);
    for (const value of values) out.string(value);
  },
];
export const floats = (key: string, values: readonly number[]): Entry => [
  key,
  9,
  (out) => {
    out.u32(6).u64(values.length);
    for (const value of values) out.f32(value);
  },
];
export const ints = (key: string, values: readonly number[]): Entry => [
  key,
  9,
  (out) => {
    out.u32(5).u64(values.length);
    for (const value of values) out.u32(value);
  },
];

/** A tensor of float32, given by our shape (the dimension of neighbours last). */
export function floatTensor(name: string, shape: readonly number[], data: Float32Array): Info {
  return {
    name,
    dims: [...shape].reverse(),
    type: 0,
    data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  };
}

export function ggufBytes(plan: Plan = {}): Uint8Array<ArrayBuffer> {
  const { magic = "GGUF", version = 3, alignment = 32, entries = [], tensors = [] } = plan;
  const out = new Out().raw(new TextEncoder().encode(magic)).u32(version);
  out.u64(plan.tensorCount ?? BigInt(tensors.length)).u64(plan.entryCount ?? BigInt(entries.length));
  for (const [key, type, write] of entries) write(out.string(key).u32(type));
  let place = 0;
  for (const { name, dims, type, data, offset } of tensors) {
    out.string(name).u32(dims.length);
    for (const dim of dims) out.u64(dim);
    out.u32(type).u64(offset ?? place);
    place += Math.ceil(data.length / alignment) * alignment;
  }
  out.pad(alignment);
  const head = Uint8Array.from(out.bytes);
  const bytes = new Uint8Array(head.length + place);
  bytes.set(head);
  let at = head.length;
  for (const { data } of tensors) {
    bytes.set(data, at);
    at += Math.ceil(data.length / alignment) * alignment;
  }
  return bytes;
}

/** What llama.cpp's converter does to rows of queries and keys: [heads, 2, D/2, …] becomes [heads, D/2, 2, …]. */
export function paired({ shape, data }: HostTensor<"float32">, heads: number): HostTensor<"float32"> {
  const rows = shape[0]!;
  const width = data.length / rows;
  const half = rows / heads / 2;
  const out: number[] = [];
  for (let head = 0; head < heads; head++)
    for (let i = 0; i < half; i++)
      for (let part = 0; part < 2; part++) {
        const row = head * 2 * half + part * half + i;
        out.push(...data.subarray(row * width, (row + 1) * width));
      }
  return tensor("float32", shape, Float32Array.from(out));
}
