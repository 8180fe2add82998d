/**
 * The `Precompiled` normalizer, SentencePiece's table of characters: a double array (Yata et al. 2007) from the bytes
 * of a text to what they become. As in Hugging Face's `tokenizers`, a short cluster of characters is looked up as a
 * whole, where any beginning of it that is in the table stands for all of it; else its characters are, one by one.
 */
import { forEachByte } from "./bytes.ts";
import type { Piece } from "./piece.ts";
import { isConsonant, isKeeper, isLinker, joinsBefore, leadsNext, partsClusters } from "./unicode.ts";
import { invalid } from "./schema.ts";

/** Bytes from which on a cluster is looked up character by character. */
const LONG_CLUSTER = 6;
const MOST_BYTES = 16 << 20;
/** Bytes of a text that a key becomes; those of published tables have 33 at most. */
const LONGEST_TEXT = 256;

export class Charsmap {
  readonly #units: Uint32Array;
  readonly #texts: Uint8Array;
  readonly #known = new Map<number, readonly number[]>();

  /** Throws TOKENIZER_INVALID for what is not base64 of a table whose size is true. */
  constructor(base64: unknown, path: string) {
    const bytes = typeof base64 === "string" && base64.length <= 2 * MOST_BYTES ? decodeBase64(base64) : undefined;
    const size = bytes !== undefined && bytes.length >= 4 ? new DataView(bytes.buffer).getUint32(0, true) : -1;
    if (bytes === undefined || size < 4 || size % 4 !== 0 || size > bytes.length - 4)
      throw invalid(`${path}.precompiled_charsmap is not base64 of a table with its size before it`);
    const view = new DataView(bytes.buffer, 4, size);
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 * i, true));
    this.#texts = bytes.subarray(4 + size);
    for (let start = 0; start < this.#texts.length;) {
      const end = this.#texts.indexOf(0, start);
      const next = end < 0 ? this.#texts.length : end;
      if (next - start > LONGEST_TEXT)
        throw invalid(`${path}.precompiled_charsmap makes a character more than ${LONGEST_TEXT} bytes`);
      start = next + 1;
    }
  }

  /** What the shortest key becomes that `bytes` begin with, in code points. */
  find(bytes: readonly number[]): readonly number[] | undefined {
    const units = this.#units;
    let place = offsetOf(units[0] as number);
    for (const byte of bytes) {
      if (byte === 0) return undefined;
      place ^= byte;
      const unit = units[place];
      if (unit === undefined || (unit & 0x8000_00ff) !== byte) return undefined;
      place ^= offsetOf(unit);
      // A leaf stands where the key ends.
      if ((unit & 0x100) !== 0) return this.#text((units[place] ?? 0) & 0x7fff_ffff);
    }
    return undefined;
  }

  #text(start: number): readonly number[] {
    let known = this.#known.get(start);
    if (known === undefined) {
      const end = this.#texts.indexOf(0, start);
      const text = new TextDecoder().decode(this.#texts.subarray(start, end < 0 ? undefined : end));
      this.#known.set(start, (known = Array.from(text, (character) => character.codePointAt(0) as number)));
    }
    return known;
  }
}

const offsetOf = (unit: number): number => ((unit >>> 10) << ((unit & 0x200) >>> 6)) >>> 0;

function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

export function precompiled(map: Charsmap): (piece: Piece) => Piece {
  return (piece) => {
    const [codes, starts, ends]: [number[], number[], number[]] = [[], [], []];
    /** The i-th new character has the source of the i-th old one, or of the last. */
    const replace = (from: number, to: number, content: readonly number[]): void => {
      content.forEach((code, i) => {
        const source = Math.min(from + i, to - 1);
        codes.push(code);
        starts.push(piece.starts[source] as number);
        ends.push(piece.ends[source] as number);
      });
    };
    for (let from = piece.from; from < piece.to;) {
      const to = clusterEnd(piece, from);
      const bytes: number[] = [];
      for (let i = from; i < to && bytes.length < LONG_CLUSTER; i++) pushUtf8(piece.codes[i] as number, bytes);
      const whole = bytes.length < LONG_CLUSTER ? map.find(bytes) : undefined;
      if (whole !== undefined) replace(from, to, whole);
      else
        for (let i = from; i < to; i++) {
          const code = piece.codes[i] as number;
          const one: number[] = [];
          pushUtf8(code, one);
          replace(i, i + 1, map.find(one) ?? [code]);
        }
      from = to;
    }
    return { codes, starts, ends, from: 0, to: codes.length, origin: piece.origin };
  };
}

/** Extended grapheme clusters (Unicode Annex 29), as far as clusters of less than six bytes can tell. */
function clusterEnd({ codes, to }: Piece, from: number): number {
  let at = from + 1;
  let conjunct = conjunctAfter("no", codes[from] as number);
  for (; at < to; at++) {
    const [before, code] = [codes[at - 1] as number, codes[at] as number];
    const isLineBreak = before === 0x0d && code === 0x0a;
    if (!isLineBreak && (partsClusters(before) || partsClusters(code))) break;
    const joins =
      isLineBreak ||
      joinsBefore(code) ||
      leadsNext(before) ||
      isSyllable(before, code) ||
      (conjunct === "linked" && isConsonant(code)) ||
      isSequence(codes, from, at);
    if (!joins) break;
    conjunct = conjunctAfter(conjunct, code);
  }
  return at;
}

/** Of the end of a cluster: whether a consonant stands there, and whether a linker came after it. */
type Conjunct = "no" | "consonant" | "linked";

function conjunctAfter(conjunct: Conjunct, code: number): Conjunct {
  if (isConsonant(code)) return "consonant";
  if (conjunct === "no") return "no";
  if (isLinker(code)) return "linked";
  return isKeeper(code) ? conjunct : "no";
}

const ZERO_WIDTH_JOINER = 0x200d;

/** Of joined pictures only those that begin with © or ® are short enough to matter. */
function isSequence(codes: readonly number[], from: number, at: number): boolean {
  return (
    at === from + 2 &&
    codes[from + 1] === ZERO_WIDTH_JOINER &&
    (codes[from] === 0xa9 || codes[from] === 0xae) &&
    /^\p{Extended_Pictographic}/u.test(String.fromCodePoint(codes[at] as number))
  );
}

/** Whether two characters are of one Korean syllable. */
function isSyllable(before: number, code: number): boolean {
  const [first, second] = [jamo(before), jamo(code)];
  if (first === "lead") return second !== "trail" && second !== undefined;
  if (first === "vowel" || first === "open") return second === "vowel" || second === "trail";
  return (first === "trail" || first === "closed") && second === "trail";
}

function jamo(code: number): "lead" | "vowel" | "trail" | "open" | "closed" | undefined {
  if ((code >= 0x1100 && code <= 0x115f) || (code >= 0xa960 && code <= 0xa97c)) return "lead";
  if ((code >= 0x1160 && code <= 0x11a7) || (code >= 0xd7b0 && code <= 0xd7c6)) return "vowel";
  if ((code >= 0x11a8 && code <= 0x11ff) || (code >= 0xd7cb && code <= 0xd7fb)) return "trail";
  if (code >= 0xac00 && code <= 0xd7a3) return (code - 0xac00) % 28 === 0 ? "open" : "closed";
  return undefined;
}

function pushUtf8(code: number, bytes: number[]): void {
  forEachByte(code, (byte) => bytes.push(byte));
}
