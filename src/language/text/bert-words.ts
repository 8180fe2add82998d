/**
 * BertNormalizer followed by BertPreTokenizer, one code point at a time, so that every character of a word knows where in the
 * text it came from. It follows Hugging Face's Rust `tokenizers` (golden/bert-words.json in tests/text was made with it), and so
 * differs from `@huggingface/tokenizers` 0.2 in two rare places where that library leaves the reference: ideographs outside the basic plane are
 * words of their own, and a capital sigma at the end of a word becomes σ (Rust lowercases each character by itself).
 * Offsets leave out combining marks that were stripped after the last kept character, as Rust does.
 */

export interface BertNormalizerOptions {
  /** Drop control and format characters, turn every kind of white space into a space. */
  readonly cleanText: boolean;
  /** Each Chinese ideograph is a word. */
  readonly handleChineseChars: boolean;
  /** Decompose and drop combining marks. */
  readonly stripAccents: boolean;
  readonly lowercase: boolean;
}

/** A word as the model sees it: the normalized text and, for each of its code units, where its source starts and ends. */
export interface Word {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const CONTROL = /^[\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const SPACE = /^\s$/u;
const PUNCTUATION = /^\p{P}$/u;
const MARK = /\p{Mn}/gu;

/** The words of `text` from `from` to `to` (code units), in order. */
export function bertWords(text: string, options: BertNormalizerOptions, from = 0, to = text.length): Word[] {
  const words: Word[] = [];
  let open: { text: string; starts: number[]; ends: number[] } | undefined;
  const close = (): void => {
    if (open !== undefined) words.push(open);
    open = undefined;
  };
  const append = (kept: string, start: number, end: number): void => {
    open ??= { text: "", starts: [], ends: [] };
    open.text += kept;
    for (let i = 0; i < kept.length; i++) {
      open.starts.push(start);
      open.ends.push(end);
    }
  };
  for (let at = from; at < to;) {
    const code = text.codePointAt(at) as number;
    const start = at;
    at += code > 0xffff ? 2 : 1;
    if (options.cleanText && isDropped(code)) continue;
    if (isSpace(code)) {
      close();
      continue;
    }
    const alone = options.handleChineseChars && isIdeograph(code);
    if (alone) close();
    for (const kept of normalizeChar(code, options)) {
      if (isPunctuation(kept)) {
        close();
        append(kept, start, at);
        close();
      } else if (isSpace(kept.codePointAt(0) as number)) {
        close();
      } else {
        append(kept, start, at);
      }
    }
    if (alone) close();
  }
  close();
  return words;
}

/** A code point after stripping and lowercasing: usually one character, none if it was a mark, several if it decomposes. */
function normalizeChar(code: number, { stripAccents, lowercase }: BertNormalizerOptions): string {
  if (code < 0x80) return String.fromCharCode(lowercase && code >= 0x41 && code <= 0x5a ? code + 32 : code);
  let kept = String.fromCodePoint(code);
  if (stripAccents) kept = kept.normalize("NFD").replace(MARK, "");
  return lowercase ? Array.from(kept, (character) => character.toLowerCase()).join("") : kept;
}

function isDropped(code: number): boolean {
  if (code < 0x80) return (code < 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) || code === 0x7f;
  return code === 0xfffd || CONTROL.test(String.fromCodePoint(code));
}

/** Unicode White_Space. U+FEFF is in JavaScript's `\s` but is a format character; U+0085 is the other way round. */
function isSpace(code: number): boolean {
  if (code < 0x80) return code === 0x20 || (code >= 0x09 && code <= 0x0d);
  return code === 0x85 || (code !== 0xfeff && SPACE.test(String.fromCodePoint(code)));
}

function isPunctuation(character: string): boolean {
  const code = character.codePointAt(0) as number;
  if (code < 0x80) return (code >= 0x21 && code <= 0x2f) || (code >= 0x3a && code <= 0x40) || (code >= 0x5b && code <= 0x60) || (code >= 0x7b && code <= 0x7e);
  return PUNCTUATION.test(character);
}

/** CJK Unified Ideographs, their extensions A to E and compatibility forms: the ranges of the original BERT. */
function isIdeograph(code: number): boolean {
  return code >= 0x3400 && ((code >= 0x4e00 && code <= 0x9fff) || code <= 0x4dbf || (code >= 0x20000 && code <= 0x2a6df) ||
    (code >= 0x2a700 && code <= 0x2b73f) || (code >= 0x2b740 && code <= 0x2b81f) || (code >= 0x2b820 && code <= 0x2ceaf) ||
    (code >= 0xf900 && code <= 0xfaff) || (code >= 0x2f800 && code <= 0x2fa1f));
}
