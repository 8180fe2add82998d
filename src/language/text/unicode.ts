/**
 * What a code point is to the reference tokenizer (unicode-tables.ts), whatever the age of the running Node's tables.
 * Decompositions and lowercase come from Node: for characters that the reference's tables know they can never change
 * (Unicode's stability policies), and the younger ones are left alone, as the reference leaves them.
 */
import {
  COMBINING,
  CONSONANTS,
  DROPPED,
  INERT,
  JOINS,
  KEEPERS,
  LEADS,
  LETTER,
  LINKERS,
  MARK,
  NONSPACING,
  NUMBER,
  NUMERIC,
  PARTS,
  PUNCTUATION,
  WORD,
} from "./unicode-tables.ts";

/** Sorted, disjoint ranges; a lookup halves them. */
class CodePoints {
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #values: number[] = [];

  constructor(table: string, valued = false) {
    const numbers = table
      .trim()
      .split(" ")
      .map((digits) => parseInt(digits, 36));
    let at = 0;
    for (let i = 0; i < numbers.length; i += valued ? 3 : 2) {
      this.#starts.push((at += numbers[i] as number));
      this.#ends.push((at += numbers[i + 1] as number));
      this.#values.push(valued ? (numbers[i + 2] as number) : 1);
    }
  }

  /** The value of the range that holds `code`; 0 outside of all. */
  value(code: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ends[middle] as number) <= code) low = middle + 1;
      else high = middle;
    }
    return code >= (this.#starts[low] ?? Infinity) ? (this.#values[low] as number) : 0;
  }

  has(code: number): boolean {
    return this.value(code) !== 0;
  }
}

const punctuation = new CodePoints(PUNCTUATION);
const word = new CodePoints(WORD);
const dropped = new CodePoints(DROPPED);
const nonspacing = new CodePoints(NONSPACING);
const mark = new CodePoints(MARK);
const numeric = new CodePoints(NUMERIC);
const letter = new CodePoints(LETTER);
const number = new CodePoints(NUMBER);
const joins = new CodePoints(JOINS);
const leads = new CodePoints(LEADS);
const parts = new CodePoints(PARTS);
const consonants = new CodePoints(CONSONANTS);
const linkers = new CodePoints(LINKERS);
const keepers = new CodePoints(KEEPERS);
const inert = new CodePoints(INERT);
const combining = new CodePoints(COMBINING, true);

/** ASCII punctuation and symbols, and Unicode's punctuation. */
export const isPunctuation = (code: number): boolean => punctuation.has(code);
/** `\w` of the reference's regular expressions. */
export const isWord = (code: number): boolean => word.has(code);
/** Control and format characters, private use, U+FFFD: what `clean_text` drops. */
export const isDropped = (code: number): boolean => dropped.has(code);
/** A mark to BertNormalizer, which knows fewer of them than the StripAccents normalizer. */
export const isNonspacing = (code: number): boolean => nonspacing.has(code);
export const isMark = (code: number): boolean => mark.has(code);
export const isNumeric = (code: number): boolean => numeric.has(code);
/** `\p{L}` of the reference's regular expressions. */
export const isLetter = (code: number): boolean => letter.has(code);
/** `\p{N}` of the reference's regular expressions. */
export const isNumber = (code: number): boolean => number.has(code);
/** One cluster with the character before it. */
export const joinsBefore = (code: number): boolean => joins.has(code);
/** One cluster with the character after it. */
export const leadsNext = (code: number): boolean => leads.has(code);
/** A cluster by itself: controls and line breaks. */
export const partsClusters = (code: number): boolean => parts.has(code);
/** Two of these with a linker between them are one cluster, and others that are kept may stand there too. */
export const isConsonant = (code: number): boolean => consonants.has(code);
export const isLinker = (code: number): boolean => linkers.has(code);
export const isKeeper = (code: number): boolean => keepers.has(code);
/** Neither decomposed, composed nor reordered. */
export const isInert = (code: number): boolean => inert.has(code);
/** 0 for a starter, else the rank of its canonical combining class. */
export const combiningRank = (code: number): number => combining.value(code);

/** Unicode White_Space. U+FEFF is in JavaScript's `\s` but is a format character; U+0085 is the other way round. */
export function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return code === 0x85 || (code !== 0xfeff && /^\s$/u.test(String.fromCodePoint(code)));
}

/**
 * CJK Unified Ideographs, their extensions A to E and compatibility forms; the start of extension E, 0x2b920, is the
 * reference's.
 */
export function isIdeograph(code: number): boolean {
  return (
    code >= 0x3400 &&
    ((code >= 0x4e00 && code <= 0x9fff) ||
      code <= 0x4dbf ||
      (code >= 0x20000 && code <= 0x2a6df) ||
      (code >= 0x2a700 && code <= 0x2b73f) ||
      (code >= 0x2b740 && code <= 0x2b81f) ||
      (code >= 0x2b920 && code <= 0x2ceaf) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0x2f800 && code <= 0x2fa1f))
  );
}

/** Code point by code point. */
export const codesOf = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) as number);
