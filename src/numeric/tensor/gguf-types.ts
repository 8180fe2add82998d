/**
 * The types of tensors in a GGUF file: how many bytes a block takes, and how its values are computed. Layouts and
 * formulas are those of llama.cpp's reference (`ggml-common.h`, `dequantize_row_…` in `ggml-quants.c`,
 * https://github.com/ggml-org/llama.cpp). It computes in float32; here each value is one float64 expression, which is
 * exact (a scale has 11 bits, a scale of scales up to 8, a quant up to 8), so that storing it rounds once, as there.
 */
import { widenBfloat16, widenFloat16 } from "./halves.ts";

export interface GgufType {
  readonly name: string;
  /** Values a block. */
  readonly values: number;
  /** Bytes a block. */
  readonly bytes: number;
  /** Whole blocks into as many values; undefined for a type whose place is checked and whose values are not read. */
  readonly decode?: (blocks: Uint8Array, into: Float32Array) => void;
}

/** One block of quantised values: where its bytes are, and where its values go. */
type Block = (view: DataView, at: number, into: Float32Array, to: number) => void;

/** By the type's number in the file. Numbers that are missing were given up by the format. */
export const GGUF_TYPES: ReadonlyMap<number, GgufType> = new Map<number, GgufType>([
  [0, { name: "F32", values: 1, bytes: 4, decode: float32 }],
  [1, { name: "F16", values: 1, bytes: 2, decode: (blocks, into) => widenFloat16(shorts(blocks), into) }],
  [2, quantised("Q4_0", 32, 18, q4_0)],
  [3, quantised("Q4_1", 32, 20, q4_1)],
  [6, quantised("Q5_0", 32, 22, q5_0)],
  [7, quantised("Q5_1", 32, 24, q5_1)],
  [8, quantised("Q8_0", 32, 34, q8_0)],
  [9, { name: "Q8_1", values: 32, bytes: 36 }],
  [10, { name: "Q2_K", values: 256, bytes: 84 }],
  [11, { name: "Q3_K", values: 256, bytes: 110 }],
  [12, quantised("Q4_K", 256, 144, q4_K)],
  [13, quantised("Q5_K", 256, 176, q5_K)],
  [14, quantised("Q6_K", 256, 210, q6_K)],
  [15, { name: "Q8_K", values: 256, bytes: 292 }],
  [16, { name: "IQ2_XXS", values: 256, bytes: 66 }],
  [17, { name: "IQ2_XS", values: 256, bytes: 74 }],
  [18, { name: "IQ3_XXS", values: 256, bytes: 98 }],
  [19, { name: "IQ1_S", values: 256, bytes: 50 }],
  [20, { name: "IQ4_NL", values: 32, bytes: 18 }],
  [21, { name: "IQ3_S", values: 256, bytes: 110 }],
  [22, { name: "IQ2_S", values: 256, bytes: 82 }],
  [23, { name: "IQ4_XS", values: 256, bytes: 136 }],
  [24, { name: "I8", values: 1, bytes: 1 }],
  [25, { name: "I16", values: 1, bytes: 2 }],
  [26, { name: "I32", values: 1, bytes: 4 }],
  [27, { name: "I64", values: 1, bytes: 8 }],
  [28, { name: "F64", values: 1, bytes: 8 }],
  [29, { name: "IQ1_M", values: 256, bytes: 56 }],
  [30, { name: "BF16", values: 1, bytes: 2, decode: (blocks, into) => widenBfloat16(shorts(blocks), into) }],
  [34, { name: "TQ1_0", values: 256, bytes: 54 }],
  [35, { name: "TQ2_0", values: 256, bytes: 66 }],
  [39, { name: "MXFP4", values: 32, bytes: 17 }],
]);

function quantised(name: string, values: number, bytes: number, block: Block): GgufType {
  return {
    name,
    values,
    bytes,
    decode: (blocks, into) => {
      const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
      for (let at = 0, to = 0; at < blocks.length; at += bytes, to += values) block(view, at, into, to);
    },
  };
}

function float32(blocks: Uint8Array, into: Float32Array): void {
  new Uint8Array(into.buffer, into.byteOffset, into.byteLength).set(blocks);
}

/** Two bytes each; a copy where they do not lie at an even place. */
function shorts(bytes: Uint8Array): Uint16Array {
  const even = bytes.byteOffset % 2 === 0 ? bytes : bytes.slice();
  return new Uint16Array(even.buffer, even.byteOffset, even.length / 2);
}

/** Half of the 32 values are low nibbles, half are high ones; `high` has a fifth bit for each of the 32. */
function nibbles(
  view: DataView,
  quants: number,
  high: number,
  value: (quant: number) => number,
  into: Float32Array,
  to: number,
): void {
  for (let i = 0; i < 16; i++) {
    const byte = view.getUint8(quants + i);
    into[to + i] = value((byte & 0xf) | (((high >>> i) & 1) << 4));
    into[to + i + 16] = value((byte >> 4) | (((high >>> (i + 16)) & 1) << 4));
  }
}

