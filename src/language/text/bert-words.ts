/**
 * BertNormalizer followed by BertPreTokenizer, one code point at a time, so that every character of a word knows where
 * in the text it came from. It follows Hugging Face's Rust `tokenizers` (tests/text/golden was made with it), and so
 * differs from `@huggingface/tokenizers` 0.2 in two rare places where that library leaves the reference: ideographs
 * outside the basic plane are words of their own, and a capital sigma at the end of a word becomes σ (Rust lowercases
 * each character by itself). Compared over every code point with tokenizers 0.23.3: of 1,112,064 all agree but 671
 * (cased 163), whose category or decomposition is younger than that library's Unicode tables; ours are those of the
 * running Node. Offsets leave out combining marks that were stripped after the last kept character, as Rust does.
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

/**
 * A word as the model sees it: the normalized text and, for each of its code units, where its source starts and ends.
 */
export interface Word {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const CONTROL = /^[\p{Cc}\p{Cf}\p{Co}\p{Cs}]$/u;
const SPACE = /^\s$/u;
const PUNCTUATION = /^\p{P}$/u;
const MARK = /\p{Mn}/gu;

/**
 * What becomes of a character: nothing, a gap between words, or `kept` characters, each either in a word or one of its
 * own.
 */
interface Character {
  readonly kind: "dropped" | "space" | "kept";
  readonly kept: readonly string[];
  /** Whether each of `kept` stands alone: punctuation, ideographs. */
  readonly alone: boolean;
}

/**
 * Characters outside ASCII cost regular expressions and a normalization, so what they become is remembered; when full,
 * all is forgotten.
 */
const CACHE_SIZE = 4096;

/** A word stops growing here, above the 2 × 1000 code units that any vocabulary may cover: only its end moves on. */
const LONGEST_WORD = 2048;

const DROPPED: Character = Object.freeze({ kind: "dropped", kept: [], alone: false });
const GAP: Character = Object.freeze({ kind: "space", kept: [], alone: false });

export class BertWords {
  readonly #options: BertNormalizerOptions;
  readonly #characters = new Map<number, Character>();

  constructor(options: BertNormalizerOptions) {
    this.#options = options;
  }

  /** Calls `emit` with each word of `text` between `from` and `to` (code units), in order, until it returns false. */
  forEach(text: string, from: number, to: number, emit: (word: Word) => boolean): void {
    let open: { text: string; starts: number[]; ends: number[] } | undefined;
    let going = true;
    const close = (): void => {
      if (open !== undefined && going) going = emit(open);
      open = undefined;
    };
    const append = (kept: string, start: number, end: number): void => {
      open ??= { text: "", starts: [], ends: [] };
      if (open.text.length >= LONGEST_WORD) {
        open.ends[open.ends.length - 1] = end;
        return;
      }
      open.text += kept;
      for (let i = 0; i < kept.length; i++) {
        open.starts.push(start);
        open.ends.push(end);
      }
    };
    for (let at = from; at < to && going;) {
      const code = text.codePointAt(at) as number;
      const start = at;
      at += code > 0xffff ? 2 : 1;
      const { kind, kept, alone } = this.#character(code);
      if (kind === "dropped") continue;
      if (kind === "space" || alone) close();
      for (const character of kept) append(character, start, at);
      if (alone) close();
    }
    close();
  }

  /** All words of `text`. */
  all(text: string): Word[] {
    const words: Word[] = [];
    this.forEach(text, 0, text.length, (word) => {
      words.push(word);
      return true;
    });
    return words;
  }

  #character(code: number): Character {
    let character = this.#characters.get(code);
    if (character === undefined) {
      if (this.#characters.size >= CACHE_SIZE) this.#characters.clear();
      character = classify(code, this.#options);
      this.#characters.set(code, character);
    }
    return character;
  }
}

function classify(code: number, options: BertNormalizerOptions): Character {
  if (options.cleanText && isDropped(code)) return DROPPED;
  if (isSpace(code)) return GAP;
  const kept = normalizeChar(code, options);
  const first = kept[0];
  if (first === undefined) return DROPPED;
  return { kind: "kept", kept, alone: isPunctuation(first) || (options.handleChineseChars && isIdeograph(code)) };
}

/**
 * A code point after stripping and lowercasing: usually one character, none if it was a mark, several if it decomposes.
 */
function normalizeChar(code: number, { stripAccents, lowercase }: BertNormalizerOptions): string[] {
  let kept = String.fromCodePoint(code);
  if (stripAccents) kept = kept.normalize("NFD").replace(MARK, "");
  // One by one, as Rust does: JavaScript's toLowerCase looks at neighbours (a final sigma).
  return Array.from(kept).flatMap((character) => Array.from(lowercase ? character.toLowerCase() : character));
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
  if (code < 0x80)
    return (
      (code >= 0x21 && code <= 0x2f) ||
      (code >= 0x3a && code <= 0x40) ||
      (code >= 0x5b && code <= 0x60) ||
      (code >= 0x7b && code <= 0x7e)
    );
  return PUNCTUATION.test(character);
}

/**
 * CJK Unified Ideographs, their extensions A to E and compatibility forms; the start of extension E, 0x2b920, is the
 * reference's.
 */
function isIdeograph(code: number): boolean {
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