/** Scale, 16 bytes of quants around 8. */
function q4_0(view: DataView, at: number, into: Float32Array, to: number): void {
  const scale = view.getFloat16(at, true);
  nibbles(view, at + 2, 0, (quant) => scale * (quant - 8), into, to);
}

/** Scale, minimum, 16 bytes of quants. */
function q4_1(view: DataView, at: number, into: Float32Array, to: number): void {
  const scale = view.getFloat16(at, true);
  const least = view.getFloat16(at + 2, true);
  nibbles(view, at + 4, 0, (quant) => scale * quant + least, into, to);
}

/** Scale, 32 fifth bits, 16 bytes of quants around 16. */
function q5_0(view: DataView, at: number, into: Float32Array, to: number): void {
  const scale = view.getFloat16(at, true);
  nibbles(view, at + 6, view.getUint32(at + 2, true), (quant) => scale * (quant - 16), into, to);
}

/** Scale, minimum, 32 fifth bits, 16 bytes of quants. */
function q5_1(view: DataView, at: number, into: Float32Array, to: number): void {
  const scale = view.getFloat16(at, true);
  const least = view.getFloat16(at + 2, true);
  nibbles(view, at + 8, view.getUint32(at + 4, true), (quant) => scale * quant + least, into, to);
}

/** Scale, 32 signed bytes. */
function q8_0(view: DataView, at: number, into: Float32Array, to: number): void {
  const scale = view.getFloat16(at, true);
  for (let i = 0; i < 32; i++) into[to + i] = scale * view.getInt8(at + 2 + i);
}

/** Scale of scales, scale of minima, 12 bytes of both (six bits each), 128 bytes of quants. */
function q4_K(view: DataView, at: number, into: Float32Array, to: number): void {
  groupsOf32(view, at, at + 16, () => 0, into, to);
}

/** As Q4_K, with 32 bytes of fifth bits before the quants: bit g of byte i is that of value i in group g. */
function q5_K(view: DataView, at: number, into: Float32Array, to: number): void {
  const high = at + 16;
  groupsOf32(view, at, at + 48, (group, i) => ((view.getUint8(high + i) >> group) & 1) << 4, into, to);
}

/** Eight groups of 32 values; two groups share 32 bytes of quants, the first their low nibbles, the second the high. */
function groupsOf32(
  view: DataView,
  at: number,
  quants: number,
  high: (group: number, i: number) => number,
  into: Float32Array,
  to: number,
): void {
  const scales = view.getFloat16(at, true);
  const minima = view.getFloat16(at + 2, true);
  for (let group = 0; group < 8; group++) {
    const scale = scales * sixBits(view, at + 4, group, 0);
    const least = minima * sixBits(view, at + 4, group, 4);
    const shift = (group & 1) * 4;
    const bytes = quants + (group >> 1) * 32;
    for (let i = 0; i < 32; i++) {
      const quant = ((view.getUint8(bytes + i) >> shift) & 0xf) | high(group, i);
      into[to + group * 32 + i] = scale * quant - least;
    }
  }
}

/**
 * A group's scale (`part` 0) or minimum (`part` 4). Groups 0 to 3 have six bits in bytes 0 to 3 (scales) and 4 to 7
 * (minima); groups 4 to 7 have four bits in bytes 8 to 11 and two at the top of the byte four groups before.
 */
function sixBits(view: DataView, at: number, group: number, part: 0 | 4): number {
  if (group < 4) return view.getUint8(at + group + part) & 63;
  const low = (view.getUint8(at + group + 4) >> part) & 0xf;
  return low | ((view.getUint8(at + group - 4 + part) >> 6) << 4);
}

/**
 * 128 bytes of low nibbles, 64 of high pairs of bits, 16 signed scales, scale of scales; quants around 32. Each half of
 * the block has four runs of 32 values: runs 0 and 1 are the low nibbles of its 64 bytes, 2 and 3 the high ones.
 */
function q6_K(view: DataView, at: number, into: Float32Array, to: number): void {
  const scales = view.getFloat16(at + 208, true);
  for (let half = 0; half < 2; half++) {
    for (let run = 0; run < 4; run++) {
      const low = at + half * 64 + (run & 1) * 32;
      const high = at + 128 + half * 32;
      const start = to + half * 128 + run * 32;
      for (let i = 0; i < 32; i++) {
        const nibble = (view.getUint8(low + i) >> ((run >> 1) * 4)) & 0xf;
        const pair = (view.getUint8(high + i) >> (run * 2)) & 3;
        const scale = view.getInt8(at + 192 + half * 8 + run * 2 + (i >> 4));
        into[start + i] = scales * scale * ((nibble | (pair << 4)) - 32);
      }
    }
  }
}
